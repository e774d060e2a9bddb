/** What the models screen knows of the server's files. The last answers are kept for when the server is away. */
import { computed, signal } from "../../vendor/preact.js";
import { fieldsOf } from "../../core/fields.js";
import { titleOf } from "../../core/graph.js";
import { api } from "../../io/api.js";
import { list, load, save } from "../../io/db.js";
import { catalog, draft, models, online } from "../../io/store.js";

/** @typedef {import("../../core/types.js").Field} Field */

/**
 * @typedef {object} Model As `GET /ext/models` shows it.
 * @property {string} name
 * @property {string} [folder] Set here, so that a row knows its place.
 * @property {number} [size]
 * @property {string} [modified]
 * @property {string} [format]
 * @property {string | null} [base_model]
 * @property {string | null} [title]
 * @property {string} [header]
 * @property {string | null} [preview]
 * @property {string[]} [trigger_words]
 * @property {string | null} [resolution]
 * @property {string | null} [precision]
 * @property {string | null} [sha256]
 */

/**
 * @typedef {object} Page What is known of one folder.
 * @property {Model[]} items
 * @property {string | null} next
 * @property {"loading" | "ready" | "failed"} state
 * @property {unknown} [error]
 */

const PAGE = 100;
/** Headers that the server had not read in time are asked for again after this. */
const PENDING_MS = 2500;

/** `GET /ext/system`, for the room on the disk. @type {import("../../vendor/preact.js").Signal<any>} */
export const system = signal(null);

/** @type {import("../../vendor/preact.js").Signal<ReadonlyMap<string, Page>>} */
export const pages = signal(new Map());

/** @param {string} folder @param {Page} page */
function setPage(folder, page) {
  pages.value = new Map(pages.value).set(folder, page);
}

export async function loadSystem() {
  try {
    system.value = await api.get("/ext/system");
  } catch {
    // The line about the disk is left out; the list says itself if the server is away.
  }
}

/** @type {Map<string, number>} The newest request of each folder: an older answer is not shown over a newer one. */
const asked = new Map();

/** @param {string} folder @param {{more?: boolean}} [options] */
export async function loadFolder(folder, { more = false } = {}) {
  const turn = (asked.get(folder) ?? 0) + 1;
  asked.set(folder, turn);
  const old = pages.value.get(folder);
  // Without the server a request may hang for minutes: what is kept shows at once.
  if (!online.value) {
    setPage(folder, { items: await keptOf(folder, old), next: null, state: "ready" });
    return;
  }
  setPage(folder, { items: old?.items ?? [], next: old?.next ?? null, state: "loading" });
  const cursor = more && old?.next ? `&cursor=${encodeURIComponent(old.next)}` : "";
  try {
    const answer = await api.get(`/ext/models/${encodeURIComponent(folder)}?detail=1&limit=${PAGE}${cursor}`);
    if (asked.get(folder) !== turn) return;
    const items = answer.items.map((/** @type {Model} */ one) => ({ ...one, folder }));
    const all = more ? [...(old?.items ?? []), ...items] : items;
    setPage(folder, { items: all, next: answer.next_cursor, state: "ready" });
    void save(`cache/models/${folder}`, all).catch(() => {});
    if (items.some((/** @type {Model} */ one) => one.header === "pending") && !more) {
      setTimeout(() => asked.get(folder) === turn && void loadFolder(folder), PENDING_MS);
    }
  } catch (error) {
    if (asked.get(folder) !== turn) return;
    setPage(folder, { items: await keptOf(folder, old), next: null, state: online.value ? "failed" : "ready", error });
  }
}

/**
 * @param {string} folder
 * @param {Page | undefined} old
 * @returns {Promise<Model[]>} What was read last; else what the list of names says.
 */
async function keptOf(folder, old) {
  if (old?.items.length) return old.items;
  return (await load(`cache/models/${folder}`)) ?? (models.value[folder] ?? []).map((name) => ({ name, folder }));
}

/** @param {string} text @returns {string} A name with `/` between its parts, as the server's lists have it. */
export const plainName = (text) => text.replaceAll("\\", "/");

/** @param {string} folder @param {string} name @param {string} [tail] */
export const modelPath = (folder, name, tail = "") =>
  `/ext/models/${encodeURIComponent(folder)}/${plainName(name).split("/").map(encodeURIComponent).join("/")}${tail}`;

/**
 * Where the open workflow names a model file.
 * @typedef {{id: string, title: string, param: string, folder: string, name: string}} Place
 */

/** @param {import("../../core/types.js").Graph} graph @returns {Place[]} */
function placesOf(graph) {
  /** @type {Place[]} */
  const found = [];
  for (const [id, node] of Object.entries(graph)) {
    const spec = catalog.value.get(node.class_type);
    if (!spec) continue;
    const title = titleOf(node, spec);
    /** @param {Field[]} fields */
    const walk = (fields) => {
      for (const field of fields) {
        if (field.folder && typeof field.value === "string") {
          found.push({ id, title, param: field.name, folder: field.folder, name: plainName(field.value) });
        }
        if (field.children) walk(field.children);
      }
    };
    walk(fieldsOf(spec, node));
  }
  return found;
}

/** Of the open workflow. @type {import("../../vendor/preact.js").ReadonlySignal<Place[]>} */
export const places = computed(() => placesOf(draft.value?.graph ?? {}));

/** @typedef {{id: string, name: string, graph: import("../../core/types.js").Graph}} Kept */

/** The drafts on this device with their workflows, as they were kept last. @type {import("../../vendor/preact.js").Signal<Kept[]>} */
const kept = signal([]);

export async function readDrafts() {
  kept.value = (await list("drafts")).flatMap(([, one]) => (one?.graph ? [{ id: one.id, name: one.name, graph: one.graph }] : []));
}

/** Names of the workflows that use a file, by `folder/name`. */
const users = computed(() => {
  const now = draft.value;
  const all = now ? [now, ...kept.value.filter((one) => one.id !== now.id)] : kept.value;
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const { name, graph } of all) {
    for (const file of new Set(placesOf(graph).map((one) => `${one.folder}/${one.name}`))) found.set(file, [...(found.get(file) ?? []), name]);
  }
  return found;
});

/** @param {string} folder @param {string} name @returns {string[]} The workflows of this device that use it. */
export const usedBy = (folder, name) => users.value.get(`${folder}/${name}`) ?? [];

/** @param {string} folder @param {string} name @returns {number} How many nodes of the open workflow use it. */
export function uses(folder, name) {
  return places.value.filter((one) => one.folder === folder && one.name === name).length;
}

/** @type {Record<string, string>} Proper names, the same in every language. */
const BASES = {
  sd15: "SD 1.5",
  sd2: "SD 2",
  sdxl: "SDXL",
  sd3: "SD 3",
  flux: "FLUX.1",
  flux2: "FLUX.2",
  chroma: "Chroma",
  wan: "Wan",
  hunyuan_video: "HunyuanVideo",
  qwen_image: "Qwen-Image",
  ltxv: "LTX-Video",
  lumina2: "Lumina 2",
  auraflow: "AuraFlow",
  hidream: "HiDream",
};

/** @param {string} base */
export const baseName = (base) => BASES[base] ?? base;

/** A file name in pieces between which a line may end: they are long, and have no spaces. @param {string} name @returns {string[]} */
export const pieces = (name) => name.split(/(?<=[_.-])(?=[^_.-])/);
