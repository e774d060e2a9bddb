/**
 * The workflow being worked on: on this device first. It is saved shortly after each edit, with the history,
 * so that neither a reload nor a phone that threw the page away loses a step.
 */
import { batch, signal } from "../../vendor/preact.js";
import { same } from "../../core/graph.js";
import { fresh, push, amend, undo as stepBack, redo as stepOn } from "../../core/history.js";
import { randomId } from "../api.js";
import * as db from "../db.js";
import { draft, drafts, findings, history, ran, valid, validation } from "./state.js";
import { followTabs, tellTabs } from "./tabs.js";
import { toast } from "./toasts.js";

/** @typedef {import("../../core/types.js").Graph} Graph */
/** @typedef {import("../../core/types.js").Draft} Draft */
/** @typedef {"fixed" | "randomize" | "increment" | "decrement"} SeedMode */

const SAVE_MS = 300;
/** Beyond these the oldest drafts lose their history, which is many times their size. */
const HISTORIES = 20;
const MOST_DRAFTS = 200;
const HERE = "backplane.draft";

/** What the user chose to happen to seeds after a run, by `node.input`. @type {import("./state.js").Signal<Record<string, SeedMode>>} */
export const seedModes = signal({});

/**
 * How the draft is looked at; what is absent was not chosen. *edits*: how often each input was changed, by `node.input`.
 * @typedef {{simple?: boolean, lines?: boolean, edits?: Record<string, number>}} View
 */

/** @type {import("./state.js").Signal<View>} */
export const view = signal({});

/** Kept beside the draft: looking at it does not change it. @param {View} part */
export function setView(part) {
  view.value = { ...view.value, ...part };
  if (draft.value) void db.save(`kv/view:${draft.value.id}`, view.value).catch(() => {});
}

/** Called after every change of the draft's graph, once it is in place. @type {Set<() => void>} */
const listeners = new Set();
/** @param {() => void} listener */
export const onEdit = (listener) => void listeners.add(listener);

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let dirty = false;
let warned = false;

function saveSoon() {
  dirty = true;
  // Not put off by the next edit: who types without a pause would have nothing kept.
  timer ??= setTimeout(() => void saveNow(), SAVE_MS);
}

/** Writes what is not written yet. Called when the page may go away, too. @returns {Promise<void>} */
export async function saveNow() {
  clearTimeout(timer);
  timer = undefined;
  const now = draft.value;
  if (!dirty || !now) return;
  dirty = false;
  const updated_at = Date.now();
  const record = { id: now.id, name: now.name, source: now.source, graph: now.graph, seeds: seedModes.value, updated_at };
  enter(entryOf(record));
  try {
    await written(record, { ...history.value, updated_at });
    // Another may have been opened meanwhile.
    if (draft.value?.id === now.id) here(now.id);
    tellTabs(entryOf(record));
    if (db.kept()) warned = false;
    else warn("draft.not_kept");
  } catch (error) {
    dirty ||= draft.value?.id === now.id;
    warn("draft.no_room");
    console.warn(error);
  }
}

/**
 * Where the device is full, what the server can tell again goes first, and then the steps back: the draft itself is small.
 * @param {{id: string}} record
 * @param {any} steps
 */
async function written(record, steps) {
  // All at once: a page that goes away waits for nothing.
  const [kept, past] = await Promise.allSettled([
    db.save(`drafts/${record.id}`, record),
    db.save(`kv/history:${record.id}`, steps),
    db.save("kv/current", record.id),
  ]);
  if (kept.status === "fulfilled" && past.status === "fulfilled") return;
  await db.makeRoom();
  await db.save(`drafts/${record.id}`, record).catch(async () => {
    await db.drop(`kv/history:${record.id}`);
    await db.save(`drafts/${record.id}`, record);
  });
  await db.save("kv/current", record.id);
  await db.save(`kv/history:${record.id}`, steps).catch(() => {});
}

/** @param {string} key */
function warn(key) {
  if (warned) return;
  warned = true;
  toast({ key, tone: "warn" });
}

/** @typedef {import("./state.js").DraftEntry} DraftEntry */

/** @param {{id: string, name: string, source: string | null, graph: Graph, updated_at: number}} record @returns {DraftEntry} */
const entryOf = ({ id, name, source, graph, updated_at }) => ({ id, name, source, updated_at, nodes: Object.keys(graph).length });

/** @param {DraftEntry} entry */
function enter(entry) {
  drafts.value = [entry, ...drafts.value.filter((each) => each.id !== entry.id)].sort((a, b) => b.updated_at - a.updated_at);
}

/** Which draft this tab has open, for its reload: another tab may have another. @param {string | null} [id] */
function here(id) {
  // Refused where the browser keeps nothing of a site.
  try {
    if (id === null) sessionStorage.removeItem(HERE);
    else if (id !== undefined) sessionStorage.setItem(HERE, id);
    return sessionStorage.getItem(HERE);
  } catch {
    return null;
  }
}

