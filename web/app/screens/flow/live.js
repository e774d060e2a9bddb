/** How a node stands: what is wrong with it, and how its last run went. */
import { computed } from "../../vendor/preact.js";
import { isLink } from "../../core/graph.js";
import { differences } from "../../core/diff.js";
import { fieldsOf } from "../../core/fields.js";
import { seconds } from "../../core/format.js";
import { catalog, draft, findingsOf, FINISHED, lastRun, locale, ran, seedMode, t } from "../../io/store.js";
import { graph } from "./state.js";

/** @typedef {"idle" | "cached" | "queued" | "running" | "done" | "failed" | "invalid" | "bypassed"} State */
/**
 * @typedef {object} Standing
 * @property {State} state
 * @property {string | null} text
 * @property {number | null} [value] Of the running node: how far, 0 to 1; null if that is not known.
 * @property {string | null} [error] The last line of what went wrong.
 * @property {boolean} [preview] Whether a picture of the work is to be had.
 */

/** What is different from the last run, but for the seeds that the run itself turned on. */
export const changed = computed(() => {
  if (!ran.value || !draft.value) return [];
  return differences(ran.value.graph, draft.value.graph).filter((one) => one.kind !== "value_changed" || !turns(one.id, one.input ?? ""));
});

/** Whether an input is a seed that changes with each run. @param {string} id @param {string} name */
function turns(id, name) {
  const node = graph.value[id];
  const field = fieldsOf(catalog.value.get(node.class_type), node).find((one) => one.name === name);
  return field?.kind === "seed" && seedMode(id, name, field.control) !== "fixed";
}

/** Nodes that are not as they ran, and those that take from them: what is known of their run says nothing any more. */
const outdated = computed(() => {
  const ids = new Set(changed.value.map((one) => one.id));
  let before = -1;
  while (ids.size !== before) {
    before = ids.size;
    for (const [id, node] of Object.entries(graph.value)) {
      if (Object.values(node.inputs ?? {}).some((value) => isLink(value) && ids.has(value[0]))) ids.add(id);
    }
  }
  return ids;
});

/** Whether the draft's last run has not ended. */
export const active = computed(() => !!lastRun.value && !FINISHED.has(lastRun.value.status));

/** Nodes that only exist while a node expands count for that one. @param {string} id */
function runOf(id) {
  return lastRun.value?.nodes?.[id] ?? null;
}

/** @param {string} id @returns {Standing} */
export function standing(id) {
  const node = graph.value[id];
  const run = runOf(id);
  const task = lastRun.value;
  if (run && active.value) {
    if (run.status === "running") return running(run);
    if (run.status === "pending" && task) return { state: "queued", text: task.status === "queued" ? t("flow.state_queued") : t("flow.state_waiting") };
  }
  if (node?._meta?.bypassed !== undefined) return { state: "bypassed", text: t("flow.state_bypassed") };
  if (findingsOf(id).some((one) => one.severity === "error")) return { state: "invalid", text: t("flow.state_invalid") };
  if (!run || (outdated.value.has(id) && !active.value)) return { state: "idle", text: null };
  if (run.status === "cached") return { state: "cached", text: t("flow.state_cached") };
  if (run.status === "failed") return { state: "failed", text: t("flow.state_failed"), error: errorOf(id) };
  if (run.status === "done") {
    const time = run.duration_s == null ? null : seconds(run.duration_s, locale.value);
    return { state: "done", text: time ? t("flow.state_done_in", { time }) : t("flow.state_done") };
  }
  return { state: "idle", text: null };
}

/** @param {import("../../core/types.js").TaskNode} run @returns {Standing} */
function running(run) {
  const steps = run.max != null && run.max > 1 && run.value != null;
  return {
    state: "running",
    text: steps ? t("flow.state_step", { value: run.value, max: run.max }) : t("flow.state_running"),
    value: steps ? Number(run.value) / Number(run.max) : null,
    preview: true,
  };
}

/** @param {string} id */
function errorOf(id) {
  const error = lastRun.value?.error;
  if (!error || (error.node_id && error.node_id !== id)) return null;
  return error.message.trim().split("\n").at(-1) ?? null;
}
