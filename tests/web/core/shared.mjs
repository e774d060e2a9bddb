import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** A few real node classes, by name. */
export const specs = new Map(Object.entries(JSON.parse(readFileSync(at("../data/specs.json"), "utf8"))));

/** Every node class of ComfyUI 0.33, read anew from its definitions; or why not. */
export function everySpec() {
  const own = at("../../../.venv/bin/python");
  const python = process.env.PYTHON ?? (existsSync(own) ? own : "python3");
  try {
    const text = execFileSync(python, [at("../specs.py")], { encoding: "utf8", maxBuffer: 1 << 28, stdio: "pipe" });
    return { all: Object.values(JSON.parse(text)) };
  } catch (error) {
    const last = String(error.stderr || error.message).trim().split("\n").at(-1);
    return { skip: `the definitions cannot be read with ${python}: ${last}` };
  }
}

/** Text to image, as ComfyUI's default workflow has it. */
export const textToImage = () => ({
  3: {
    class_type: "KSampler",
    inputs: {
      ...{ seed: 42, steps: 20, cfg: 8, sampler_name: "euler", scheduler: "normal", denoise: 1 },
      ...{ model: ["4", 0], positive: ["6", 0], negative: ["7", 0], latent_image: ["5", 0] },
    },
  },
  4: { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "sd_xl_base_1.0.safetensors" } },
  5: { class_type: "EmptyLatentImage", inputs: { width: 1024, height: 1024, batch_size: 1 } },
  6: { class_type: "CLIPTextEncode", inputs: { text: "a lighthouse at dusk", clip: ["4", 1] } },
  7: { class_type: "CLIPTextEncode", inputs: { text: "blurry", clip: ["4", 1] } },
  8: { class_type: "VAEDecode", inputs: { samples: ["3", 0], vae: ["4", 2] } },
  9: { class_type: "SaveImage", inputs: { filename_prefix: "ComfyUI", images: ["8", 0] } },
});

/** Fields with those inside them. */
export const flat = (fields) => fields.flatMap((field) => [field, ...flat(field.children ?? [])]);