/**
 * Another tab saved a draft. If it is the one that is open here and nothing here is unsaved, it is followed, undo and
 * all; else what is here goes on as a copy, so that neither is written over the other.
 * @param {DraftEntry} entry
 */
export async function savedElsewhere(entry) {
  enter(entry);
  if (draft.value?.id !== entry.id) return;
  const saved = await read(entry.id);
  const now = draft.value;
  if (!saved || now?.id !== entry.id) return;
  if (!dirty) {
    place(...saved);
    if (globalThis.document?.visibilityState === "visible") toast({ key: "draft.followed" });
    return;
  }
  const number = / \((\d+)\)$/.exec(now.name);
  const name = `${number ? now.name.slice(0, number.index) : now.name} (${Number(number?.[1] ?? 1) + 1})`;
  draft.value = { ...now, id: randomId(8), name };
  if (now.ui !== undefined) void db.save(`kv/ui:${draft.value.id}`, now.ui).catch(() => {});
  await saveNow();
  toast({ key: "draft.forked", params: { name }, tone: "warn" });
}

/** Reads the list of drafts, and what was being worked on. @returns {Promise<void>} */
export async function loadDrafts() {
  const found = (await db.list("drafts")).map(([, record]) => record);
  found.sort((a, b) => b.updated_at - a.updated_at);
  drafts.value = found.map(entryOf);
  followTabs((entry) => void savedElsewhere(entry));
  const own = here();
  const opened = own !== null && (await openSaved(own));
  const current = opened ? null : await db.load("kv/current");
  if (current) await openSaved(current);
  /** @param {number} most */
  const beyond = (most) => drafts.value.slice(most).filter(({ id }) => id !== draft.value?.id);
  for (const { id } of beyond(HISTORIES)) void db.drop(`kv/history:${id}`);
  for (const { id } of beyond(MOST_DRAFTS)) await deleteDraft(id);
}

/**
 * Puts a workflow in place of the draft that is open, which stays in the list.
 * @param {{name: string, graph: Graph, source?: string | null, ui?: any}} body *ui* is the page's own document, kept for reference.
 * @returns {string} Its id.
 */
export function openDraft({ name, graph, source = null, ui }) {
  void saveNow();
  const made = { id: randomId(8), name, graph, source, ...(ui === undefined ? {} : { ui }) };
  place(made, fresh(graph), {}, null, {});
  if (ui !== undefined) void db.save(`kv/ui:${made.id}`, ui).catch(() => {});
  saveSoon();
  return made.id;
}

/** What is kept of a draft, as `place` takes it; null if it is gone. @param {string} id @returns {Promise<Parameters<typeof place> | null>} */
async function read(id) {
  const [record, steps, ui, before, looks] = await Promise.all(
    [`drafts/${id}`, `kv/history:${id}`, `kv/ui:${id}`, `kv/ran:${id}`, `kv/view:${id}`].map((name) => db.load(name)),
  );
  if (!record) return null;
  const past = pastOf(record, steps);
  const { graph } = past.steps[past.at];
  const made = { id, name: record.name, source: record.source, graph, ...(ui ? { ui } : {}) };
  return [made, past, record.seeds ?? {}, before ?? null, looks ?? {}];
}

/**
 * Both are written side by side, and the device may have stopped between them: the later one has the last edit.
 * @param {any} record
 * @param {any} kept
 * @returns {import("../../core/types.js").History}
 */
function pastOf(record, kept) {
  if (!kept?.steps?.[kept.at]) return fresh(record.graph);
  const { updated_at = 0, ...past } = kept;
  const newer = record.updated_at > updated_at && !same(past.steps[past.at].graph, record.graph);
  return newer ? push(past, record.graph, { at: record.updated_at }) : past;
}

/** @param {string} id @returns {Promise<boolean>} False if it is gone. */
export async function openSaved(id) {
  await saveNow();
  const saved = await read(id);
  if (!saved) return false;
  place(...saved);
  here(id);
  void db.save("kv/current", id).catch(() => {});
  return true;
}

/**
 * @param {Draft} made
 * @param {import("../../core/types.js").History} past
 * @param {Record<string, SeedMode>} seeds
 * @param {import("./state.js").Ran | null} before
 * @param {View} looks
 */
function place(made, past, seeds, before, looks) {
  batch(() => {
    draft.value = made;
    history.value = past;
    seedModes.value = seeds;
    ran.value = before;
    view.value = looks;
    findings.value = [];
    valid.value = null;
    validation.value = "none";
  });
  edited();
}

function edited() {
  for (const listener of listeners) listener();
}

