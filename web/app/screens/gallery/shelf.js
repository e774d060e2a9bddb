/** The results that are here: read page by page, kept up to date by what tasks tell, and remembered for offline. */
import { computed, effect, signal } from "../../vendor/preact.js";
import { api } from "../../io/api.js";
import { load, save } from "../../io/db.js";
import { FINISHED, tasks, toast, toastError, toasts } from "../../io/store.js";
import { collected, EVERYTHING, chosen } from "./items.js";

/** @typedef {import("../../core/types.js").Task} Task */
/** @typedef {import("./items.js").Item} Item */
/** @typedef {import("./items.js").Output} Output */

const PAGE = 100;
const REMEMBERED = 200;
const ENDED = "succeeded,failed,cancelled";

/** @type {import("../../vendor/preact.js").Signal<ReadonlyMap<string, Task>>} */
const shelf = signal(new Map());

/** @type {import("../../vendor/preact.js").Signal<import("./items.js").Filter>} */
export const filter = signal(EVERYTHING);

/** `start` until the first page is here. @type {import("../../vendor/preact.js").Signal<"start" | "ready" | "more" | "failed">} */
export const state = signal("start");

/** @type {import("../../vendor/preact.js").Signal<unknown>} */
export const failure = signal(null);

/** Stands for a place in pages that were not begun. */
const BEGIN = "begin";

/** What the server itself can look for, so that a favourite of last year is not read up to page by page. @param {import("./items.js").Filter} filter */
const wanted = ({ favourites, rating }) => `${favourites ? "&favourite=1" : ""}${rating ? `&rating=${rating}` : ""}`;

/** Of each such question where its next page begins; null after the last. @type {import("../../vendor/preact.js").Signal<ReadonlyMap<string, string | null>>} */
const ends = signal(new Map());

/** Where the next page of what is chosen begins; null after the last. */
export const cursor = computed(() => {
  const whole = ends.value.get("") ?? null;
  const narrow = wanted(filter.value);
  return narrow && whole ? (ends.value.has(narrow) ? (ends.value.get(narrow) ?? null) : BEGIN) : whole;
});

/** Whether what is shown comes from this device only. */
export const fromMemory = signal(false);

export const items = computed(() => collected(shelf.value.values()));
export const shown = computed(() => chosen(items.value, filter.value));

/** Puts tasks with results on the shelf. @param {Iterable<Task>} found */
export function take(found) {
  const next = new Map(shelf.value);
  for (const task of found) if (task.outputs?.length) next.set(task.id, task);
  shelf.value = next;
}

/** @param {string} narrow @param {string | null} at */
async function page(narrow, at) {
  return api.get(`/ext/tasks?kind=prompt&status=${ENDED}&limit=${PAGE}${narrow}${at && at !== BEGIN ? `&cursor=${encodeURIComponent(at)}` : ""}`);
}

let asking = false;
/** Ids of tasks that only this device told of: what the server does not confirm goes. @type {Set<string>} */
let remembered = new Set();

/** Reads the first page anew: what came while nobody looked, and what others deleted. @returns {Promise<void>} */
export async function refresh() {
  if (asking) return;
  asking = true;
  try {
    if (state.value === "start") {
      const kept = await load("cache/gallery");
      if (kept && state.value === "start") {
        remembered = new Set(kept.map((/** @type {Task} */ task) => task.id));
        take(kept);
        fromMemory.value = true;
      }
    }
    const { items: found, next_cursor } = await page("", null);
    shelf.value = new Map([...shelf.value].filter(([id]) => !remembered.has(id)));
    remembered.clear();
    fromMemory.value = false;
    take(found);
    if (state.value !== "ready") ends.value = new Map([["", next_cursor]]);
    state.value = "ready";
    failure.value = null;
    void save("cache/gallery", found.slice(0, REMEMBERED).map(slim)).catch(() => {});
  } catch (error) {
    failure.value = error;
    state.value = state.value === "ready" || shelf.value.size ? state.value : "failed";
  } finally {
    asking = false;
  }
}

/** @param {Task} task @returns {Task} */
const slim = ({ nodes: _, ...task }) => task;

