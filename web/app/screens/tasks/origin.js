/** The workflow that a task ran, and the run before it. */
import { api } from "../../io/api.js";
import { tasks } from "../../io/store.js";

/** @typedef {import("../../core/types.js").Task} Task */
/** @typedef {import("../../core/types.js").Graph} Graph */

const KEPT = 40;

/** @type {Map<string, Promise<Graph>>} */
const known = new Map();

/**
 * Give the workflow that task *id* ran. The server tells it as a session only, which is given back at once.
 * @param {string} id
 * @returns {Promise<Graph>}
 */
export function workflowOf(id) {
  let found = known.get(id);
  if (!found) {
    found = read(id);
    known.set(id, found);
    found.catch(() => known.delete(id));
    for (const old of [...known.keys()].slice(0, -KEPT)) known.delete(old);
  }
  return found;
}

/** @param {string} id @returns {Promise<Graph>} */
async function read(id) {
  const session = await api.post("/ext/workflow/sessions", { task_id: id });
  api.del(`/ext/workflow/sessions/${session.id}`).catch(() => {});
  return session.workflow;
}

/**
 * Give the run of the same workflow before *task*, or null: the one it repeats, or the last of the same draft or
 * template.
 * @param {Task} task
 * @returns {Promise<Task | null>}
 */
export async function runBefore(task) {
  if (task.retry_of) {
    return tasks.value.get(task.retry_of) ?? (await api.get(`/ext/tasks/${task.retry_of}`).catch(() => null));
  }
  const draft = task.metadata?.draft;
  const same = typeof draft === "string" ? `metadata.draft=${encodeURIComponent(draft)}` : task.template ? `template=${encodeURIComponent(task.template.name)}` : null;
  if (!same) return null;
  const { items } = await api.get(`/ext/tasks?kind=prompt&limit=100&${same}`);
  const earlier = (/** @type {Task} */ one) => one.id !== task.id && (one.created_at ?? "") < (task.created_at ?? "");
  return items.find(earlier) ?? null;
}
