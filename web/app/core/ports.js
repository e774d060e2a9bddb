/**
 * What a node takes and gives links by, as the chips of its card show it.
 *
 * @typedef {import("./types.js").Graph} Graph
 * @typedef {import("./types.js").Node} Node
 * @typedef {import("./types.js").NodeSpec} NodeSpec
 * @typedef {import("./types.js").Specs} Specs
 * @typedef {import("./types.js").Ports} Ports
 * @typedef {import("./types.js").Input} Input
 * @typedef {import("./types.js").InPort} InPort
 * @typedef {import("./types.js").NodePorts} NodePorts
 */
import { inputsOf, isLink, users } from "./graph.js";
import { grownNames, LINKED, labelOf, variantOf } from "./names.js";

/** @typedef {Pick<InPort, "name" | "type" | "required"> & {display_name?: string, list?: boolean, tooltip?: string}} Declared */

/**
 * The ports of a node. A growing input is those of its names that are linked or needed, and a free one. Links under
 * names, and from slots, that the class does not know are there as well.
 * @param {NodeSpec | null | undefined} spec
 * @param {Node} node
 * @param {Graph} graph
 * @param {string} [id] Of the node in *graph*; looked for if absent.
 * @param {Specs} [specs] With it, ports of a match type have the type that is linked.
 * @returns {NodePorts}
 */
export function ports(spec, node, graph, id = idOf(graph, node), specs) {
  const inputs = inputsOf(node);
  /** @type {NodePorts} */
  const found = { inputs: [], outputs: [], params: [] };
  const types = spec && specs ? matched(spec, inputs, graph, specs) : new Map();
  /** @type {Set<string>} */
  const told = new Set();
  if (spec) gather(spec, { inputs, types, found, told });
  for (const [name, value] of Object.entries(inputs)) {
    if (isLink(value) && !told.has(name)) found.inputs.push({ ...inPort({ name, type: "*", required: false }, inputs[name]), unknown: true });
  }
  const outputs = spec?.outputs ?? [];
  const uses = (id === undefined ? undefined : users(graph).get(id)) ?? [];
  const slots = new Set([...outputs.keys(), ...uses.map((use) => use.slot).sort((a, b) => a - b)]);
  for (const slot of slots) {
    const { name = "", type = "*", list = false, tooltip, match } = outputs[slot] ?? {};
    const targets = uses.filter((use) => use.slot === slot).map((use) => ({ id: use.target, name: use.name }));
    found.outputs.push({ slot, name, type: types.get(match) ?? type, list, ...(tooltip ? { tooltip } : {}), targets });
  }
  return found;
}

/**
 * @param {Graph} graph
 * @param {Node} node
 */
const idOf = (graph, node) => Object.keys(graph).find((each) => graph[each] === node);

/**
 * @typedef {object} Reading
 * @property {Record<string, any>} inputs
 * @property {Map<string | undefined, string>} types By match.
 * @property {NodePorts} found
 * @property {Set<string>} told The names that the class knows.
 */

/**
 * @param {Ports} declared
 * @param {Reading} reading
 * @param {string} [within] The name that theirs are nested in.
 */
function gather(declared, reading, within) {
  const { inputs, types, found, told } = reading;
  for (const input of declared.inputs) {
    const { grows, display_name, ...plain } = input;
    const type = types.get(input.match) ?? input.type;
    grownNames(input, inputs, 1).forEach((name, at) => {
      told.add(name);
      const required = input.required && (!grows || at < grows.min);
      const port = { ...plain, type, name, required };
      found.inputs.push(grows ? inPort(port, inputs[name], input.name) : inPort({ ...port, display_name }, inputs[name], within));
    });
    const more = input.variants?.[LINKED];
    if (more && Object.hasOwn(inputs, input.name)) gather(more, reading, input.name);
  }
  for (const param of declared.params) {
    told.add(param.name);
    if (param.linkable) found.params.push(inPort({ ...param, type: param.link_type ?? param.type }, inputs[param.name], within));
    if (!param.variants) continue;
    const value = inputs[param.name] ?? param.default ?? Object.keys(param.variants)[0];
    const chosen = variantOf(param, value);
    if (chosen) gather(chosen, reading, param.name);
  }
}

/**
 * @param {Declared} port
 * @param {unknown} held What stands in its place.
 * @param {string} [within]
 * @returns {InPort}
 */
function inPort(port, held, within) {
  return {
    name: port.name,
    label: labelOf(port, within),
    type: port.type,
    required: port.required,
    list: port.list ?? false,
    link: isLink(held) ? { node: held[0], slot: held[1] } : null,
    ...(port.tooltip ? { tooltip: port.tooltip } : {}),
  };
}

/** Links that lead through more such nodes than this, or in a circle, are left as they are declared. */
const DEEPEST = 50;

/**
 * The types of a node's match ports, where they are linked.
 * @param {NodeSpec} spec
 * @param {Record<string, any>} inputs
 * @param {Graph} graph
 * @param {Specs} specs
 * @param {number} [depth]
 * @returns {Map<string | undefined, string>}
 */
function matched(spec, inputs, graph, specs, depth = 0) {
  const found = new Map();
  if (depth > DEEPEST) return found;
  for (const input of spec.inputs) {
    if (input.match === undefined || found.has(input.match)) continue;
    for (const name of grownNames(input, inputs, 0)) {
      const link = inputs[name];
      const source = isLink(link) ? graph[link[0]] : undefined;
      const other = source && specs.get(source.class_type);
      const output = other?.outputs[link[1]];
      if (!source || !other || !output) continue;
      const through = output.match === undefined ? undefined : matched(other, inputsOf(source), graph, specs, depth + 1).get(output.match);
      found.set(input.match, through ?? output.type);
      break;
    }
  }
  return found;
}