/** @param {string} name */
export function renameDraft(name) {
  if (!draft.value || !name.trim()) return;
  draft.value = { ...draft.value, name: name.trim() };
  saveSoon();
}

/** Leaves the draft; it stays in the list. @returns {Promise<void>} */
export async function closeDraft() {
  await saveNow();
  leave();
  here(null);
  await db.drop("kv/current");
}

function leave() {
  batch(() => {
    draft.value = null;
    history.value = null;
    findings.value = [];
    valid.value = null;
    validation.value = "none";
    ran.value = null;
  });
}

/**
 * Deletes a draft from this device.
 * @param {string} id
 * @returns {Promise<() => Promise<void>>} Puts it back.
 */
export async function deleteDraft(id) {
  if (draft.value?.id === id) {
    await saveNow();
    leave();
    here(null);
    await db.drop("kv/current");
  }
  const names = [`drafts/${id}`, `kv/history:${id}`, `kv/ui:${id}`, `kv/ran:${id}`, `kv/view:${id}`];
  const held = await Promise.all(names.map((name) => db.load(name)));
  await Promise.all(names.map((name) => db.drop(name)));
  drafts.value = drafts.value.filter((each) => each.id !== id);
  return async () => {
    await Promise.all(names.map((name, place) => (held[place] === undefined ? undefined : db.save(name, held[place]))));
    if (held[0]) enter(entryOf(held[0]));
  };
}

/** A copy of the open draft becomes the open one. @param {string} name @returns {string | null} */
export function copyDraft(name) {
  const now = draft.value;
  return now ? openDraft({ name, graph: now.graph, source: now.source, ui: now.ui }) : null;
}

/**
 * Makes *graph* the draft's, as one step to undo. Edits with the same *key* in quick succession are one step.
 * @param {Graph} graph
 * @param {string | null} [key]
 */
export function commit(graph, key = null) {
  const now = draft.value;
  if (!now || graph === now.graph) return;
  const past = push(history.value ?? fresh(now.graph), graph, { key, at: Date.now() });
  show({ ...now, graph }, past);
}

/** Changes the graph without a step of its own, as a run does with seeds. @param {Graph} graph */
export function amendDraft(graph) {
  const now = draft.value;
  if (!now || !history.value) return;
  show({ ...now, graph }, amend(history.value, graph));
}

/** @param {Draft} now @param {import("../../core/types.js").History} past */
function show(now, past) {
  batch(() => {
    draft.value = now;
    history.value = past;
  });
  saveSoon();
  edited();
}

/**
 * Sets a value of a node, here and at once; undefined takes it away. Lists are wrapped as ComfyUI wants them.
 * @param {string} id
 * @param {string} name
 * @param {any} value A link `[node, slot]` is not taken: connecting is a patch.
 */
export function setValue(id, name, value) {
  const now = draft.value;
  const node = now?.graph[id];
  if (!now || !node) return;
  const { [name]: old, ...rest } = node.inputs;
  if (value === undefined) {
    if (Object.hasOwn(node.inputs, name)) commit({ ...now.graph, [id]: { ...node, inputs: rest } }, `${id}.${name}`);
    return;
  }
  const stored = Array.isArray(value) ? { __value__: value } : value;
  if (Object.hasOwn(node.inputs, name) && Object.is(old, stored)) return;
  commit({ ...now.graph, [id]: { ...node, inputs: { ...node.inputs, [name]: stored } } }, `${id}.${name}`);
}

/** @param {string} id @param {string} name @param {SeedMode} mode */
export function setSeedMode(id, name, mode) {
  seedModes.value = { ...seedModes.value, [`${id}.${name}`]: mode };
  saveSoon();
}

/** What happens to a seed after a run. @param {string} id @param {string} name @param {string} [otherwise] What the node declares. @returns {SeedMode} */
export function seedMode(id, name, otherwise = "randomize") {
  return seedModes.value[`${id}.${name}`] ?? /** @type {SeedMode} */ (otherwise);
}

/** The value that an input had in the last run; undefined if there was none. @param {string} id @param {string} name */
export function lastUsed(id, name) {
  return ran.value?.graph[id]?.inputs[name];
}

/** @param {(past: import("../../core/types.js").History) => import("../../core/types.js").History} step */
function travel(step) {
  const now = draft.value;
  const past = history.value;
  if (!now || !past) return;
  const after = step(past);
  if (after === past || after.at === past.at) return;
  show({ ...now, graph: after.steps[after.at].graph }, after);
}

export const undo = () => travel(stepBack);
export const redo = () => travel(stepOn);

/** @param {import("./state.js").Ran} body */
export function noteRun(body) {
  ran.value = body;
  if (draft.value) void db.save(`kv/ran:${draft.value.id}`, body).catch(() => {});
}
