/**
 * A workflow in API format as a value: its links, its order, its branches.
 *
 * Graphs are never changed in place; what is worked out of one is therefore kept with it.
 *
 * @typedef {import("./types.js").Graph} Graph
 * @typedef {import("./types.js").Node} Node
 * @typedef {import("./types.js").NodeSpec} NodeSpec
 * @typedef {import("./types.js").Link} Link
 * @typedef {import("./types.js").LinkIn} LinkIn
 * @typedef {import("./types.js").LinkOut} LinkOut
 * @typedef {import("./types.js").Branch} Branch
 */

/**
 * Whether an input's value is a link: a list of a node's id and a slot (the server's graph.py has the same rule).
 * @param {unknown} value
 * @returns {value is Link}
 */
export function isLink(value) {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && Number.isInteger(value[1]);
}

/**
 * A node's inputs; none where the node has none or they are no object, as in a workflow that is still wrong.
 * @param {Partial<Node> | null | undefined} node
 * @returns {Record<string, any>}
 */
export function inputsOf(node) {
  const inputs = node?.inputs;
  return inputs !== null && typeof inputs === "object" && !Array.isArray(inputs) ? inputs : {};
}

/**
 * The links into a node, in the order of its inputs.
 * @param {Partial<Node> | null | undefined} node
 * @returns {LinkIn[]}
 */
export function linksInto(node) {
  /** @type {LinkIn[]} */
  const found = [];
  for (const [name, value] of Object.entries(inputsOf(node))) {
    if (isLink(value)) found.push({ name, source: value[0], slot: value[1] });
  }
  return found;
}

/** @type {WeakMap<Graph, Map<string, LinkOut[]>>} */
const usersOf = new WeakMap();

/**
 * Who uses each node; a node that nobody uses has no entry.
 * @param {Graph} graph
 * @returns {Map<string, LinkOut[]>}
 */
export function users(graph) {
  const known = usersOf.get(graph);
  if (known) return known;
  /** @type {Map<string, LinkOut[]>} */
  const found = new Map();
  for (const [target, node] of Object.entries(graph)) {
    for (const { name, source, slot } of linksInto(node)) {
      const list = found.get(source);
      if (list) list.push({ target, name, slot });
      else found.set(source, [{ target, name, slot }]);
    }
  }
  usersOf.set(graph, found);
  return found;
}

/**
 * The ids in the order of their cards: each node after what it uses, those that use nothing (loaders) first, and
 * otherwise as they stand in the graph. What links go around in a circle of comes last.
 * @param {Graph} graph
 * @returns {string[]}
 */
export function ordered(graph) {
  const ids = Object.keys(graph);
  const place = new Map(ids.map((id, at) => [id, at]));
  /** @type {number[]} */
  const waiting = [];
  /** @type {number[][]} */
  const next = ids.map(() => []);
  ids.forEach((id, at) => {
    const sources = new Set();
    for (const { source } of linksInto(graph[id])) {
      const from = place.get(source);
      if (from !== undefined) sources.add(from);
    }
    waiting.push(sources.size);
    for (const from of sources) next[from].push(at);
  });
  /** @type {number[]} */
  const order = [];
  /** @type {number[]} */
  const ready = [];
  /** @param {number} at */
  const settle = (at) => {
    order.push(at);
    for (const user of next[at]) {
      waiting[user] -= 1;
      if (waiting[user] === 0) raise(ready, user);
    }
  };
  const loaders = ids.map((_, at) => at).filter((at) => waiting[at] === 0);
  loaders.forEach(settle);
  for (let at = lower(ready); at !== undefined; at = lower(ready)) settle(at);
  if (order.length < ids.length) {
    const done = new Set(order);
    ids.forEach((_, at) => done.has(at) || order.push(at));
  }
  return order.map((at) => ids[at]);
}

/**
 * Puts a number into a heap whose first one is the least.
 * @param {number[]} heap
 * @param {number} value
 */
function raise(heap, value) {
  let at = heap.push(value) - 1;
  while (at > 0) {
    const above = (at - 1) >> 1;
    if (heap[above] <= value) break;
    heap[at] = heap[above];
    at = above;
  }
  heap[at] = value;
}

/**
 * Takes the least number out of a heap.
 * @param {number[]} heap
 * @returns {number | undefined}
 */
function lower(heap) {
  const least = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return least;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && heap[below + 1] < heap[below]) below += 1;
    if (heap[below] >= last) break;
    heap[at] = heap[below];
    at = below;
  }
  heap[at] = last;
  return least;
}

const SEVERAL = "";
/** Shorter ones are no branch: a preview beside a save node shares all that matters. */
const SHORTEST_BRANCH = 2;

/**
 * The order as the flow shows it: the trunk, then what leads to one end alone as a branch of its own, if there are
 * several such branches. Every node is in one group, and still after all that it uses.
 * @param {Graph} graph
 * @param {string[]} [order]
 * @returns {Branch[]}
 */
export function branches(graph, order = ordered(graph)) {
  const outs = users(graph);
  /** @type {Map<string, string>} */
  const ends = new Map();
  for (const id of [...order].reverse()) {
    const found = new Set((outs.get(id) ?? []).map(({ target }) => ends.get(target) ?? SEVERAL));
    const [end] = found;
    ends.set(id, found.size === 0 ? id : found.size === 1 ? end : SEVERAL);
  }
  /** @type {Map<string, string[]>} */
  const members = new Map();
  for (const id of order) {
    const end = ends.get(id) ?? SEVERAL;
    if (end !== SEVERAL) members.set(end, [...(members.get(end) ?? []), id]);
  }
  const found = [...members.values()].filter((ids) => ids.length >= SHORTEST_BRANCH);
  if (found.length < 2) return order.length ? [{ label: null, fork: null, ids: [...order] }] : [];
  const apart = new Set(found.flat());
  const trunk = order.filter((id) => !apart.has(id));
  const place = new Map(order.map((id, at) => [id, at]));
  found.sort((one, other) => (place.get(one[0]) ?? 0) - (place.get(other[0]) ?? 0));
  /** @type {Branch[]} */
  const groups = found.map((ids, at) => ({ label: letters(at), fork: 0, ids }));
  return trunk.length ? [{ label: null, fork: null, ids: trunk }, ...groups] : groups;
}

/**
 * A, B, … Z, AA, AB, …
 * @param {number} at
 * @returns {string}
 */
function letters(at) {
  const last = String.fromCharCode(65 + (at % 26));
  return at < 26 ? last : letters(Math.floor(at / 26) - 1) + last;
}

/**
 * What to call a node: the title that a person gave it, else its class's name.
 * @param {Node} node
 * @param {NodeSpec | null | undefined} [spec]
 * @returns {string}
 */
export function titleOf(node, spec) {
  const title = node?._meta?.title;
  if (typeof title === "string" && title.trim() !== "" && title !== spec?.english) return title;
  return spec?.display_name || node?.class_type || "";
}

/**
 * Whether two JSON values are equal; the order of an object's keys says nothing.
 * @param {unknown} one
 * @param {unknown} other
 * @returns {boolean}
 */
export function same(one, other) {
  if (Object.is(one, other)) return true;
  if (one === null || other === null || typeof one !== "object" || typeof other !== "object") return one === other;
  if (Array.isArray(one) || Array.isArray(other)) {
    return (
      Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((each, at) => same(each, other[at]))
    );
  }
  const left = Object.entries(one);
  const right = /** @type {Record<string, unknown>} */ (other);
  return (
    left.length === Object.keys(right).length &&
    left.every(([key, value]) => Object.hasOwn(right, key) && same(value, right[key]))
  );
}
