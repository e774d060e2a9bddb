/**
 * The few fields that people usually change.
 *
 * @typedef {import("./types.js").Graph} Graph
 * @typedef {import("./types.js").Specs} Specs
 * @typedef {import("./types.js").Field} Field
 * @typedef {{id: string, field: Field}} Simple
 */
import { fieldsOf } from "./fields.js";
import { ordered, users } from "./graph.js";

const SIZES = new Set(["width", "height", "length", "batch_size"]);
const FILES = new Set(["image", "video", "audio"]);

/**
 * What App mode declares, where it is given; else prompts (what to avoid behind what to show), files, sizes, seeds and
 * models of nodes that something uses.
 * @param {Graph} graph
 * @param {Specs} specs
 * @param {{inputs?: readonly any[]}} [appMode] `extra.linearData` of the page's document: its inputs are `[node, name, …]`.
 * @returns {Simple[]}
 */
export function simpleFields(graph, specs, appMode) {
  const all = ordered(graph).flatMap((id) => flat(fieldsOf(specs.get(graph[id]?.class_type), graph[id])).map((field) => ({ id, field })));
  const inputs = Array.isArray(appMode?.inputs) ? appMode.inputs.filter(Array.isArray) : [];
  const declared = inputs.flatMap(([id, name]) => all.find((one) => one.id === String(id) && one.field.name === name) ?? []);
  if (declared.length) return declared;
  const used = users(graph);
  return all
    .map((one) => ({ one, weight: used.has(one.id) ? weightOf(graph, one) : 0 }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map(({ one }) => one);
}

/**
 * @param {readonly Field[]} fields
 * @returns {Field[]}
 */
const flat = (fields) => fields.flatMap((field) => [field, ...flat(field.children ?? [])]);

/**
 * What comes first; 0 for what is not simple.
 * @param {Graph} graph
 * @param {Simple} one
 */
function weightOf(graph, { id, field }) {
  if (field.unknown || field.hidden || field.advanced) return 0;
  if (field.kind === "multiline") return isNegative(graph, id) ? 6 : 7;
  if (FILES.has(field.kind)) return 5;
  if (field.kind === "int" && SIZES.has(field.name)) return 4;
  if (field.kind === "seed") return 3;
  return field.kind === "model" ? 2 : 0;
}

/**
 * Whether what a node gives ends up in an input called negative, and in none called positive.
 * @param {Graph} graph
 * @param {string} id
 */
function isNegative(graph, id) {
  const by = users(graph);
  const seen = new Set([id]);
  let negative = false;
  for (const each of seen) {
    for (const { target, name } of by.get(each) ?? []) {
      if (name === "positive") return false;
      if (name === "negative") negative = true;
      else seen.add(target);
    }
  }
  return negative;
}
