/** Tasks: a map kept up to date by the stream, and what can be done with them. */
import { batch, signal } from "../../vendor/preact.js";
import { api, ApiError, randomId, serverNow } from "../api.js";
import { merge, fold, stub } from "./fold.js";
import { openDraft } from "./draft.js";
import { FINISHED, queue, ran, taskOrder, tasks } from "./state.js";
import { t } from "./settings.js";

/** @typedef {import("./fold.js").Task} Task */

const PAGE = 50;
/** The server's limit of `ids`. */
const MANY = 200;
const GATHER_MS = 80;
/** No event says how long a run will still take. */
const ESTIMATE_MS = 5000;

/** Whether there are older tasks on the server than those that are here. @type {import("./state.js").Signal<boolean>} */
export const moreTasks = signal(false);

/** @type {string | null} */
let cursor = null;

/** @param {(map: Map<string, Task>) => void} change */
function update(change) {
  const next = new Map(tasks.value);
  change(next);
  tasks.value = next;
}

/** An estimate is as old as the answer that told it. @param {Task} read @returns {Task} */
const dated = (read) => ({ ...read, eta_at: new Date(serverNow()).toISOString() });

/** @param {Task[]} read */
export function take(read) {
  if (!read.length) return;
  update((map) => {
    for (const one of read) map.set(one.id, merge(map.get(one.id), dated(one)));
  });
}

/** @type {Set<string>} */
const wanted = new Set();
/** When a running task was asked for last. @type {Map<string, number>} */
const lastAsked = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let gathering;

/** Reads tasks whole, all that are asked for within a moment in one request. @param {string} id */
function want(id) {
  wanted.add(id);
  lastAsked.set(id, Date.now());
  gathering ??= setTimeout(() => void gather().catch(() => {}), GATHER_MS);
}

async function gather() {
  clearTimeout(gathering);
  gathering = undefined;
  const ids = [...wanted];
  wanted.clear();
  try {
    await read(ids);
  } catch (error) {
    // The next reconcile asks again.
    for (const id of ids) wanted.add(id);
    throw error;
  }
}

/** @param {string[]} ids @returns {Promise<void>} */
async function read(ids) {
  for (let at = 0; at < ids.length; at += MANY) {
    const part = ids.slice(at, at + MANY);
    const { items } = await api.get(`/ext/tasks?ids=${part.map(encodeURIComponent).join(",")}`);
    settle(part, items);
  }
}

/** Takes in whole tasks; of those that were asked for and not answered, nothing is left. @param {string[]} asked @param {Task[]} items */
export function settle(asked, items) {
  const here = new Set(items.map((one) => one.id));
  update((map) => {
    for (const one of items) map.set(one.id, merge(map.get(one.id), dated(one)));
    for (const id of asked) if (!here.has(id)) map.delete(id);
  });
}

/** Ids of the tasks that are not over, as far as is known here; what runs first. @returns {string[]} */
export const unfinished = () => taskOrder.value.filter((id) => !FINISHED.has(tasks.value.get(id)?.status ?? ""));

/**
 * Takes in an event of the stream.
 * @param {string} id
 * @param {string} name Without `task.`.
 * @param {Record<string, any>} data
 */
export function told(id, name, data) {
  const old = tasks.value.get(id);
  const next = fold(old ?? stub(id, name), name, data, new Date(serverNow()).toISOString());
  if (next !== old) update((map) => map.set(id, next));
  // Events do not carry the outputs' order, nodes that never ran, or what a task was made of.
  if (!old || (name === "status" && next.status !== old.status) || aged(next)) want(id);
  if (FINISHED.has(next.status)) lastAsked.delete(id);
}

/** Whether the estimate of a run is to be asked for anew. @param {Task} task */
const aged = ({ id, kind, status }) => kind === "prompt" && status === "running" && Date.now() - (lastAsked.get(id) ?? 0) > ESTIMATE_MS;

/** The places in the queue moved; no event says which. */
export function queueMoved() {
  for (const task of tasks.value.values()) if (task.status === "queued" && task.kind === "prompt") want(task.id);
}

/** Reads what may have been missed: all that is not over, and what is new. @returns {Promise<void>} */
export async function reconcile() {
  for (const id of unfinished()) wanted.add(id);
  const [list, now] = await Promise.all([api.get(`/ext/tasks?limit=${PAGE}`), api.get("/ext/queue"), gather()]);
  batch(() => {
    take(list.items);
    queue.value = now;
  });
  if (cursor === null) {
    cursor = list.next_cursor;
    moreTasks.value = cursor !== null;
  }
  const mine = ran.value?.task_id;
  for (const { id, status } of list.items) if (!FINISHED.has(status)) want(id);
  if (mine && !tasks.value.get(mine)?.nodes) want(mine);
}

