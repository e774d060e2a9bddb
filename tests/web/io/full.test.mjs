import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** Just as much of IndexedDB as is used: databases of one store, requests that answer later. */
class Databases {
  /** @type {Map<string, Map<string, any>>} */
  all = new Map();
  opened = 0;
  /** What a write of this key fails with. @type {(key: string) => string | null} */
  refuses = () => null;
  lost = false;
  silent = false;

  /** @param {string} name */
  open(name) {
    this.opened += 1;
    const request = /** @type {any} */ ({});
    if (this.silent) return request;
    const kept = this.all.get(name) ?? new Map();
    this.all.set(name, kept);
    request.result = { createObjectStore() {}, transaction: () => this.#transaction(kept) };
    queueMicrotask(() => request.onsuccess());
    return request;
  }

  /** @param {Map<string, any>} kept */
  #transaction(kept) {
    if (this.lost) throw new DOMException("the connection is closing", "InvalidStateError");
    const transaction = /** @type {any} */ ({ error: null, commit() {} });
    const done = () => (transaction.error ? transaction.onabort?.() : transaction.oncomplete?.());
    /** @param {any} result */
    const asked = (result) => {
      const request = /** @type {any} */ ({ result });
      queueMicrotask(() => (request.onsuccess?.(), done()));
      return request;
    };
    transaction.objectStore = () => ({
      transaction,
      get: (/** @type {string} */ key) => asked(kept.get(key)),
      delete: (/** @type {string} */ key) => asked(kept.delete(key)),
      clear: () => asked(kept.clear()),
      put: (/** @type {any} */ value, /** @type {string} */ key) => {
        const refusal = this.refuses(key);
        if (refusal === "DataCloneError") throw new DOMException("cannot be cloned", refusal);
        if (refusal) transaction.error = new DOMException("refused", refusal);
        else kept.set(key, structuredClone(value));
        return asked(key);
      },
    });
    return transaction;
  }
}

const databases = new Databases();
globalThis.indexedDB = /** @type {any} */ (databases);
const db = await import("../../../web/app/io/db.js");
const { saveNow, openDraft, openSaved, setValue } = await import("../../../web/app/io/store/draft.js");
const { draft } = await import("../../../web/app/io/store/state.js");

beforeEach(() => {
  databases.refuses = () => null;
  databases.lost = false;
});

test("on a full device what the server can tell again makes room, then the steps back", async () => {
  await db.save("cache/catalog", "large");
  const id = openDraft({ name: "A", graph: { 3: { class_type: "X", inputs: { steps: 1 } } } });
  await saveNow();
  const names = [...databases.all.keys()];
  const cache = /** @type {Map<string, any>} */ (databases.all.get(/** @type {string} */ (names.find((name) => name.endsWith("cache")))));
  databases.refuses = () => (cache.size ? "QuotaExceededError" : null);
  setValue("3", "steps", 2);
  await saveNow();
  assert.equal((await db.load(`drafts/${id}`)).graph[3].inputs.steps, 2);
  assert.ok(await db.load(`kv/history:${id}`));
  const past = /** @type {Map<string, any>} */ (databases.all.get(/** @type {string} */ (names.find((name) => name.endsWith("kv")))));
  databases.refuses = (key) => (key.startsWith("history:") || past.has(`history:${id}`) ? "QuotaExceededError" : null);
  setValue("3", "steps", 3);
  await saveNow();
  assert.equal((await db.load(`drafts/${id}`)).graph[3].inputs.steps, 3);
  assert.equal(db.kept(), true);
  draft.value = null;
  assert.equal(await openSaved(id), true);
});

test("a phone that slept and lost its connections goes on with the same stores", async () => {
  await db.save("kv/a", 1);
  const before = databases.opened;
  databases.lost = true;
  queueMicrotask(() => queueMicrotask(() => (databases.lost = false)));
  assert.equal(await db.load("kv/a"), 1);
  assert.ok(databases.opened > before);
  assert.equal(db.kept(), true);
});

test("a value that cannot be stored is no reason to give up the store", async () => {
  databases.refuses = () => "DataCloneError";
  await assert.rejects(db.save("kv/b", 1), { name: "DataCloneError" });
  databases.refuses = () => null;
  await db.save("kv/b", 2);
  assert.equal(await db.load("kv/b"), 2);
  assert.equal(db.kept(), true);
});

test("a browser that never answers does not keep the app from starting", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  databases.silent = true;
  const fresh = await import(`../../../web/app/io/db.js?fresh`);
  const asked = fresh.load("kv/a");
  t.mock.timers.tick(6000);
  assert.equal(await asked, undefined);
  assert.equal(fresh.kept(), false);
});
