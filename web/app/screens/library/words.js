/** Titles in the user's language of what comes with the server; what others wrote is shown as they wrote it. */
import { t } from "../../io/store.js";

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

/** @typedef {{name: string, title?: string | null, description?: string | null, read_only?: boolean}} Titled */

/** @param {Titled} one */
export const titleFor = (one) => (one.read_only && TITLES[one.name] ? t(TITLES[one.name]) : (one.title ?? one.name));

/** @param {Titled} one @returns {string} */
export const aboutFor = (one) => (one.read_only && ABOUT[one.name] ? t(ABOUT[one.name]) : (one.description ?? ""));

/** @param {string} title */
export const inputTitle = (title) => (INPUTS[title] ? t(INPUTS[title]) : title);
