/**
 * What a dry run of operations (docs/patching.md) says in words.
 *
 * @typedef {import("./types.js").Operation} Operation
 * @typedef {import("./types.js").PatchResult} PatchResult
 * @typedef {import("./types.js").Change} Change
 * @typedef {import("./types.js").Specs} Specs
 * @typedef {import("./types.js").Line} Line
 */
import { inputsOf, isLink, titleOf } from "./graph.js";
import { optionLabel, unwrap } from "./values.js";

/** @type {(node_id: string, param: string, value: any) => Operation} */
export const setParam = (node_id, param, value) => ({ op: "set_param", node_id, param, value });

/** A list of more names than these says how many more there are. */
const MOST_NAMES = 5;
const LONGEST_VALUE = 40;

/**
 * What was, or would be, done: lines to be translated, the structure first.
 * @param {PatchResult} result
 * @param {Specs} specs
 * @returns {Line[]}
 */
export function summary({ changes, created, workflow }, specs) {
  const classOf = (/** @type {string} */ class_type) => specs.get(class_type)?.display_name ?? class_type;
  const nodeOf = (/** @type {Change} */ one) => {
    const node = workflow[one.node_id];
    return node ? titleOf(node, specs.get(node.class_type)) : classOf(one.class_type);
  };
  const made = new Set(created.map((one) => one.node_id));
  const of = (/** @type {Change["kind"]} */ kind) => changes.filter((one) => one.kind === kind);
  /** @type {Line[]} */
  const lines = [];
  const added = of("node_added");
  if (added.length) lines.push(listed("ops.add", added.map((one) => classOf(one.class_type))));
  const removed = of("node_removed").map((one) => titleOf(one.old ?? { class_type: one.class_type, inputs: {} }, specs.get(one.class_type)));
  if (removed.length) lines.push(listed("ops.remove", removed));
  for (const one of of("class_changed")) lines.push({ key: "ops.replace", params: { old: classOf(one.old), new: classOf(one.new) } });
  const types = new Set(changes.flatMap(linksOf).map(([source, slot]) => specs.get(workflow[source]?.class_type)?.outputs[slot]?.type ?? "*"));
  if (types.size) lines.push({ key: "ops.wire", params: { types: [...types].join(", ") } });
  for (const one of changes) if (!made.has(one.node_id)) lines.push(...lineOf(one, nodeOf(one)));
  return lines;
}

/**
 * The links that a change makes.
 * @param {Change} one
 */
function linksOf(one) {
  const values = one.kind === "node_added" ? Object.values(inputsOf(one.new)) : one.kind === "input_set" ? [one.new] : [];
  return values.filter(isLink);
}

/**
 * What is to say of one change of a node that was there before.
 * @param {Change} one
 * @param {string} node
 * @returns {Line[]}
 */
function lineOf(one, node) {
  const where = { node, input: one.input };
  switch (one.kind) {
    case "input_set":
      if (isLink(one.new)) return [];
      if (isLink(one.old)) return [{ key: "ops.unlink", params: where }];
      return [{ key: "ops.set", params: { ...where, value: short(one.new) } }];
    case "input_dropped":
      return [{ key: "ops.drop", params: where }];
    case "input_removed":
      return [{ key: isLink(one.old) ? "ops.unlink" : "ops.clear", params: where }];
    case "node_restored":
      return [{ key: "ops.restore", params: where }];
    case "meta_set":
      if (one.key === "title") return [{ key: "ops.title", params: { ...where, title: one.new ?? node } }];
      if (one.key === "bypassed") return [{ key: one.new === undefined ? "ops.bypass_off" : "ops.bypass_on", params: where }];
      return [];
    default:
      return [];
  }
}

/**
 * @param {string} key
 * @param {string[]} names
 * @returns {Line}
 */
function listed(key, names) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const each = [...counts].map(([name, count]) => (count > 1 ? `${name} × ${count}` : name));
  const more = each.length - MOST_NAMES;
  const shown = more > 0 ? `${each.slice(0, MOST_NAMES).join(", ")} + ${more}` : each.join(", ");
  return { key, params: { names: shown, count: names.length } };
}

/** @param {any} value */
function short(value) {
  const text = optionLabel(unwrap(value));
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
}
