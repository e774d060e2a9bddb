/** Titles in the user's language of what comes with the server; what others wrote is shown as they wrote it. */
import { t } from "../io/store.js";

/** @type {Record<string, string>} */
const TITLES = {
  "blend-images": "template.blend_images",
  "controlnet-canny-sd15": "template.controlnet_canny_sd15",
  "controlnet-canny-sdxl": "template.controlnet_canny_sdxl",
  "detect-edges": "template.detect_edges",
  "image-to-image-sdxl": "template.image_to_image_sdxl",
  "inpaint-flux": "template.inpaint_flux",
  "inpaint-sdxl": "template.inpaint_sdxl",
  "resize-image": "template.resize_image",
  "text-to-image-flux": "template.text_to_image_flux",
  "text-to-image-flux-schnell": "template.text_to_image_flux_schnell",
  "text-to-image-sd15": "template.text_to_image_sd15",
  "text-to-image-sdxl": "template.text_to_image_sdxl",
  "upscale-image": "template.upscale_image",
};

/** @type {Record<string, string>} */
const ABOUT = {
  "blend-images": "template.blend_images.about",
  "controlnet-canny-sd15": "template.controlnet_canny_sd15.about",
  "controlnet-canny-sdxl": "template.controlnet_canny_sdxl.about",
  "detect-edges": "template.detect_edges.about",
  "image-to-image-sdxl": "template.image_to_image_sdxl.about",
  "inpaint-flux": "template.inpaint_flux.about",
  "inpaint-sdxl": "template.inpaint_sdxl.about",
  "resize-image": "template.resize_image.about",
  "text-to-image-flux": "template.text_to_image_flux.about",
  "text-to-image-flux-schnell": "template.text_to_image_flux_schnell.about",
  "text-to-image-sd15": "template.text_to_image_sd15.about",
  "text-to-image-sdxl": "template.text_to_image_sdxl.about",
  "upscale-image": "template.upscale_image.about",
};

/** By the English title: templates share them. @type {Record<string, string>} */
const INPUTS = {
  Image: "input.image",
  "Image below": "input.image_below",
  "Image above": "input.image_above",
  "Share of the image above": "input.blend_factor",
  Mode: "input.mode",
  Prompt: "input.prompt",
  "Negative prompt": "input.negative_prompt",
  Width: "input.width",
  Height: "input.height",
  "Number of images": "input.batch_size",
  Strength: "input.strength",
  Start: "input.start",
  End: "input.end",
  "Lower threshold": "input.low_threshold",
  "Upper threshold": "input.high_threshold",
  Seed: "input.seed",
  Steps: "input.steps",
  CFG: "input.cfg",
  Sampler: "input.sampler",
  Scheduler: "input.scheduler",
  Checkpoint: "input.checkpoint",
  ControlNet: "input.controlnet",
  Denoise: "input.denoise",
  Megapixels: "input.megapixels",
  Guidance: "input.guidance",
  "Grow the mask": "input.grow_mask",
  "Diffusion model": "input.diffusion_model",
  "Text encoder CLIP-L": "input.clip_l",
  "Text encoder T5-XXL": "input.t5xxl",
  VAE: "input.vae",
  Crop: "input.crop",
  Method: "input.method",
  "Scale after the model": "input.scale_by",
  "Upscale model": "input.upscale_model",
};

/** Of nodes, by the English title. @type {Record<string, string>} */
const NODES = {
  "Apply ControlNet": "node.apply_controlnet",
  Blend: "node.blend",
  Checkpoint: "node.checkpoint",
  ControlNet: "node.controlnet",
  "Differential diffusion": "node.differential_diffusion",
  "Diffusion model": "node.diffusion_model",
  "Find edges": "node.find_edges",
  Guidance: "node.guidance",
  "Grow mask": "node.grow_mask",
  Image: "node.image",
  "Image above": "node.image_above",
  "Image and mask": "node.image_and_mask",
  "Image below": "node.image_below",
  "Image with the outlines": "node.outlines",
  "Inpaint conditioning": "node.inpaint_conditioning",
  LoRA: "node.lora",
  "Negative prompt": "node.negative_prompt",
  "No negative prompt": "node.no_negative_prompt",
  Prompt: "node.prompt",
  Resize: "node.resize",
  Sampler: "node.sampler",
  "Save image": "node.save_image",
  "Scale after the model": "node.scale_after",
  "Second pass": "node.second_pass",
  Size: "node.size",
  "Text encoders": "node.text_encoders",
  Upscale: "node.upscale",
  "Upscale latent": "node.upscale_latent",
  "Upscale model": "node.upscale_model",
  VAE: "node.vae",
  "VAE decode": "node.vae_decode",
  "VAE encode": "node.vae_encode",
  "Working size": "node.working_size",
};

/** @typedef {{name: string, title?: string | null, description?: string | null, read_only?: boolean}} Titled */

/** @param {Titled} one */
export const titleFor = (one) => (one.read_only && TITLES[one.name] ? t(TITLES[one.name]) : (one.title ?? one.name));

/** @param {Titled} one @returns {string} */
export const aboutFor = (one) => (one.read_only && ABOUT[one.name] ? t(ABOUT[one.name]) : (one.description ?? ""));

/** @param {string} title */
export const inputTitle = (title) => (INPUTS[title] ? t(INPUTS[title]) : title);

/**
 * A template's workflow with its nodes called in the user's language. The English titles are those of the server's own
 * templates only, and somebody else's "Sampler" is a sampler as well.
 * @param {import("../core/types.js").Graph} graph
 * @returns {import("../core/types.js").Graph}
 */
export const titledGraph = (graph) =>
  Object.fromEntries(
    Object.entries(graph).map(([id, node]) => {
      const known = NODES[node._meta?.title ?? ""];
      return [id, known ? { ...node, _meta: { ...node._meta, title: t(known) } } : node];
    }),
  );
