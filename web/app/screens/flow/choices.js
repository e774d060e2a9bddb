/** Which nodes and ports fit where, and what an answer to "which one?" makes of an operation. No DOM, no requests. */
import { isLink, users } from "../../core/graph.js";

/** @typedef {import("../../core/types.js").Graph} Graph */
/** @typedef {import("../../core/types.js").NodeSpec} NodeSpec */
/** @typedef {import("../../core/types.js").Specs} Specs */
/** @typedef {import("../../core/types.js").Operation} Operation */
/** @typedef {"exact" | "union" | "wildcard"} Match */
/** @typedef {{[key: string]: any}} Candidate One of `details.candidates` of an AMBIGUOUS_PORT. */

const RANK = { exact: 0, union: 1, wildcard: 2 };

/** @param {string} type */
const members = (type) => new Set(String(type).split(",").map((part) => part.trim()));

/**
 * How an output fits an input, by the server's rule (nodespec/types.py).
 * @param {string} takes
 * @param {string} gives
 * @returns {Match | null}
 */
export function matchOf(takes, gives) {
  const inward = members(takes);
  const outward = members(gives);
  if (inward.has("*") || outward.has("*")) return "wildcard";
  const common = [...inward].filter((type) => outward.has(type)).length;
  if (!common) return null;
  return common === inward.size && common === outward.size ? "exact" : "union";
}

/** Whether what goes along a link of this type can go through a node of this class. @param {NodeSpec} spec @param {string} gives @param {string} takes */
export function passes(spec, gives, takes) {
  const wild = (/** @type {Match | null} */ match) => match === null || match === "wildcard";
  return spec.inputs.some((one) => !wild(matchOf(one.type, gives))) && spec.outputs.some((one) => !wild(matchOf(takes, one.type)));
}

/** A new node that takes two of a type and gives one of it. @param {Specs} specs @param {string} type */
export function joinsOf(specs, type) {
  return [...specs.values()]
    .map((spec) => ({
      spec,
      takes: spec.inputs.filter((one) => !one.grows && matchOf(one.type, type) === "exact"),
      slot: spec.outputs.findIndex((one) => matchOf(type, one.type) === "exact"),
    }))
    .filter(({ spec, takes, slot }) => takes.length > 1 && slot >= 0 && !spec.flags.deprecated);
}

/** The nodes that a node takes from, however far. @param {Graph} graph @param {string} id @returns {Set<string>} */
export function upstream(graph, id) {
  /** @type {Set<string>} */
  const seen = new Set();
  const stack = [id];
  while (stack.length) {
    const node = graph[/** @type {string} */ (stack.pop())];
    for (const value of Object.values(node?.inputs ?? {})) {
      if (isLink(value) && graph[value[0]] && !seen.has(value[0])) {
        seen.add(value[0]);
        stack.push(value[0]);
      }
    }
  }
  return seen;
}

/** The nodes that take from a node, however far. @param {Graph} graph @param {string} id @returns {Set<string>} */
export function downstream(graph, id) {
  const by = users(graph);
  /** @type {Set<string>} */
  const seen = new Set();
  const stack = [id];
  while (stack.length) {
    for (const { target } of by.get(/** @type {string} */ (stack.pop())) ?? []) {
      if (seen.has(target)) continue;
      seen.add(target);
      stack.push(target);
    }
  }
  return seen;
}

/**
 * Every output of the workflow that may go into an input, the best fit first. What would make a circle is left out.
 * @param {Graph} graph @param {Specs} specs @param {string[]} order @param {string} id @param {string} type
 */
export function sourcesFor(graph, specs, order, id, type) {
  const barred = downstream(graph, id).add(id);
  return order
    .filter((each) => !barred.has(each))
    .flatMap((each) =>
      (specs.get(graph[each].class_type)?.outputs ?? []).flatMap((output, slot) => {
        const match = matchOf(type, output.type);
        return match ? [{ id: each, slot, name: output.name || output.type, type: output.type, match }] : [];
      }),
    )
    .sort((a, b) => RANK[a.match] - RANK[b.match]);
}