/** Reads the next page of older tasks. @returns {Promise<void>} Throws ApiError. */
export async function loadMore() {
  if (cursor === null) return;
  const at = cursor;
  const list = await api.get(`/ext/tasks?limit=${PAGE}&cursor=${encodeURIComponent(at)}`);
  if (cursor !== at) return;
  cursor = list.next_cursor;
  moreTasks.value = cursor !== null;
  take(list.items);
}

/** Reads one task whole, node by node. @param {string} id @returns {Promise<Task>} Throws ApiError. */
export async function loadTask(id) {
  try {
    take([await api.get(`/ext/tasks/${encodeURIComponent(id)}`)]);
  } catch (error) {
    if (error instanceof ApiError && error.code === "TASK_NOT_FOUND") update((map) => map.delete(id));
    throw error;
  }
  return /** @type {Task} */ (tasks.value.get(id));
}

/** @param {string} id @param {string} what @param {any} [body] @param {string} [key] @returns {Promise<Task>} */
async function act(id, what, body, key) {
  const made = await api.post(`/ext/tasks/${encodeURIComponent(id)}/${what}`, body, { key });
  take([made]);
  return /** @type {Task} */ (tasks.value.get(made.id));
}

/**
 * Asks for the end of a task. One that runs is `canceling` until its node has really stopped.
 * @param {string} id
 * @returns {Promise<Task>} Throws ApiError; a task that has ended meanwhile is given as it ended.
 */
export async function cancel(id) {
  try {
    return await act(id, "cancel");
  } catch (error) {
    if (error instanceof ApiError && error.code === "TASK_FINISHED") return loadTask(id);
    throw error;
  }
}

/** Runs a task that has ended once more. @param {string} id @param {boolean} [same] With the same seeds. @returns {Promise<Task>} Throws ApiError. */
export async function retry(id, same = false) {
  return act(id, same ? "retry?same=1" : "retry", undefined, randomId());
}

/** @param {string} id @returns {Promise<Task>} Of a download. Throws ApiError. */
export const pause = (id) => act(id, "pause");
/** @param {string} id @returns {Promise<Task>} Of a download. Throws ApiError. */
export const resume = (id) => act(id, "resume");

/** Forgets a task that has ended; its files stay. @param {string} id @returns {Promise<void>} Throws ApiError. */
export async function forget(id) {
  try {
    await api.del(`/ext/tasks/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "TASK_NOT_FOUND")) throw error;
  }
  update((map) => map.delete(id));
}

/** @returns {Promise<void>} Throws ApiError. */
export async function pauseQueue() {
  queue.value = await api.post("/ext/queue/pause");
}

/** @returns {Promise<void>} Throws ApiError. */
export async function resumeQueue() {
  queue.value = await api.post("/ext/queue/resume");
}

/**
 * Fetches a model file, or with `{workflow}` all that a workflow lacks.
 * @param {Record<string, any>} body As `POST /ext/models/download` takes it.
 * @returns {Promise<any>} Its answer. Throws ApiError.
 */
export async function download(body) {
  const answer = await api.post("/ext/models/download", body, { key: randomId() });
  if (answer.task) take([answer.task]);
  for (const id of answer.task_ids ?? []) want(id);
  return answer;
}

/**
 * Makes a draft of the workflow that a task ran.
 * @param {string} id
 * @returns {Promise<string>} The draft's id. Throws ApiError.
 */
export async function openTask(id) {
  const session = await api.post("/ext/workflow/sessions", { task_id: id });
  // Only the workflow was wanted; what is left behind would count as a session that somebody uses.
  void api.del(`/ext/workflow/sessions/${encodeURIComponent(session.id)}`).catch(() => {});
  const task = tasks.value.get(id);
  const name = task?.metadata?.name || task?.template?.name || t("draft.of_task", { id: id.slice(0, 8) });
  return openDraft({ name: String(name), graph: session.workflow, source: `task:${id}` });
}

/**
 * Makes a draft of a session, such as one that the desktop page sent.
 * @param {string} id
 * @returns {Promise<string>} The draft's id. Throws ApiError.
 */
export async function openSession(id) {
  const session = await api.get(`/ext/workflow/sessions/${encodeURIComponent(id)}`);
  return openDraft({ name: session.label || t("draft.from_desktop"), graph: session.workflow, source: `session:${id}` });
}
