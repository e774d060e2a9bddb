/** Pieces of prompts that are used again, kept on this device. */
import { signal } from "../../vendor/preact.js";
import * as db from "../db.js";

const KEPT = "kv/presets";
const MOST = 200;

/** The one used last first. @type {import("./state.js").Signal<string[]>} */
export const presets = signal([]);

/** Read when they are wanted, for another tab may have more by now. @returns {Promise<void>} */
export async function loadPresets() {
  const found = await db.load(KEPT);
  if (Array.isArray(found)) presets.value = found.filter((one) => typeof one === "string");
}

/** @param {string[]} all */
export function keepPresets(all) {
  presets.value = all.slice(0, MOST);
  void db.save(KEPT, presets.value).catch((error) => console.warn(error));
}
