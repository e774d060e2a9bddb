/**
 * What the app keeps on the device. A name is `store/key`; the stores are `drafts`, `kv` and `cache`.
 *
 * Where IndexedDB is refused (some private windows), memory takes its place, and `kept()` says so: then
 * nothing survives a reload, and the app tells.
 */
import { createStore, del, entries, get, keys } from "../vendor/preact.js";
import { base } from "./api.js";

/** @typedef {"drafts" | "kv" | "cache"} StoreName */

/** @type {Record<string, any>} */
const opened = {};
/** @type {Map<string, any>} */
const memory = new Map();
let works = true;

/** @param {string} name @returns {[StoreName, string]} */
function split(name) {
  const cut = name.indexOf("/");
  const store = cut < 0 ? "kv" : name.slice(0, cut);
  if (store !== "drafts" && store !== "kv" && store !== "cache") throw new Error(`no store ${store}`);
  return [store, name.slice(cut + 1)];
}

/** One database for each store: idb-keyval cannot add a store to one that is there. @param {StoreName} name */
function store(name) {
  opened[name] ??= createStore(`backplane${base()}-${name}`, name);
  return opened[name];
}

/**
 * @template T
 * @param {() => Promise<T>} work
 * @param {() => T} instead
 * @returns {Promise<T>}
 */
async function guarded(work, instead) {
  if (!works || typeof indexedDB === "undefined") {
    works = false;
    return instead();
  }
  try {
    return await work();
  } catch (error) {
    // Once a write failed for want of room, the next may fit; only a store that cannot be opened is given up.
    if (error instanceof DOMException && error.name === "QuotaExceededError") throw error;
    works = false;
    console.warn("IndexedDB cannot be used:", error);
    return instead();
  }
}

/** Whether what is saved survives a reload. */
export const kept = () => works;

/** @param {string} name @returns {Promise<any>} What was saved, or undefined. */
export async function load(name) {
  const [where, key] = split(name);
  return guarded(
    () => get(key, store(where)),
    () => memory.get(`${where}/${key}`),
  );
}

/**
 * Commits by itself: a page that goes away hears of no request's end any more, and what is not committed by then is lost.
 * @param {IDBObjectStore} into @param {string} key @param {any} value @returns {Promise<void>}
 */
function written(into, key, value) {
  return new Promise((resolve, reject) => {
    const { transaction } = into;
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
    into.put(value, key);
    transaction.commit?.();
  });
}

/** @param {string} name @param {any} value @returns {Promise<void>} */
export async function save(name, value) {
  const [where, key] = split(name);
  await guarded(
    () => store(where)("readwrite", (/** @type {IDBObjectStore} */ into) => written(into, key, value)),
    () => void memory.set(`${where}/${key}`, value),
  );
}

/** @param {string} name @returns {Promise<void>} */
export async function drop(name) {
  const [where, key] = split(name);
  await guarded(
    () => del(key, store(where)),
    () => void memory.delete(`${where}/${key}`),
  );
}

/** @param {StoreName} where @returns {Promise<string[]>} The keys of a store alone: what lies under them may be large. */
export async function names(where) {
  return guarded(
    async () => (await keys(store(where))).map(String),
    () => {
      const start = `${where}/`;
      return [...memory.keys()].filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
    },
  );
}

/** @param {StoreName} where @returns {Promise<[string, any][]>} Everything in a store. */
export async function list(where) {
  return guarded(
    () => entries(store(where)),
    () => {
      const start = `${where}/`;
      return [...memory].filter(([name]) => name.startsWith(start)).map(([name, value]) => [name.slice(start.length), value]);
    },
  );
}
