/** Folds what the server tells into tasks. Pure: gives new tasks, changes none. */

/**
 * A task with what only its events tell: where the latest frame is, and when it came.
 * @typedef {import("../../core/types.js").Task & {preview?: {node_id: string, url: string, at: string}}} Task
 */
/** @typedef {import("../../core/types.js").TaskNode} TaskNode */
/** @typedef {import("../../core/types.js").NodeStatus} NodeStatus */

const ENDED = new Set(["succeeded", "failed", "cancelled"]);
/** How far a node is; what came later by another way is not taken back. */
const FAR = { pending: 0, running: 1, interrupted: 2, skipped: 2, cached: 2, failed: 2, done: 2 };

const FRAME_MS = 300;

/** @param {any} at Seconds, as events say it, or a time. @returns {string | null} */
function time(at) {
  return typeof at === "number" ? new Date(at * 1000).toISOString() : (at ?? null);
}

/** @param {string} id @param {string} [name] Of the event. @returns {Task} What is known of a task that an event names for the first time. */
export function stub(id, name = "status") {
  return { id, kind: id.startsWith("dl-") ? "download" : "prompt", status: name === "status" ? "queued" : "running", progress: 0 };
}

/**
 * @param {Task} task
 * @param {string} name Without `task.`.
 * @param {Record<string, any>} data
 * @param {string} now The server's time.
 * @returns {Task}
 */
export function fold(task, name, data, now) {
  if (name === "status") return status(task, data, now);
  if (ENDED.has(task.status)) return name === "output" ? output(task, data) : task;
  if (name === "nodes") return (data.cached ?? []).reduce(cached, task);
  if (name === "node") return node(task, data, now);
  if (name === "progress") return task.kind === "download" ? bytes(task, data) : steps(task, data);
  if (name === "preview") return frame(task, data, now);
  if (name === "output") return output(task, data);
  return task;
}

/** @param {Task} task @param {Record<string, any>} data @param {string} now @returns {Task} */
function status(task, data, now) {
  // An end never changes again; an event that was on its way is older.
  if (ENDED.has(task.status)) return task;
  /** @type {Task} */
  const next = { ...task, status: data.status };
  if (data.origin) next.origin = data.origin;
  if (data.priority !== undefined) next.priority = data.priority;
  if (data.attempt !== undefined) next.attempt = data.attempt;
  if (typeof data.progress === "number") next.progress = data.progress;
  if (data.phase && task.download) next.download = { ...task.download, phase: data.phase };
  if (data.status === "running") {
    next.queue_position = null;
    // Another attempt begins from the start.
    if ((task.attempt ?? 0) < (data.attempt ?? 0) || !task.started_at) {
      Object.assign(next, { started_at: now, current: [], progress: 0, ...(task.nodes ? { nodes: anew(task.nodes) } : {}) });
    }
  }
  if (data.status === "queued" && task.status === "canceling") next.status = "canceling";
  if (ENDED.has(data.status)) {
    Object.assign(next, { finished_at: time(data.finished_at) ?? now, error: data.error ?? null, current: [], eta_s: null, queue_position: null, preview: undefined });
    if (task.download) next.download = { ...task.download, phase: ending(data.status), speed: null };
  }
  return next;
}

/** @param {string} to A task's status. @returns {string} The phase of its download. */
const ending = (to) => (to === "succeeded" ? "completed" : to);

/** @param {Record<string, TaskNode>} nodes */
function anew(nodes) {
  return Object.fromEntries(
    Object.entries(nodes).map(([id, one]) => [
      id,
      { ...one, status: /** @type {const} */ ("pending"), value: null, started_at: null, duration_s: null },
    ]),
  );
}

/** @param {Task} task @param {string} id @returns {Task} */
function cached(task, id) {
  const old = task.nodes?.[id];
  if (old && old.status !== "pending") return task;
  return counted({ ...task, nodes: { ...task.nodes, [id]: { ...named(old), status: "cached", duration_s: 0 } } });
}

/** @param {TaskNode | undefined} old @param {string | null} [class_type] @returns {TaskNode} */
function named(old, class_type) {
  return { class_type: class_type ?? "", title: null, status: "pending", ...old };
}

/** @param {Task} task @param {Record<string, any>} data @param {string} now @returns {Task} */
function node(task, data, now) {
  const id = String(data.node_id);
  const old = task.nodes?.[id];
  /** @type {TaskNode} */
  const made = { ...named(old, data.class_type), status: data.status, parent: data.parent ?? null };
  made.duration_s = data.duration_s ?? old?.duration_s ?? null;
  if (data.status === "running" && old?.status !== "running") made.started_at = now;
  else if (!made.started_at && data.duration_s) made.started_at = new Date(Date.parse(now) - data.duration_s * 1000).toISOString();
  const others = (task.current ?? []).filter((each) => each !== id);
  const current = data.status === "running" ? [...others, id] : others;
  const known = task.nodes && Object.keys(task.nodes).length > 0;
  return counted({ ...risen(task, data.progress), current, nodes: { ...(known ? task.nodes : {}), [id]: made } });
}

