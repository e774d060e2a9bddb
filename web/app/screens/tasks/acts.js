/** What can be done with tasks, and how it is told when it fails. */
import { effect, signal } from "../../vendor/preact.js";
import { fieldsOf } from "../../core/fields.js";
import { api, randomId } from "../../io/api.js";
import { clientId } from "../../io/store/client.js";
import * as store from "../../io/store.js";
import { confirm } from "../../ui/sheet.js";
import { moved } from "./order.js";
import { workflowOf } from "./origin.js";
import { active, isDownload, nameOf, ranFor } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */

/** Less than this is lost without a question. */
const WORTH_ASKING_S = 30;

/**
 * Do *work*; a failure becomes a toast.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T | undefined>}
 */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    store.toastError(error);
    return undefined;
  }
}

/** @param {Task} task */
export async function cancel(task) {
  const spent = active(task) ? (ranFor(task) ?? 0) : 0;
  if (isDownload(task) ? (task.download?.received ?? 0) > 0 : spent > WORTH_ASKING_S) {
    const sure = await confirm({
      title: store.t(isDownload(task) ? "tasks.cancel_download_title" : "tasks.cancel_title", { name: nameOf(task) }),
      text: isDownload(task)
        ? store.t("tasks.cancel_download_text")
        : store.t("tasks.cancel_text", { count: Math.max(1, Math.round(spent / 60)) }),
      action: store.t(isDownload(task) ? "tasks.cancel_download" : "tasks.stop_run"),
      tone: "danger",
    });
    if (!sure) return;
  }
  await attempt(() => store.cancel(task.id));
}

/**
 * Runs a workflow once more with seeds drawn anew. A retry draws only what the server drew before; what this app
 * queued has its numbers in the workflow, and would come from the cache, the same to the last bit.
 * @param {Task} task
 * @returns {Promise<Task>}
 */
async function anew(task) {
  if (isDownload(task) || task.template) return store.retry(task.id);
  const [graph, { nodes = {} }] = await Promise.all([workflowOf(task.id), task.nodes ? task : store.loadTask(task.id)]);
  const spec = (/** @type {string} */ id) => store.catalog.value.get(graph[id]?.class_type);
  const seeded = Object.keys(nodes).some((id) => graph[id] && fieldsOf(spec(id), graph[id]).some((field) => field.kind === "seed"));
  if (!seeded) return store.retry(task.id);
  const outputs = Object.keys(nodes).filter((id) => spec(id)?.flags.output_node);
  const body = { workflow: graph, params: { seed: "random" }, metadata: task.metadata, client_id: clientId(), ...(outputs.length ? { outputs } : {}) };
  const made = await api.post("/ext/tasks", body, { key: randomId() });
  await store.loadTask(made.id).catch(() => {});
  return made;
}

/** @param {Task} task @param {boolean} same With the same seeds. */
export async function again(task, same) {
  const made = await attempt(() => (same ? store.retry(task.id, true) : anew(task)));
  if (made) store.toast({ key: "tasks.queued_again", params: { name: nameOf(task) }, tone: "good" });
}

/** @param {string} id @param {boolean} paused Of a download. */
export const hold = (id, paused) => attempt(() => (paused ? store.pause(id) : store.resume(id)));

/** @param {boolean} paused */
export const holdQueue = (paused) => attempt(() => (paused ? store.pauseQueue() : store.resumeQueue()));

/**
 * Move *task* to place *to* among those that can be moved.
 * @param {Task[]} order In the order of their running.
 * @param {Task} task
 * @param {number} to
 */
export const move = (order, task, to) =>
  attempt(async () => {
    const line = order.map((one) => ({ id: one.id, priority: one.priority ?? 0 }));
    const changes = moved(line, task.id, to);
    if (!changes) return store.toast({ key: "tasks.no_room", tone: "warn" });
    // the last pushed first: at no time do two of them stand the wrong way round
    for (const { id, priority } of [...changes].reverse()) {
      await api.patch(`/ext/tasks/${id}`, { priority });
    }
    await Promise.all(line.map(({ id }) => store.loadTask(id)));
  });

/** @param {Task} task */
export const load = (task) =>
  attempt(async () => {
    await store.openTask(task.id);
    await store.go("/flow");
  });

/** Ids of tasks that are off the list, and will be off the server when the offer to undo it is gone. */
export const leaving = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** @param {Task} task */
export function forget(task) {
  let kept = false;
  leaving.value = new Set(leaving.value).add(task.id);
  const back = () => {
    leaving.value = new Set([...leaving.value].filter((id) => id !== task.id));
  };
  const message = store.toast({
    key: "tasks.off_list",
    params: { name: nameOf(task) },
    action: {
      key: "ui.undo",
      run() {
        kept = true;
        back();
      },
    },
  });
  const end = effect(() => {
    if (store.toasts.value.some((one) => one.id === message)) return;
    // a tap on Undo takes the message away before it says so
    setTimeout(async () => {
      end();
      if (kept) return;
      await attempt(() => store.forget(task.id));
      back();
    });
  });
}
