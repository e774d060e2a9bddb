/** The signals that several parts of the store share. Only the store's own modules set them. */
import { computed, signal } from "../../vendor/preact.js";
import { configure } from "../api.js";

/** @typedef {import("../../core/types.js").NodeSpec} NodeSpec */
/** @typedef {import("../../core/types.js").Draft} Draft */
/** @typedef {import("../../core/types.js").History} History */
/** @typedef {import("../../core/types.js").Finding} Finding */
/** @typedef {import("./fold.js").Task} Task */
/** @typedef {import("../../core/types.js").Graph} Graph */
/**
 * @template T
 * @typedef {import("../../vendor/preact.js").Signal<T>} Signal
 */
/**
 * @template T
 * @typedef {import("../../vendor/preact.js").ReadonlySignal<T>} ReadonlySignal
 */

/** Whether the server was reached the last time it was tried. @type {Signal<boolean>} */
export const online = signal(typeof navigator === "undefined" ? true : navigator.onLine !== false);

/** When the server last answered, on this device's clock; null if it has not since the start. @type {Signal<number | null>} */
export const lastReached = signal(null);

configure({
  onReach(reached) {
    online.value = reached;
    // Told to the minute ("as of 14:02"): no reason to render for each answer.
    if (reached && Date.now() - (lastReached.value ?? 0) > 15_000) lastReached.value = Date.now();
  },
});

/** What `GET /ext` said; null before. @type {Signal<any>} */
export const server = signal(null);

/** @type {Signal<ReadonlyMap<string, NodeSpec>>} */
export const catalog = signal(new Map());

/** `loading` until there is one, from the device or the server. @type {Signal<"loading" | "ready" | "failed">} */
export const catalogState = signal("loading");

/** Model files by folder. @type {Signal<Record<string, string[]>>} */
export const models = signal({});

/** @type {Signal<Draft | null>} */
export const draft = signal(null);

/** @type {Signal<History | null>} */
export const history = signal(null);

/** @typedef {{id: string, name: string, source: string | null, updated_at: number, nodes: number}} DraftEntry */

/** The drafts on this device, the one changed last first. @type {Signal<DraftEntry[]>} */
export const drafts = signal([]);

/** What is wrong with the draft, as the server said last. @type {Signal<Finding[]>} */
export const findings = signal([]);

/** `stale` from an edit until the server's answer to it. @type {Signal<"none" | "stale" | "asking" | "current" | "failed">} */
export const validation = signal("none");

/** Whether the server would run the draft; null if not known. @type {Signal<boolean | null>} */
export const valid = signal(null);

/** A structural edit is under way. @type {Signal<boolean>} */
export const patching = signal(false);

/** What a tap on Run is doing just now. @type {Signal<"checking" | "sending" | null>} */
export const running = signal(null);

/** @type {Signal<ReadonlyMap<string, Task>>} */
export const tasks = signal(new Map());

/** `lost` also while it is being tried again; `polling` where streams do not come through. @type {Signal<"connecting" | "open" | "polling" | "lost">} */
export const stream = signal("connecting");

/** `GET /ext/queue` as far as it is known. @type {Signal<Record<string, any> & {paused: boolean, length: number}>} */
export const queue = signal({ paused: false, length: 0 });

export const FINISHED = new Set(["succeeded", "failed", "cancelled"]);

const RANK = { running: 0, canceling: 0, queued: 1 };

/** Ids: what runs, what waits in its order, then what has ended, the newest first. @type {ReadonlySignal<string[]>} */
export const taskOrder = computed(() => {
  /** @param {Task} task */
  const rank = (task) => RANK[/** @type {keyof typeof RANK} */ (task.status)] ?? 2;
  return [...tasks.value.values()]
    .sort((a, b) => {
      const by = rank(a) - rank(b);
      if (by) return by;
      if (rank(a) === 1) return (a.queue_position ?? 1e9) - (b.queue_position ?? 1e9) || before(a.created_at, b.created_at);
      if (rank(a) === 0) return before(a.started_at, b.started_at);
      return before(b.finished_at ?? b.created_at, a.finished_at ?? a.created_at);
    })
    .map((task) => task.id);
});

/** @param {string | null | undefined} a @param {string | null | undefined} b */
function before(a, b) {
  return (a ?? "") < (b ?? "") ? -1 : (a ?? "") > (b ?? "") ? 1 : 0;
}

/** @type {ReadonlySignal<Task[]>} */
export const downloads = computed(() =>
  taskOrder.value.flatMap((id) => {
    const task = tasks.value.get(id);
    return task?.kind === "download" ? [task] : [];
  }),
);

/** @typedef {{task_id: string, graph: Graph}} Ran The run that was asked for last, and the workflow it was asked for with. */

/** @type {Signal<Ran | null>} */
export const ran = signal(null);

/** @type {ReadonlySignal<Task | null>} */
export const lastRun = computed(() => (ran.value ? (tasks.value.get(ran.value.task_id) ?? null) : null));

const byNode = computed(() => {
  /** @type {Map<string, Finding[]>} */
  const found = new Map();
  for (const one of findings.value) {
    if (one.node_id === null) continue;
    const list = found.get(one.node_id);
    if (list) list.push(one);
    else found.set(one.node_id, [one]);
  }
  return found;
});

/** @type {readonly Finding[]} */
const NONE = [];

/** What is wrong with a node; with null, what is wrong with the workflow as a whole. @param {string | null} id @returns {readonly Finding[]} */
export function findingsOf(id) {
  if (id === null) return findings.value.filter((one) => one.node_id === null);
  return byNode.value.get(id) ?? NONE;
}
