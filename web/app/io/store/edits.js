/** Structural edits: the server's patch engine does them on the workflow that is sent along; nothing is kept there. */
import { setParam as setParamOp } from "../../core/ops.js";
import { api, ApiError } from "../api.js";
import { commit, onEdit, setValue, undo } from "./draft.js";
import { catalog, draft, history, online, patching } from "./state.js";
import { dismiss, toast } from "./toasts.js";

/** @typedef {import("../../core/types.js").Operation} Operation */
/** @typedef {import("../../core/types.js").PatchResult} PatchResult */
/** @typedef {import("../../core/types.js").Change} Change */

/** How often a patch is done anew because the workflow changed under it: edits are typed, not streamed. */
const TRIES = 8;

/** @type {Promise<unknown>} */
let line = Promise.resolve();
/** @type {{id: number, at: number} | null} */
let undoable = null;

// The toast's Undo takes back the step it tells of. After another edit it would take back that one: it goes.
onEdit(() => {
  if (undoable && history.value?.at !== undoable.at) {
    dismiss(undoable.id);
    undoable = null;
  }
});

/**
 * Does operations on the draft, all or none, as one step to undo. If the draft changes meanwhile, they are done anew.
 * @param {Operation[]} ops
 * @param {{dryRun?: boolean, quiet?: boolean, signal?: AbortSignal}} [options] *dryRun*: says what would be, changes nothing. *quiet*: no toast.
 * @returns {Promise<PatchResult | null>} Null if the draft was left meanwhile. Throws ApiError.
 */
export function patch(ops, { dryRun = false, quiet = false, signal } = {}) {
  if (dryRun) return ask(ops, true, signal);
  // Of the draft that is open now: where others wait before it, another may be by then.
  const id = draft.value?.id;
  const turn = line.then(() => apply(id, ops, quiet, signal));
  line = turn.catch(() => {});
  return turn;
}

/** @param {Operation[]} ops @param {boolean} dryRun @param {AbortSignal} [signal] @returns {Promise<PatchResult | null>} */
async function ask(ops, dryRun, signal) {
  const base = draft.value;
  if (!base) return null;
  if (!online.value && typeof navigator !== "undefined" && navigator.onLine === false) {
    throw new ApiError("OFFLINE", "The server cannot be reached.");
  }
  const body = { workflow: base.graph, ops, validate: false, dry_run: dryRun };
  return api.post("/ext/workflow/patch", body, { signal });
}

/** @param {string | undefined} id @param {Operation[]} ops @param {boolean} quiet @param {AbortSignal} [signal] @returns {Promise<PatchResult | null>} */
async function apply(id, ops, quiet, signal) {
  if (draft.value?.id !== id) return null;
  patching.value = true;
  try {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const before = draft.value?.graph;
      const result = await ask(ops, false, signal);
      if (!result || draft.value?.id !== id) return null;
      if (draft.value?.graph !== before) continue;
      if (result.changes.length) {
        commit(result.workflow);
        if (!quiet) tell(result.changes);
      }
      return result;
    }
    throw new ApiError("DRAFT_BUSY", "The workflow kept changing.");
  } finally {
    patching.value = false;
  }
}

/** Says what was lost, with a way back. @param {Change[]} changes */
function tell(changes) {
  const removed = changes.filter((one) => one.kind === "node_removed").length;
  const lost = changes.filter((one) => one.kind === "input_dropped").length;
  const classes = changes.filter((one) => one.kind === "class_changed").length;
  if (!removed && !lost && !classes) return;
  const key = removed ? "edit.removed" : classes ? "edit.replaced" : "edit.dropped";
  const id = toast({ key, params: { count: removed || classes || lost, lost }, action: { key: "edit.undo", run: undo } });
  undoable = { id, at: history.value?.at ?? 0 };
}

/**
 * Sets a param. A value that brings other ports with it (a dynamic combo) is the server's to set.
 * @param {string} id
 * @param {string} name
 * @param {any} value
 * @returns {Promise<void>} Throws ApiError, of a dynamic combo only.
 */
export async function setParam(id, name, value) {
  if (brings(id, name)) await patch([setParamOp(id, name, value)]);
  else setValue(id, name, value);
}

/** Whether a param decides which ports there are, also one of a variant, such as `model.size`. @param {string} id @param {string} name */
function brings(id, name) {
  const spec = catalog.value.get(draft.value?.graph[id]?.class_type ?? "");
  /** @param {readonly import("../../core/types.js").Param[]} params @returns {boolean} */
  const within = (params) =>
    params.some((one) => {
      if (!one.variants) return false;
      return one.name === name || Object.values(one.variants).some((ports) => within(ports.params));
    });
  return spec ? within(spec.params) : false;
}
