/** What can be done with tasks, and how it is told when it fails. */
import { api } from "../../io/api.js";
import * as store from "../../io/store.js";
import { confirm } from "../../ui/sheet.js";
import { moved } from "./order.js";
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

/** @param {Task} task @param {boolean} same */
export async function again(task, same) {
  const made = await attempt(() => store.retry(task.id, same));
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

/** @param {Task} task */
export const forget = (task) => attempt(() => store.forget(task.id));
