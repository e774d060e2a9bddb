/** From the JSON Schema of a template to the fields of its form, and from the form to a workflow. */
import { inputTitle } from "../../ui/titles.js";

/** @typedef {import("../../core/types.js").Field} Field */
/** @typedef {import("../../core/types.js").Graph} Graph */

const SEGMENTS = 4;
const SLIDER_STEPS = 200;
/** The widest seed that every node takes, and that JSON numbers hold. */
const MOST_SEED = 2 ** 32 - 1;

/** @returns {number} */
export const drawSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];

/** @param {any} property @returns {Partial<Field>} */
function numbers(property) {
  const { minimum, maximum } = property;
  const step = property["x-backplane"].step ?? (property.type === "integer" ? 1 : 0.01);
  const slider = minimum !== undefined && maximum !== undefined && (maximum - minimum) / step <= SLIDER_STEPS;
  const digits = (String(step).split(".")[1] ?? "").length;
  return { ...(minimum === undefined ? {} : { min: minimum }), ...(maximum === undefined ? {} : { max: maximum }), step, slider, digits };
}

/**
 * @param {string} name
 * @param {any} property Of the schema.
 * @param {any} value
 * @param {boolean} required
 * @returns {Field}
 */
export function fieldFor(name, property, value, required) {
  const { type, folder, multiline } = property["x-backplane"];
  /** @type {Field} */
  const field = { name, label: inputTitle(property.title ?? name), kind: "text", value, set: value !== undefined, required, default: property.default, type };
  if (type === "seed") return { ...field, kind: "seed", min: 0, max: MOST_SEED, step: 1 };
  if (type === "model") return { ...field, kind: "model", folder, options: property.enum ?? [] };
  if (type === "image" || type === "audio" || type === "video" || type === "file") return { ...field, kind: type, upload: type };
  if (property.enum) return { ...field, kind: property.enum.length <= SEGMENTS ? "segmented" : "picker", options: property.enum };
  if (type === "boolean") return { ...field, kind: "switch" };
  if (type === "integer") return { ...field, kind: "int", ...numbers(property) };
  if (type === "number") return { ...field, kind: "float", ...numbers(property) };
  return { ...field, kind: multiline ? "multiline" : "text", multiline };
}

/** What the form begins with. @param {any} schema @returns {Record<string, any>} */
export function startValues(schema) {
  return Object.fromEntries(Object.entries(schema.properties).flatMap(([name, property]) => (property.default === undefined ? [] : [[name, property.default]])));
}

/** Inputs whose default this server cannot use: models that it does not have. @param {any} schema @returns {string[]} */
export function lacking(schema) {
  return Object.entries(schema.properties).flatMap(([name, property]) => (property["x-backplane"].default_missing ? [name] : []));
}

/**
 * The template's workflow with these values, made here: opening needs no server, and no complete inputs.
 * @param {{workflow: Graph, inputs: Record<string, any>}} template
 * @param {Record<string, any>} values
 * @returns {Graph}
 */
export function filled(template, values) {
  const graph = structuredClone(template.workflow);
  for (const [name, input] of Object.entries(template.inputs)) {
    const given = values[name];
    if (given === undefined || given === null || given === "") continue;
    const value = input.type === "seed" && given === "random" ? drawSeed() : given;
    for (const place of [input, ...(input.also ?? [])]) {
      const node = graph[place.node];
      if (node) node.inputs[place.field] = value;
    }
  }
  return graph;
}

/**
 * Its inputs as the page's App mode would note them, so that the flow's simple view shows just these.
 * @param {{inputs: Record<string, any>, outputs: Record<string, any>}} template
 */
export function appMode(template) {
  const inputs = Object.values(template.inputs).map((one) => [one.node, one.field]);
  return { extra: { linearData: { inputs, outputs: Object.values(template.outputs).map((one) => one.node) } } };
}
