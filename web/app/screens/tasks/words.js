/** What tasks are called and how they stand, in the reader's language. */
import { catalog, locale, queue, t } from "../../io/store.js";
import { serverNow } from "../../io/api.js";
import { ago, bytes, remaining, seconds, speed } from "../../core/format.js";
import { left, titled } from "../../core/timeline.js";

/** @typedef {import("../../core/types.js").Task} Task */
/** @typedef {import("../../core/types.js").TaskError} TaskError */

/** What `Intl` knows the reader's language by. */
export const tag = () => (locale.value === "qps" ? "en" : locale.value);

/** @param {Task} task */
export const finished = (task) => task.status === "succeeded" || task.status === "failed" || task.status === "cancelled";

/** @param {Task} task */
export const active = (task) => task.status === "running" || task.status === "canceling";

/** @param {Task} task Whether another program queued it, such as ComfyUI's own page. */
export const foreign = (task) => task.origin === "comfyui";

/** Whether its place can be changed: what ComfyUI has in its own queue keeps its place there. @param {Task} task */
export const movable = (task) => !foreign(task) && (!task.attempt || !!queue.value.next?.includes(task.id));

/** @param {Task} task */
export const isDownload = (task) => task.kind === "download";

/** @param {Task} task @returns {string} */
export function nameOf(task) {
  if (isDownload(task)) {
    const { name, url } = task.download ?? {};
    return name?.split("/").pop() || lastPart(url) || t("tasks.download");
  }
  const given = task.metadata?.name ?? task.template?.name;
  if (typeof given === "string" && given) return given;
  return foreign(task) ? t("tasks.from_comfyui") : t("tasks.untitled");
}

/** @param {string | undefined} url */
function lastPart(url) {
  return url?.split(/[?#]/)[0].split("/").pop();
}

/** What a status is called: one key for each, so that a search finds them. */
const STATUS = {
  queued: "tasks.status_queued",
  running: "tasks.status_running",
  canceling: "tasks.status_canceling",
  succeeded: "tasks.status_succeeded",
  failed: "tasks.status_failed",
  cancelled: "tasks.status_cancelled",
};

/** @type {Record<string, string>} */
const PHASE = {
  queued: "tasks.status_queued",
  resolving: "tasks.phase_resolving",
  downloading: "tasks.phase_downloading",
  retrying: "tasks.phase_retrying",
  verifying: "tasks.phase_verifying",
  extracting: "tasks.phase_extracting",
  publishing: "tasks.phase_publishing",
  paused: "tasks.phase_paused",
  completed: "tasks.phase_completed",
  failed: "tasks.status_failed",
  cancelled: "tasks.status_cancelled",
};

/** @param {Task} task */
export function statusOf(task) {
  const phase = !active(task) || task.status !== "canceling" ? task.download?.phase : null;
  return t((phase && PHASE[phase]) || STATUS[task.status]);
}

/** @param {Task} task */
export const toneOf = (task) =>
  task.status === "succeeded" ? "good" : task.status === "failed" ? "bad" : active(task) ? "accent" : "info";

/** @param {string | null | undefined} time */
const at = (time) => (time ? Date.parse(time) : NaN);

/** @param {Task} task @param {number} [now] @returns {number | null} Seconds that it has run, or ran. */
export function ranFor(task, now = serverNow()) {
  const from = at(task.started_at);
  if (Number.isNaN(from)) return null;
  const to = task.finished_at ? at(task.finished_at) : now;
  return Math.max(0, (to - from) / 1000);
}

/** @param {number} value */
export const duration = (value) => seconds(value, locale.value);

/** Without tenths, for a time that goes on. @param {number} value */
export const ticking = (value) => (value < 60 ? remaining(Math.floor(value), locale.value) : duration(value));

/** @param {Task} task @param {number} [now] @returns {string | null} How long until its end, as far as that is known. */
export function leftOf(task, now = serverNow()) {
  const value = left(task, now);
  return value === null ? null : remaining(value, locale.value);
}

/** @param {number} value */
export const size = (value) => bytes(value, locale.value);

/** @param {number} value */
export const pace = (value) => speed(value, locale.value);

/** @param {string | null | undefined} time */
export const since = (time) => (time ? ago(new Date(time), new Date(serverNow()), locale.value) : "");

/** @param {string | number | Date} time */
export const clock = (time) =>
  new Intl.DateTimeFormat(tag(), { hour: "2-digit", minute: "2-digit" }).format(new Date(time));

/** @param {Task} task @param {string} id @returns {string} What the node is called for people. */
export function nodeName(task, id) {
  const node = task.nodes?.[id];
  if (!node) return `#${id}`;
  // Of a node that only an event told of, not even the class is known yet.
  return titled(node, catalog.value.get(node.class_type)) || `#${id}`;
}

/** @param {Task} task @returns {string} "KSampler, step 13 of 20" */
export function stepOf(task) {
  if (task.status === "canceling") return t("tasks.stopping");
  const id = task.current?.[0];
  const node = id === undefined ? undefined : task.nodes?.[id];
  if (id === undefined || !node) {
    return task.nodes_total ? t("tasks.nodes_done", { done: task.nodes_done ?? 0, total: task.nodes_total }) : t("tasks.starting");
  }
  const name = nodeName(task, id);
  if (!node.max || node.max < 2) return name;
  return t("tasks.step_of", { name, step: Math.round(node.value ?? 0), total: Math.round(node.max) });
}

/** @type {Record<string, string>} */
const CURE = {
  OUT_OF_MEMORY: "tasks.cure_memory",
  NODE_FAILED: "tasks.cure_node",
  TASK_INTERRUPTED: "tasks.cure_interrupted",
  TASK_LOST: "tasks.cure_lost",
  MODEL_FILE_MISSING: "tasks.cure_model",
  INPUT_FILE_MISSING: "tasks.cure_input",
  UNKNOWN_NODE_CLASS: "tasks.cure_class",
  WORKFLOW_INVALID: "tasks.cure_invalid",
  DOWNLOAD_AUTH_REQUIRED: "tasks.cure_token",
  DOWNLOAD_GATED: "tasks.cure_gated",
  DOWNLOAD_DISK_FULL: "tasks.cure_disk",
  DOWNLOAD_NETWORK_ERROR: "tasks.cure_network",
  DOWNLOAD_TIMEOUT: "tasks.cure_network",
  DOWNLOAD_STALLED: "tasks.cure_network",
  DOWNLOAD_INCOMPLETE: "tasks.cure_network",
  DOWNLOAD_UPSTREAM_ERROR: "tasks.cure_source",
  DOWNLOAD_UPSTREAM_RATE_LIMITED: "tasks.cure_source",
  DOWNLOAD_NOT_FOUND: "tasks.cure_gone",
  DOWNLOAD_GONE: "tasks.cure_gone",
  DOWNLOAD_HASH_MISMATCH: "tasks.cure_hash",
  DOWNLOAD_SIZE_MISMATCH: "tasks.cure_hash",
  DOWNLOAD_PERMISSION_DENIED: "tasks.cure_permission",
};

/** @param {(TaskError & {hint?: string | null}) | null | undefined} error @returns {string | null} What to do about it. */
export function cureOf(error) {
  if (!error) return null;
  const key = CURE[error.code];
  if (key) return t(key);
  return error.hint ?? (error.retryable ? t("tasks.cure_again") : null);
}
