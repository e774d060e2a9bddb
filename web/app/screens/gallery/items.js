/** What the gallery shows of tasks, and which of it. Pure. */
import { score } from "../../core/search.js";

/** @typedef {import("../../core/types.js").Task} Task */
/** @typedef {import("../../core/types.js").TaskOutput & {favourite?: boolean, rating?: "chosen" | "rejected" | null, deleted?: boolean}} Output */
/**
 * One result.
 * @typedef {object} Item
 * @property {string} key
 * @property {Task} task
 * @property {number} n Its number among the task's outputs.
 * @property {Output} output
 * @property {Group} group
 * @property {string} at When it was asked for.
 * @property {string | null} name What its workflow is called.
 * @property {number} ratio Of its box: width by height.
 */
/** @typedef {"image" | "video" | "audio" | "text" | "file"} Group */

/**
 * @typedef {object} Filter
 * @property {Group | null} group
 * @property {string | null} name
 * @property {boolean} favourites
 * @property {"chosen" | "rejected" | null} rating
 * @property {string | null} run The id of a task.
 * @property {string} text
 */

/** @type {Filter} */
export const EVERYTHING = { group: null, name: null, favourites: false, rating: null, run: null, text: "" };

/** @type {Record<string, Group>} */
const GROUPS = { image: "image", video: "video", audio: "audio", text: "text", number: "text", boolean: "text", json: "text" };

const RATIOS = { image: 1, video: 16 / 9, audio: 2, text: 1.6, file: 2 };

/** @param {Task} task @returns {string | null} */
function workflowName(task) {
  const name = task.metadata?.name ?? task.template?.name;
  return typeof name === "string" && name ? name : null;
}

/**
 * Give the results of a task. What is only a preview is shown where nothing of its kind was saved.
 * @param {Task} task
 * @returns {Item[]}
 */
export function itemsOf(task) {
  const outputs = /** @type {Output[]} */ (task.outputs ?? []);
  const saved = new Set(outputs.filter((one) => one.type !== "temp").map((one) => one.kind));
  return outputs.flatMap((output, n) => {
    if (output.deleted || (output.type === "temp" && saved.has(output.kind))) return [];
    const group = GROUPS[output.kind] ?? "file";
    return [
      {
        key: `${task.id}/${n}`,
        task,
        n,
        output,
        group,
        at: task.created_at ?? "",
        name: workflowName(task),
        ratio: output.width && output.height ? output.width / output.height : RATIOS[group],
      },
    ];
  });
}

/** @param {Iterable<Task>} tasks @returns {Item[]} The newest first; of one task in its own order. */
export function collected(tasks) {
  const sorted = [...tasks].sort((a, b) => ((a.created_at ?? "") < (b.created_at ?? "") ? 1 : -1));
  return sorted.flatMap(itemsOf);
}

/** @param {Item} item @returns {string} What a search looks through. */
function textOf({ output, name, task }) {
  const inputs = Object.values(task.inputs ?? {}).filter((value) => typeof value === "string" || typeof value === "number");
  const value = typeof output.value === "string" ? output.value.slice(0, 500) : "";
  return [output.filename, output.subfolder, name, value, ...inputs].filter(Boolean).join(" ");
}

/**
 * @param {readonly Item[]} items
 * @param {Filter} filter
 * @returns {Item[]}
 */
export function chosen(items, { group, name, favourites, rating, run, text }) {
  const words = text.trim();
  return items.filter(
    (item) =>
      (!group || item.group === group) &&
      (!name || item.name === name) &&
      (!run || item.task.id === run) &&
      (!favourites || item.output.favourite) &&
      (!rating || item.output.rating === rating) &&
      (!words || score(textOf(item), words) > 0),
  );
}

/** @param {Filter} filter */
export const narrows = (filter) => !!(filter.group || filter.name || filter.favourites || filter.rating || filter.run || filter.text.trim());

/** @param {readonly Item[]} items @returns {string[]} Names of workflows, the most frequent first. */
export function namesOf(items) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { name } of items) if (name) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

/** @param {readonly Item[]} items @returns {Group[]} */
export function groupsOf(items) {
  const there = new Set(items.map((item) => item.group));
  return /** @type {Group[]} */ (["image", "video", "audio", "text", "file"]).filter((group) => there.has(group));
}