/** Reads the next page, if there is one. @returns {Promise<void>} */
export async function readMore() {
  if (asking || !cursor.value || state.value === "failed") return;
  asking = true;
  state.value = "more";
  try {
    const narrow = ends.value.get("") ? wanted(filter.value) : "";
    const { items: found, next_cursor } = await page(narrow, cursor.value);
    take(found);
    ends.value = new Map(ends.value).set(narrow, next_cursor);
    failure.value = null;
  } catch (error) {
    failure.value = error;
  } finally {
    state.value = "ready";
    asking = false;
  }
}

/** Takes in runs that end while the app is open, and lets go of those that are forgotten. @returns {() => void} */
export function follow() {
  /** @type {ReadonlySet<string>} */
  let before = new Set();
  return effect(() => {
    /** @type {Task[]} */
    const fresh = [];
    const known = shelf.peek();
    const gone = [...before].filter((id) => known.has(id) && !tasks.value.has(id));
    before = new Set(tasks.value.keys());
    if (gone.length) shelf.value = new Map([...known].filter(([id]) => !gone.includes(id)));
    for (const task of tasks.value.values()) {
      if (task.kind !== "prompt" || !FINISHED.has(task.status) || !task.outputs?.length) continue;
      const here = known.get(task.id);
      if (!here || (here.outputs?.length ?? 0) < task.outputs.length) fresh.push(task);
    }
    if (fresh.length) take(fresh);
  });
}

/** @param {Item} item @returns {Item} As it is now. */
export const current = (item) => {
  const task = shelf.value.get(item.task.id);
  const output = /** @type {Output | undefined} */ (task?.outputs?.[item.n]);
  return task && output ? { ...item, task, output } : item;
};

/** @param {Item} item @param {Partial<Output>} part */
function touch({ task: { id }, n }, part) {
  const task = shelf.value.get(id);
  if (!task?.outputs) return;
  const outputs = task.outputs.map((output, place) => (place === n ? { ...output, ...part } : output));
  shelf.value = new Map(shelf.value).set(id, { ...task, outputs });
}

/**
 * Marks a result, on the screen at once; what the server refuses is taken back.
 * @param {Item} item
 * @param {{favourite?: boolean, rating?: "chosen" | "rejected" | null}} part
 */
export async function mark(item, part) {
  const { favourite = false, rating = null } = current(item).output;
  // Only what this one changed: another mark of the same result may be under way.
  const before = { ...("favourite" in part ? { favourite } : {}), ...("rating" in part ? { rating } : {}) };
  touch(item, part);
  try {
    await api.patch(`/ext/tasks/${item.task.id}/outputs/${item.n}`, part);
  } catch (error) {
    touch(item, before);
    toastError(error);
  }
}

/** @param {readonly Item[]} gone @returns {Promise<Item[]>} Those that were deleted. */
export async function remove(gone) {
  for (const item of gone) touch(item, { deleted: true });
  const results = await Promise.allSettled(gone.map((item) => api.del(`/ext/tasks/${item.task.id}/outputs/${item.n}`)));
  const done = gone.filter((item, place) => {
    if (results[place].status === "fulfilled") return true;
    touch(item, { deleted: false });
    return false;
  });
  const refused = results.find((one) => one.status === "rejected");
  if (refused) toastError(/** @type {PromiseRejectedResult} */ (refused).reason);
  return done;
}

/** @param {readonly Item[]} back */
export async function restore(back) {
  const results = await Promise.allSettled(back.map((item) => api.post(`/ext/tasks/${item.task.id}/outputs/${item.n}/restore`)));
  back.forEach((item, place) => {
    if (results[place].status === "fulfilled") touch(item, { deleted: false });
  });
  const refused = results.find((one) => one.status === "rejected");
  if (refused) toastError(/** @type {PromiseRejectedResult} */ (refused).reason);
}

/** What the message that is shown would bring back. @type {{id: number, items: Item[]}} */
let undoable = { id: 0, items: [] };

/** Offers to bring results back, with those of an offer that still stands. @param {readonly Item[]} gone */
export function offerUndo(gone) {
  if (!gone.length) return;
  const items = toasts.value.some((one) => one.id === undoable.id) ? [...undoable.items, ...gone] : [...gone];
  const id = toast({ key: "gallery.deleted", params: { count: items.length }, action: { key: "gallery.undo", run: () => void restore(items) } });
  undoable = { id, items };
}

/** Deletes and offers to undo it. @param {readonly Item[]} gone */
export const removeWithUndo = async (gone) => offerUndo(await remove(gone));
