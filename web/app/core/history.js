/**
 * Undo and redo: snapshots of a workflow, which share all nodes that did not change. Plain JSON, kept over reloads.
 *
 * @typedef {import("./types.js").Graph} Graph
 * @typedef {import("./types.js").History} History
 */

const MOST = 100;
const TOGETHER_MS = 800;

/**
 * @param {Graph} graph
 * @returns {History}
 */
export const fresh = (graph) => ({ steps: [{ graph, key: null, at: 0 }], at: 0 });

/**
 * Goes on to another graph; what was undone is gone. Changes under the same *key* in quick succession are one step.
 * @param {History} history
 * @param {Graph} graph
 * @param {{key?: string | null, at: number}} change *at*: when, in milliseconds.
 * @returns {History}
 */
export function push(history, graph, { key = null, at }) {
  const now = history.steps[history.at];
  if (graph === now.graph) return history;
  const kept = history.steps.slice(0, history.at + 1);
  // A step that somebody went back to is one they want to keep.
  const goesOn = key !== null && now.key === key && at - now.at <= TOGETHER_MS && !canRedo(history);
  if (goesOn) kept.pop();
  const steps = [...kept, { graph, key, at }].slice(-MOST);
  return { steps, at: steps.length - 1 };
}

/**
 * Changes the present without a step: what a run does to seeds is nothing to undo.
 * @param {History} history
 * @param {Graph} graph
 * @returns {History}
 */
export function amend(history, graph) {
  const steps = history.steps.map((step, at) => (at === history.at ? { ...step, graph } : step));
  return { ...history, steps };
}

/** @param {History} history */
export const canUndo = (history) => history.at > 0;

/** @param {History} history */
export const canRedo = (history) => history.at < history.steps.length - 1;

/**
 * @param {History} history
 * @returns {History}
 */
export const undo = (history) => (canUndo(history) ? { ...history, at: history.at - 1 } : history);

/**
 * @param {History} history
 * @returns {History}
 */
export const redo = (history) => (canRedo(history) ? { ...history, at: history.at + 1 } : history);
