/** What can be felt where the device vibrates: a value that snaps in, a run that ends. */
import { effect } from "../../vendor/preact.js";
import { settings } from "./settings.js";
import { FINISHED, lastRun } from "./state.js";

const TICK_MS = 8;
const DONE_MS = [20, 60, 20];
const FAILED_MS = [60, 60, 60];

/** Buttons that set a value at once. */
const SNAPS = "[role=switch], .stepper .icon-button";

/** @param {number | number[]} pattern */
function vibrate(pattern) {
  // Before the first touch browsers refuse it, with an error in the console.
  if (settings.value.haptics && navigator.vibrate && navigator.userActivation?.hasBeenActive !== false) navigator.vibrate(pattern);
}

/** Begins to tell. The controls need not know of it: whatever snaps is an event of the page. */
export function followFeel() {
  document.addEventListener("input", (event) => {
    const { type } = /** @type {HTMLInputElement} */ (event.target);
    if (type === "range" || type === "radio") vibrate(TICK_MS);
  });
  // Before the button itself, which may switch just this off.
  document.addEventListener("click", (event) => /** @type {Element} */ (event.target).closest?.(SNAPS) && vibrate(TICK_MS), true);
  /** @type {string | undefined} */
  let before;
  effect(() => {
    const task = lastRun.value;
    const now = task && `${task.id} ${task.status}`;
    if (task && FINISHED.has(task.status) && task.status !== "cancelled" && before?.startsWith(task.id) && before !== now && !FINISHED.has(before.slice(task.id.length + 1))) {
      vibrate(task.status === "failed" ? FAILED_MS : DONE_MS);
    }
    before = now ?? undefined;
  });
}
