/** What there is to open, group by group. Each group's last answer is kept, so that the library shows without the server. */
import { signal } from "../../vendor/preact.js";
import { api, base } from "../../io/api.js";
import { list, load, save } from "../../io/db.js";
import { ApiError, locale } from "../../io/store.js";

/**
 * @typedef {object} Shelf
 * @property {"none" | "loading" | "ready" | "absent" | "failed"} state `absent`: this server has no such thing.
 * @property {any[]} items
 * @property {unknown} [error]
 */
/** @typedef {"server" | "templates" | "comfy" | "desktop"} ShelfName */

/** @returns {import("../../vendor/preact.js").Signal<Shelf>} */
const shelf = () => signal(/** @type {Shelf} */ ({ state: "none", items: [] }));

export const shelves = { server: shelf(), templates: shelf(), comfy: shelf(), desktop: shelf() };

/** Names of what was opened on this device and is kept: it opens without the server. @type {import("../../vendor/preact.js").Signal<ReadonlySet<string>>} */
export const keptSources = signal(new Set());

/** ComfyUI serves its own templates outside of `/api`. @param {string} path */
export const hostUrl = (path) => new URL(base().replace(/\/api$/, "") + path, location.origin).href;

/** ComfyUI's list tells milliseconds, older ones seconds. @param {number} at */
const moment = (at) => (at < 1e11 ? at * 1000 : at);

/** @returns {Promise<any[]>} None where nobody saved one yet: ComfyUI makes the folder with the first. */
async function userdata() {
  try {
    return await api.get("/userdata?dir=workflows&recurse=true&split=false&full_info=true");
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && /directory/i.test(error.message)) return [];
    throw error;
  }
}

async function serverFiles() {
  const files = await userdata();
  return files
    .filter((/** @type {any} */ one) => /\.json$/i.test(one.path ?? one))
    .map((/** @type {any} */ one) => {
      const path = String(one.path ?? one).replaceAll("\\", "/");
      return { path, name: path.replace(/\.json$/i, ""), modified: one.modified ? moment(one.modified) : null };
    })
    .sort((/** @type {any} */ a, /** @type {any} */ b) => (b.modified ?? 0) - (a.modified ?? 0));
}

async function templates() {
  const found = [];
  let cursor = "";
  do {
    const page = await api.get(`/ext/templates?kind=template&limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found.push(...page.items);
    cursor = page.next_cursor ?? "";
  } while (cursor);
  return found;
}

/** @param {string} name @returns {Promise<any>} */
async function comfyIndex(name) {
  return api.get(hostUrl(`/templates/${name}`));
}

async function comfyTemplates() {
  const index = locale.value === "zh" ? await comfyIndex("index.zh.json").catch(() => comfyIndex("index.json")) : await comfyIndex("index.json");
  const seen = new Set();
  return index.flatMap((/** @type {any} */ category) =>
    category.templates.flatMap((/** @type {any} */ one) => {
      if (seen.has(one.name)) return [];
      seen.add(one.name);
      const { name, title, description, tags, models, mediaType, mediaSubtype, openSource } = one;
      return [{ name, title: title ?? name, description, tags, models, mediaType, mediaSubtype, paid: openSource === false, category: category.title }];
    }),
  );
}

async function sessions() {
  const { items } = await api.get("/ext/workflow/sessions?limit=50");
  return items;
}

const READERS = { server: serverFiles, templates, comfy: comfyTemplates, desktop: sessions };

/** @param {ShelfName} name */
export async function loadShelf(name) {
  const mine = shelves[name];
  if (mine.value.state === "loading") return;
  const before = mine.value.items.length ? mine.value.items : ((await load(`cache/library/${name}`)) ?? []);
  mine.value = { state: "loading", items: before };
  try {
    const items = await READERS[name]();
    mine.value = { state: "ready", items };
    void save(`cache/library/${name}`, items).catch(() => {});
  } catch (error) {
    const absent = error instanceof ApiError && (error.status === 404 || error.code === "BAD_ANSWER");
    mine.value = absent ? { state: "absent", items: [] } : { state: "failed", items: before, error };
  }
}

export async function loadShelves() {
  keptSources.value = new Set((await list("cache")).flatMap(([key]) => (key.startsWith("opened/") ? [key.slice(7)] : [])));
  await Promise.all(/** @type {ShelfName[]} */ (Object.keys(READERS)).map(loadShelf));
}
