import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fakeFetch, fakeStorage, fakeWindow, until } from "./fakes.mjs";

// Node waits for channels that are open.
const { BroadcastChannel: Channel } = globalThis;
globalThis.BroadcastChannel = class extends Channel {
  constructor(name) {
    super(name);
    this.unref();
  }
};
fakeWindow();
fakeStorage({ "backplane.settings": '{"language": "en"}' });
const store = await import("../../../web/app/io/store.js");
const { loadDrafts, saveNow } = await import("../../../web/app/io/store/draft.js");
const db = await import("../../../web/app/io/db.js");
const { base } = await import("../../../web/app/io/api.js");
const { draft, drafts, toasts, view } = store;

const GRAPH = { 3: { class_type: "KSampler", inputs: { seed: 7, steps: 20 } } };
const steps = () => draft.value?.graph[3].inputs.steps;

/** Another tab. */
const other = new BroadcastChannel(`backplane${base()}-drafts`);

/** What another tab does when it saves a draft. */
async function savesElsewhere(id, name, count) {
  const graph = { 3: { class_type: "KSampler", inputs: { seed: 7, steps: count } } };
  const updated_at = Date.now() + 1000;
  await db.save(`drafts/${id}`, { id, name, source: null, graph, seeds: {}, updated_at });
  await db.save(`kv/history:${id}`, { steps: [{ graph: GRAPH, key: null, at: 0 }, { graph, key: null, at: 1 }], at: 1 });
  other.postMessage({ id, name, source: null, updated_at, nodes: 1 });
}

beforeEach(async () => {
  fakeFetch(() => ({ valid: true, outputs: [], findings: [], warnings: [] }));
  for (const one of toasts.value) store.dismiss(one.id);
  store.openDraft({ name: "Test", graph: structuredClone(GRAPH) });
  await saveNow();
  await loadDrafts();
});

test("how a draft is looked at is kept beside it, and goes with it", async () => {
  const id = /** @type {string} */ (draft.value?.id);
  const before = drafts.value[0].updated_at;
  store.setView({ simple: false, lines: true });
  store.setView({ edits: { "3.steps": 2 } });
  store.openDraft({ name: "Other", graph: {} });
  assert.deepEqual(view.value, {});
  await saveNow();
  await store.openSaved(id);
  assert.deepEqual(view.value, { simple: false, lines: true, edits: { "3.steps": 2 } });
  assert.equal(drafts.value.find((one) => one.id === id)?.updated_at, before, "looking is no change");
  await store.deleteDraft(id);
  assert.equal(await db.load(`kv/view:${id}`), undefined);
});

test("what another tab saved is followed, with its undo", async () => {
  const id = /** @type {string} */ (draft.value?.id);
  await savesElsewhere(id, "Test", 33);
  await until(() => steps() === 33);
  assert.equal(draft.value?.id, id);
  store.undo();
  assert.equal(steps(), 20);
});

test("another tab's other draft only comes into the list", async () => {
  const id = draft.value?.id;
  await savesElsewhere("elsewhere", "Elsewhere", 5);
  await until(() => drafts.value.some((one) => one.id === "elsewhere"));
  assert.deepEqual([draft.value?.id, steps()], [id, 20]);
});

test("where both tabs changed it, neither is written over the other", async () => {
  const id = /** @type {string} */ (draft.value?.id);
  store.setValue("3", "steps", 11);
  await savesElsewhere(id, "Test", 33);
  await until(() => draft.value?.id !== id);
  assert.deepEqual([draft.value?.name, steps()], ["Test (2)", 11]);
  await until(() => toasts.value.some((one) => one.key === "draft.forked"));
  await saveNow();
  const [theirs, mine] = [await db.load(`drafts/${id}`), await db.load(`drafts/${draft.value?.id}`)];
  assert.deepEqual([theirs.graph[3].inputs.steps, mine.graph[3].inputs.steps], [33, 11]);
  store.undo();
  assert.equal(steps(), 20);
});

test("an edit is there although the device stopped before its steps were written, or before the draft was", async () => {
  const id = /** @type {string} */ (draft.value?.id);
  store.setValue("3", "steps", 21);
  await saveNow();
  const [record, past] = [await db.load(`drafts/${id}`), await db.load(`kv/history:${id}`)];
  const at = (/** @type {number} */ count) => ({ 3: { class_type: "KSampler", inputs: { seed: 7, steps: count } } });
  await db.save(`drafts/${id}`, { ...record, graph: at(22), updated_at: record.updated_at + 5 });
  await store.openSaved(id);
  assert.equal(steps(), 22);
  store.undo();
  assert.equal(steps(), 21);
  await saveNow();
  await db.save(`drafts/${id}`, { ...record, graph: at(20), updated_at: record.updated_at - 5 });
  await db.save(`kv/history:${id}`, past);
  await store.openSaved(id);
  assert.equal(steps(), 21);
});

test("a draft that is open is not cleared away for being old", async () => {
  const id = /** @type {string} */ (draft.value?.id);
  const record = await db.load(`drafts/${id}`);
  await db.save(`drafts/${id}`, { ...record, updated_at: 1 });
  for (let at = 0; at < 205; at += 1) await db.save(`drafts/many-${at}`, { ...record, id: `many-${at}`, updated_at: 1000 + at });
  await loadDrafts();
  assert.equal(draft.value?.id, id);
  assert.ok(await db.load(`drafts/${id}`));
  assert.equal(await db.load("drafts/many-0"), undefined);
  for (let at = 0; at < 205; at += 1) await db.drop(`drafts/many-${at}`);
});
