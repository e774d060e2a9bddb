/** What the flow screen remembers between renders: what is looked at, never what is in the workflow. */
import { batch, computed, effect, signal } from "../../vendor/preact.js";
import { ordered, titleOf } from "../../core/graph.js";
import { filter } from "../../core/search.js";
import * as db from "../../io/db.js";
import { catalog, draft, findings, setView, settings, view } from "../../io/store.js";

/** @typedef {import("../../core/types.js").Graph} Graph */

/** Above this many nodes a workflow opens as lines. */
const MANY = 12;
const RECENT = 8;

/** What the cards are filtered by. */
export const words = signal("");

/** The node that was jumped to; it flashes. @type {import("../../vendor/preact.js").Signal<string | null>} */
export const flashed = signal(null);

/** Nodes opened although the others are lines. @type {import("../../vendor/preact.js").Signal<ReadonlySet<string>>} */
export const opened = signal(new Set());

/** Node classes that were added last. @type {import("../../vendor/preact.js").Signal<string[]>} */
export const recent = signal([]);
void db.load("kv/flow:recent").then((found) => {
  if (Array.isArray(found)) recent.value = found;
});

/** @type {import("../../vendor/preact.js").ReadonlySignal<string | null>} */
const draftId = computed(() => draft.value?.id ?? null);

/** @type {import("../../vendor/preact.js").ReadonlySignal<Graph>} */
export const graph = computed(() => draft.value?.graph ?? {});

/** @type {import("../../vendor/preact.js").ReadonlySignal<string[]>} */
export const order = computed(() => ordered(graph.value));

export const lines = computed(() => {
  if (view.value.lines !== undefined) return view.value.lines;
  const { density } = settings.value;
  return density === "auto" ? order.value.length > MANY : density === "lines";
});

export const simple = computed(() => view.value.simple ?? (draft.value?.source ?? "").startsWith("template:"));

/** What is wrong, but for what a bypass means anyway: that no result needs the node. */
export const problems = computed(() =>
  findings.value.filter(
    (one) => one.code !== "NODE_NOT_USED" || one.node_id === null || graph.value[one.node_id]?._meta?.bypassed === undefined,
  ),
);

/** The nodes that the search leaves. @type {import("../../vendor/preact.js").ReadonlySignal<ReadonlySet<string>>} */
export const found = computed(() => {
  const query = words.value.trim();
  if (!query) return new Set(order.value);
  return new Set(filter(order.value, query, textOf));
});

/** What a node is found by: its names, its category and its values. @param {string} id */
function textOf(id) {
  const node = graph.value[id];
  const spec = catalog.value.get(node.class_type);
  const values = Object.values(node.inputs ?? {}).filter((value) => typeof value === "string");
  return [`#${id}`, nameOf(id), node.class_type, spec?.display_name, spec?.category, ...values].filter(Boolean).join(" ");
}

/** What people call a node of the draft. @param {string} id @param {Graph} [within] */
export function nameOf(id, within = graph.value) {
  const node = within[id];
  return node ? titleOf(node, catalog.value.get(node.class_type)) : `#${id}`;
}

/** What people call a node class. @param {string} type */
export const classNameOf = (type) => catalog.value.get(type)?.display_name || type;

/** @param {string} type */
export function noteRecent(type) {
  recent.value = [type, ...recent.value.filter((each) => each !== type)].slice(0, RECENT);
  void db.save("kv/flow:recent", recent.value).catch(() => {});
}

/** @param {string} id @param {string} name */
export function noteEdit(id, name) {
  const key = `${id}.${name}`;
  const { edits = {} } = view.peek();
  setView({ edits: { ...edits, [key]: (edits[key] ?? 0) + 1 } });
}

/** @param {string} id */
export function toggleOpened(id) {
  const next = new Set(opened.value);
  if (!next.delete(id)) next.add(id);
  opened.value = next;
}

/** Chooses how this draft is looked at. @param {"simple" | "cards" | "lines"} how */
export function choose(how) {
  batch(() => {
    setView(how === "simple" ? { simple: true } : { simple: false, lines: how === "lines" });
    opened.value = new Set();
  });
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Brings a card into view, opens it, flashes it and moves the focus there.
 * @param {string} id
 */
export function jump(id) {
  if (!graph.value[id]) return;
  batch(() => {
    if (!found.value.has(id)) words.value = "";
    if (simple.value) setView({ simple: false });
    if (lines.value && !opened.value.has(id)) toggleOpened(id);
    flashed.value = id;
  });
  clearTimeout(timer);
  timer = setTimeout(() => (flashed.value = null), 1600);
  // After the sheet that was tapped in has given the focus back, and the card is drawn.
  setTimeout(() => {
    const card = document.getElementById(cardId(id));
    if (!card) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
    card.focus({ preventScroll: true });
  }, 60);
}

/** The id of a card's element. @param {string} id */
export const cardId = (id) => `node-${id}`;

let before = draftId.value;
effect(() => {
  const now = draftId.value;
  if (now === before) return;
  before = now;
  batch(() => {
    words.value = "";
    opened.value = new Set();
  });
  scrollTo({ top: 0, behavior: "instant" });
});
