/**
 * What the app keeps on the device. A name is `store/key`; the stores are `drafts`, `kv` and `cache`.
 *
 * Where IndexedDB is refused (some private windows), memory takes its place, and `kept()` says so: then
 * nothing survives a reload, and the app tells.
 */
import { clear, createStore, del, entries, get, keys } from "../vendor/preact.js";
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

/** Errors of what was to be kept, not of the store: a full disk, or a value that cannot be stored. Another may fit. */
const NOT_THE_STORE = new Set(["QuotaExceededError", "DataCloneError"]);
/** Browsers have been seen that never answer whether a store can be opened: without an end the app would not start. */
const OPEN_MS = 5000;

/**
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
function answered(work) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new DOMException("no answer", "TimeoutError")), OPEN_MS);
  });
  return Promise.race([work, /** @type {Promise<never>} */ (late)]).finally(() => clearTimeout(timer));
}

/** What has answered once is not doubted again: a large value on a slow phone takes its time. */
let proven = false;

/**
 * @template T
 * @param {() => Promise<T>} work
 * @param {() => T} instead
 * @returns {Promise<T>}
 */
async function guarded(work, instead) {
  if (typeof indexedDB === "undefined") works = false;
  for (let tries = 0; works; tries += 1) {
    try {
      const done = await (proven ? work() : answered(work()));
      proven = true;
      return done;
    } catch (error) {
      const name = error instanceof DOMException ? error.name : "";
      if (NOT_THE_STORE.has(name)) throw error;
      if (tries || name === "TimeoutError") {
        works = false;
        console.warn("IndexedDB cannot be used:", error);
      }
      // A phone that slept may have lost its connections to the stores: opened anew, they are as they were.
      for (const one of Object.keys(opened)) delete opened[one];
    }
  }
  return instead();
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
    // An error of the request comes first, without the transaction's reason, and always ends so.
    transaction.onabort = () => reject(transaction.error);
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

/** Gives up what the server can tell again, so that there is room for work. @returns {Promise<void>} */
export async function makeRoom() {
  await guarded(
    () => clear(store("cache")),
    () => undefined,
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