/**
 * The classes that may stand in a node's place, the likest first: by what is linked to it and from it now.
 * @param {Graph} graph @param {Specs} specs @param {string} id
 * @returns {NodeSpec[]}
 */
export function likest(graph, specs, id) {
  const node = graph[id];
  const own = specs.get(node.class_type);
  const uses = users(graph).get(id) ?? [];
  const given = [...new Set(uses.map(({ slot }) => slot))].map((slot) => own?.outputs[slot]?.type).filter((type) => type !== undefined);
  const taken = Object.values(node.inputs).flatMap((value) => {
    if (!isLink(value)) return [];
    const type = specs.get(graph[value[0]]?.class_type)?.outputs[value[1]]?.type;
    return type ? [type] : [];
  });
  /** @param {NodeSpec} spec */
  const points = (spec) => {
    let sum = 0;
    for (const type of given) sum += spec.outputs.some((one) => matchOf(one.type, type) === "exact") ? 4 : 0;
    for (const type of taken) sum += spec.inputs.some((one) => matchOf(one.type, type) === "exact") ? 2 : 0;
    if (!sum) return 0;
    for (const one of spec.params) if (Object.hasOwn(node.inputs, one.name)) sum += 0.2;
    const spare = spec.inputs.filter((one) => one.required && !taken.some((type) => matchOf(one.type, type)));
    return sum - spare.length * 0.5 + (own && own.category === spec.category ? 0.5 : 0);
  };
  const whole = (/** @type {NodeSpec} */ spec) =>
    given.every((type) => spec.outputs.some((one) => matchOf(one.type, type))) && spec.flags.output_node === !!own?.flags.output_node;
  return [...specs.values()]
    .filter((spec) => spec.name !== node.class_type && !spec.flags.deprecated)
    .map((spec) => ({ spec, sum: points(spec) + (whole(spec) ? 1 : 0) }))
    .filter(({ spec, sum }) => sum > 1 && points(spec) > 0)
    .sort((a, b) => b.sum - a.sum)
    .map(({ spec }) => spec);
}

/** The one input whose type comes out again at an output, as a LoRA's model does. @param {NodeSpec | undefined} spec @param {number} slot */
function passageOf(spec, slot) {
  const type = spec?.outputs[slot]?.type;
  const found = (spec?.inputs ?? []).filter((one) => one.type === type && !one.grows);
  return type !== "*" && found.length === 1 ? found[0].name : undefined;
}

/** @typedef {{out: number, input: string, enters: string, leaves: number}} Passage An output of the first and the input of the second that takes it; where it came in at the first, and leaves the second. */

/**
 * What goes from one node through the next; null where they cannot change places.
 * @param {Graph} graph @param {Specs} specs @param {string} first @param {string} second
 * @returns {Passage[] | null}
 */
function passages(graph, specs, first, second) {
  const [one, two] = [first, second].map((id) => specs.get(graph[id]?.class_type));
  const others = (users(graph).get(first) ?? []).filter(({ target }) => target !== second);
  // What leads there on another way as well would go around in a circle.
  if (!one || !two || others.some(({ target }) => downstream(graph, target).has(second))) return null;
  /** @type {Passage[]} */
  const found = [];
  for (const [input, value] of Object.entries(graph[second].inputs)) {
    if (!isLink(value) || value[0] !== first) continue;
    const enters = passageOf(one, value[1]);
    const leaves = two.outputs.findIndex((_, slot) => passageOf(two, slot) === input);
    if (enters === undefined || leaves < 0) return null;
    found.push({ out: value[1], input, enters, leaves });
  }
  return found.length ? found : null;
}

/**
 * The node that a node can change places with: one that it takes from, or gives to, of what goes through both.
 * @param {Graph} graph @param {Specs} specs @param {string} id @param {"earlier" | "later"} way
 * @returns {string | null}
 */