/** @param {Task} task @param {Record<string, any>} data @param {string} now @returns {Task} */
function frame(task, data, now) {
  // Each one is fetched: a fast sampler would keep a phone's line busy with nothing else.
  if (task.preview && Date.parse(now) - Date.parse(task.preview.at) < FRAME_MS) return task;
  return { ...task, preview: { node_id: data.node_id, url: data.url, at: now } };
}

/** @param {Task} task @param {unknown} progress @returns {Task} */
function risen(task, progress) {
  return typeof progress === "number" ? { ...task, progress: Math.max(task.progress ?? 0, progress) } : { ...task };
}

/** How many nodes are settled, where all of them are known. @param {Task} task @returns {Task} */
function counted(task) {
  const nodes = Object.values(task.nodes ?? {}).filter((one) => !one.parent);
  if (task.nodes_total === undefined || nodes.length < task.nodes_total) return task;
  return { ...task, nodes_done: Math.min(task.nodes_total, nodes.filter((one) => one.status === "done" || one.status === "cached").length) };
}

/** @param {Task} task @param {Record<string, any>} data @returns {Task} */
function steps(task, data) {
  const id = String(data.node_id);
  const old = task.nodes?.[id];
  if (old && FAR[old.status] > 1) return risen(task, data.progress);
  /** @type {TaskNode} */
  const made = { ...named(old), status: "running", value: data.value, max: data.max };
  const current = task.current?.includes(id) ? task.current : [...(task.current ?? []), id];
  return { ...risen(task, data.progress), current, nodes: { ...task.nodes, [id]: made } };
}

/** @param {Task} task @param {Record<string, any>} data @returns {Task} */
function bytes(task, { task_id: _, progress, eta_s, ...rest }) {
  const next = { ...task, progress: progress ?? task.progress, eta_s, download: { ...task.download, ...rest } };
  return task.status === "queued" && rest.phase !== "paused" && rest.phase !== "queued" ? { ...next, status: "running" } : next;
}

/** @param {Task} task @param {Record<string, any>} data @returns {Task} */
function output(task, data) {
  const outputs = [...(task.outputs ?? [])];
  outputs[data.n] = data.output;
  // A gap is an output whose event comes yet.
  return outputs.includes(/** @type {any} */ (undefined)) ? task : { ...task, outputs };
}

/**
 * Puts what was read of a task in place of what is known, unless that is newer: an answer may have been on its
 * way while events came.
 * @param {Task | undefined} old
 * @param {Task} read
 * @returns {Task}
 */
export function merge(old, read) {
  if (!old) return read;
  const ended = ENDED.has(old.status);
  if (ended && !ENDED.has(read.status)) return old;
  const whole = read.nodes ?? old.nodes;
  if (ENDED.has(read.status)) return { ...old, ...read, ...(whole ? { nodes: whole } : {}), preview: undefined };
  /** @type {Task} */
  const next = { ...old, ...read, ...(whole ? { nodes: whole } : {}) };
  if ((old.attempt ?? 0) > (read.attempt ?? 0)) return { ...next, status: old.status, attempt: old.attempt, progress: old.progress, nodes: old.nodes ?? whole };
  if (old.status === "canceling") next.status = "canceling";
  if ((old.attempt ?? 0) !== (read.attempt ?? 0)) return next;
  next.progress = Math.max(old.progress ?? 0, read.progress ?? 0);
  if ((old.outputs?.length ?? 0) > (read.outputs?.length ?? 0)) next.outputs = old.outputs;
  if (read.nodes && old.nodes) next.nodes = farther(old.nodes, read.nodes);
  return next;
}

/** @param {Record<string, TaskNode>} old @param {Record<string, TaskNode>} read @returns {Record<string, TaskNode>} */
function farther(old, read) {
  const next = { ...read };
  for (const [id, one] of Object.entries(old)) {
    const other = read[id];
    if (!other) continue;
    if (FAR[one.status] > FAR[other.status]) next[id] = { ...other, ...one, class_type: other.class_type, title: other.title };
    else if (one.status === other.status && (one.value ?? 0) > (other.value ?? 0)) next[id] = { ...other, value: one.value, max: one.max };
  }
  return next;
}
