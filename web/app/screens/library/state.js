/** What there is to open, group by group. Each group's last answer is kept, so that the library shows without the server. */
import { signal } from "../../vendor/preact.js";
import { api, base } from "../../io/api.js";
import { load, names, save } from "../../io/db.js";
import { ApiError, arrivals, locale, online } from "../../io/store.js";

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

/** Names of templates whose form was opened on this device. @type {import("../../vendor/preact.js").Signal<ReadonlySet<string>>} */
export const keptTemplates = signal(new Set());

/** ComfyUI serves its own templates outside of `/api`. @param {string} path */
export const hostUrl = (path) => new URL(base().replace(/\/api$/, "") + path, location.origin).href;

/** ComfyUI's list tells milliseconds, older ones seconds. @param {number} at */
const moment = (at) => (at < 1e11 ? at * 1000 : at);

/**
 * Whether the folder of saved workflows is there: ComfyUI makes it with the first one, and until then a list of it
 * is an error (404). This one never is, but it has all that the user keeps: it is asked while no workflow is known.
 */
async function hasFolder() {
  try {
    const all = await api.get("/v2/userdata");
    return all.some((/** @type {any} */ one) => one.path === "workflows" && one.type === "directory");
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return true; // as far as a server without that list can tell
    throw error;
  }
}

/** @param {any[]} before What was listed last. @returns {Promise<any[]>} */
async function userdata(before) {
  if (!before.length && !(await hasFolder())) return [];
  try {
    return await api.get("/userdata?dir=workflows&recurse=true&split=false&full_info=true");
  } catch (error) {
    if (error instanceof ApiError && error.status === 404 && /directory/i.test(error.message)) return [];
    throw error;
  }
}

/** @param {any[]} before */
async function serverFiles(before) {
  const files = await userdata(before);
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

/** @type {Record<ShelfName, (before: any[]) => Promise<any[]>>} */
const READERS = { server: serverFiles, templates, comfy: comfyTemplates, desktop: sessions };

/** What is being read now, by shelf: a second wish for the same joins the first. @type {Map<ShelfName, {of: string, done: Promise<void>}>} */
const reading = new Map();

/** ComfyUI's templates are one large file for each language, which changes with ComfyUI only: the language that was read. */
let comfyIn = "";

/** Under which key a shelf is kept. @param {ShelfName} name */
const keyOf = (name) => (name === "comfy" ? `library/comfy-${locale.value === "zh" ? "zh" : "en"}` : `library/${name}`);

/** @param {ShelfName} name @returns {Promise<void>} */
export function loadShelf(name) {
  const of = keyOf(name);
  const under = reading.get(name);
  // What was asked of a server that went away since may hang for minutes.
  if (under?.of === of && online.value) return under.done;
  const done = read(name, of).finally(() => reading.get(name)?.done === done && reading.delete(name));
  reading.set(name, { of, done });
  return done;
}

/** @param {ShelfName} name @param {string} of */
async function read(name, of) {
  const mine = shelves[name];
  const shown = mine.value.items;
  mine.value = { state: "loading", items: shown };
  const before = shown.length && (name !== "comfy" || comfyIn === of) ? shown : ((await load(`cache/${of}`)) ?? shown);
  mine.value = { state: "loading", items: before };
  /** @param {Shelf} value An answer in a language that was left meanwhile is not shown. */
  const show = (value) => {
    if (of === keyOf(name)) mine.value = value;
  };
  if (!online.value) {
    show({ state: "failed", items: before });
    return;
  }
  try {
    const items = await READERS[name](before);
    if (name === "comfy") comfyIn = of;
    show({ state: "ready", items });
    void save(`cache/${of}`, items).catch(() => {});
  } catch (error) {
    const absent = error instanceof ApiError && (error.status === 404 || error.code === "BAD_ANSWER");
    show(absent ? { state: "absent", items: [] } : { state: "failed", items: before, error });
  }
}

// What the desktop sends while the library is open is a row of it at once.
arrivals.subscribe(() => shelves.desktop.value.state !== "none" && void loadShelf("desktop"));

/** ComfyUI's templates, unless they are here in this language already. */
export function loadComfy() {
  const { state } = shelves.comfy.value;
  if ((state === "ready" && comfyIn === keyOf("comfy")) || state === "absent") return;
  void loadShelf("comfy");
}

export async function loadShelves() {
  const kept = await names("cache");
  keptSources.value = new Set(kept.flatMap((key) => (key.startsWith("opened/") ? [key.slice(7)] : [])));
  keptTemplates.value = new Set(kept.flatMap((key) => (key.startsWith("template/") ? [key.slice(9)] : [])));
  await Promise.all(/** @type {ShelfName[]} */ (["server", "templates", "desktop"]).map(loadShelf));
}