export function neighbour(graph, specs, id, way) {
  const sources = Object.values(graph[id].inputs).flatMap((value) => (isLink(value) && graph[value[0]] ? [value[0]] : []));
  const targets = (users(graph).get(id) ?? []).map(({ target }) => target);
  const fits = (/** @type {string} */ other) => passages(graph, specs, ...(way === "earlier" ? /** @type {const} */ ([other, id]) : /** @type {const} */ ([id, other])));
  const found = [...new Set(way === "earlier" ? sources : targets)].filter(fits);
  return found.find((other) => graph[other].class_type === graph[id].class_type) ?? found[0] ?? null;
}

/**
 * Swaps two nodes of which the second takes from the first: what came in at the first now comes in at the second, which
 * gives to the first, which gives to who used the second.
 * @param {Graph} graph @param {Specs} specs @param {string} first @param {string} second
 * @returns {Operation[]}
 */
export function swapped(graph, specs, first, second) {
  /** @type {Operation[]} */
  const ops = [];
  const connect = (/** @type {string} */ source, /** @type {number} */ slot, /** @type {string} */ target, /** @type {string} */ name) =>
    ops.push({ op: "connect", source_node_id: source, output: slot, target_node_id: target, input: name });
  const by = users(graph);
  for (const { out, input, enters, leaves } of passages(graph, specs, first, second) ?? []) {
    for (const { target, name, slot } of by.get(second) ?? []) if (slot === leaves) connect(first, out, target, name);
    const before = graph[first].inputs[enters];
    if (isLink(before)) connect(before[0], before[1], second, input);
    else ops.push({ op: "disconnect", target_node_id: second, input });
    connect(second, leaves, first, enters);
    for (const { target, name, slot } of by.get(first) ?? []) if (target !== second && slot === out) connect(second, leaves, target, name);
  }
  return ops;
}

/**
 * The links that a fragment's usual place stands for, by the output that they come from; more than one: it has to be asked.
 * @param {Graph} graph
 * @param {{class_type: string, input: string}[]} place
 * @returns {{source: string, slot: number, targets: {id: string, input: string}[]}[]}
 */
export function spotsOf(graph, place) {
  for (const { class_type, input } of place) {
    /** @type {Map<string, {source: string, slot: number, targets: {id: string, input: string}[]}>} */
    const found = new Map();
    for (const [id, node] of Object.entries(graph)) {
      const value = node.inputs?.[input];
      if (node.class_type !== class_type || !isLink(value)) continue;
      const key = value.join(" ");
      const spot = found.get(key) ?? { source: value[0], slot: value[1], targets: [] };
      spot.targets.push({ id, input });
      found.set(key, spot);
    }
    if (found.size) return [...found.values()];
  }
  return [];
}

/** @param {Candidate} one What is asked about is an input of a node that is new. */
const isNewInput = (one) => one.input !== undefined && one.target_node_id === undefined;

/**
 * Makes an operation unambiguous with the candidate that was chosen.
 * @param {Operation} op
 * @param {Candidate} one
 * @param {{graph: Graph, specs: Specs, input?: string}} about *input*: the one that the candidates are outputs for.
 * @returns {Operation}
 */
export function resolved(op, one, { graph, specs, input }) {
  if (one.target_node_id !== undefined) return { ...op, output: one.slot, input: one.input };
  if (one.node_input !== undefined) return { ...op, node_input: one.node_input, node_output: one.node_output };
  if (op.op === "parallel" && isNewInput(one)) {
    const beside = graph[op.node_id]?.inputs ?? {};
    const link = Object.values(beside).find(
      (value) => isLink(value) && matchOf(one.type, specs.get(graph[value[0]]?.class_type)?.outputs[value[1]]?.type ?? "*"),
    );
    return { ...op, inputs: { ...op.inputs, [one.input]: link } };
  }
  if (op.op === "connect" || op.op === "disconnect") {
    return one.slot !== undefined ? { ...op, output: one.slot } : { ...op, input: one.input };
  }
  if (input !== undefined) return { ...op, inputs: { ...op.inputs, [input]: [one.node_id, one.slot] } };
  return { ...op, source_node_id: one.node_id, output: one.slot };
}
