/** The names of node classes in the user's language. ComfyUI has them, in English it needs none. */
import { effect, signal } from "../../vendor/preact.js";
import { api, base } from "../api.js";
import * as db from "../db.js";
import { locale } from "./settings.js";
import { server } from "./state.js";

/** @typedef {Record<string, import("../../core/localise.js").Names>} Dictionary */

/** @type {import("./state.js").Signal<Dictionary>} */
export const names = signal({});

/** @param {string} url @returns {Promise<Dictionary>} */
const module = async (url) => (await import(url)).default ?? {};

/** @param {string} language */
async function load(language) {
  const about = server.value;
  const path = about?.names?.[language];
  // The module's name changes with each version of ComfyUI's page.
  const kept = await db.load(`cache/names:${language}`);
  const [own, packs] = await Promise.all([
    kept && kept.path === path ? kept.own : path ? module(new URL(base().replace(/\/api$/, "") + path, location.origin).href) : {},
    api.get("/i18n").then((all) => all?.[language]?.nodeDefs ?? {}),
  ]);
  if (path && kept?.path !== path) void db.save(`cache/names:${language}`, { path, own }).catch((error) => console.warn(error));
  if (locale.value === language) names.value = { ...own, ...packs };
}

/** Has the names at hand whenever the language or the server changes. *changed* shows them. @param {() => void} changed @returns {() => void} */
export function followNames(changed) {
  /** @type {string | undefined} */
  let asked;
  return effect(() => {
    const language = locale.value;
    // The sandbox has the English names alone.
    const key = language === "zh" && server.value?.host === "comfyui" ? `${language} ${server.value.names?.[language]}` : "";
    if (key === asked) return;
    asked = key;
    const done = key ? load(language) : Promise.resolve(void (names.value = {}));
    // Without them node classes have their English names, as in the catalogue.
    void done.then(changed, (error) => console.warn(error));
  });
}
