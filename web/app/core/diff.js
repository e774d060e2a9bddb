/**
 * What differs between two workflows: "what changed since the last run".
 *
 * @typedef {import("./types.js").Graph} Graph
 * @typedef {import("./types.js").Difference} Difference
 */
import { inputsOf, isLink, same } from "./graph.js";

/**
 * In the order of the new workflow; nodes that are gone come last. Titles and the order of nodes change no run.
 * @param {Graph} old
 * @param {Graph} now
 * @returns {Difference[]}
 */
export function differences(old, now) {
  /** @type {Difference[]} */
  const found = [];
  for (const [id, node] of Object.entries(now)) {
    const before = Object.hasOwn(old, id) ? old[id] : undefined;
    const about = { id, class_type: node.class_type, title: node._meta?.title };
    if (before === node) continue;
    if (!before) {
      found.push({ ...about, kind: "node_added" });
      continue;
    }
    if (before.class_type !== node.class_type) {
      found.push({ ...about, kind: "class_changed", old: before.class_type, new: node.class_type });
    }
    const [was, is] = [inputsOf(before), inputsOf(node)];
    for (const input of new Set([...Object.keys(was), ...Object.keys(is)])) {
      if (same(was[input], is[input])) continue;
      const kind = isLink(was[input]) || isLink(is[input]) ? "link_changed" : "value_changed";
      found.push({ ...about, kind, input, old: was[input], new: is[input] });
    }
  }
  for (const [id, node] of Object.entries(old)) {
    if (!Object.hasOwn(now, id)) found.push({ id, class_type: node.class_type, title: node._meta?.title, kind: "node_removed" });
  }
  return found;
}
