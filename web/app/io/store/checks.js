/** What the server finds wrong with the draft: asked shortly after each edit, and before a run. */
import { batch } from "../../vendor/preact.js";
import { api } from "../api.js";
import { onEdit } from "./draft.js";
import { catalog, draft, findings, models, online, valid, validation } from "./state.js";

/** @typedef {import("../../core/types.js").Verdict} Verdict */
/** @typedef {import("../../core/types.js").Graph} Graph */

const WAIT_MS = 400;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {{graph: Graph, stop: AbortController, answer: Promise<Verdict | null>} | null} */
let asked = null;
/** @type {Graph | null} */
let judged = null;

onEdit(() => {
  clearTimeout(timer);
  if (!draft.value) return;
  if (draft.value.graph === judged) return;
  validation.value = "stale";
  timer = setTimeout(() => void validate().catch(() => {}), WAIT_MS);
});

/** The server came back: what could not be judged is judged now. */
online.subscribe((reached) => {
  if (reached && (validation.value === "failed" || validation.value === "stale")) {
    clearTimeout(timer);
    timer = setTimeout(() => void validate().catch(() => {}), WAIT_MS);
  }
});

/** Models or node classes came or went: what was missing may be there, and the other way round. */
for (const known of [models, catalog])
  known.subscribe(() => {
    if (!judged || draft.value?.graph !== judged) return;
    judged = null;
    clearTimeout(timer);
    timer = setTimeout(() => void validate().catch(() => {}), WAIT_MS);
  });

/**
 * Asks the server about the draft as it is now. An answer to an older one is dropped.
 * @returns {Promise<Verdict | null>} Null if the draft changed meanwhile. Throws ApiError.
 */
export async function validate() {
  clearTimeout(timer);
  const graph = draft.value?.graph;
  if (!graph) return null;
  if (asked?.graph === graph) return asked.answer;
  asked?.stop.abort();
  const stop = new AbortController();
  const answer = ask(graph, stop.signal);
  asked = { graph, stop, answer };
  try {
    return await answer;
  } finally {
    if (asked?.graph === graph) asked = null;
  }
}

/** @param {Graph} graph @param {AbortSignal} signal @returns {Promise<Verdict | null>} */
async function ask(graph, signal) {
  validation.value = "asking";
  try {
    /** @type {Verdict} */
    const verdict = Object.keys(graph).length
      ? await api.post("/ext/workflow/validate", { workflow: graph }, { signal })
      : { valid: false, outputs: [], findings: [], warnings: [] };
    if (draft.value?.graph !== graph) return null;
    judged = graph;
    batch(() => {
      findings.value = [...verdict.findings, ...verdict.warnings];
      valid.value = verdict.valid;
      validation.value = "current";
    });
    return verdict;
  } catch (error) {
    if (signal.aborted || draft.value?.graph !== graph) return null;
    validation.value = "failed";
    throw error;
  }
}

/** Shows what the server found when it refused to run a workflow. @param {import("../api.js").ApiError} error @param {Graph} graph */
export function showRefusal(error, graph) {
  const found = error.details.findings;
  if (!Array.isArray(found) || draft.value?.graph !== graph) return;
  judged = graph;
  batch(() => {
    findings.value = found;
    valid.value = false;
    validation.value = "current";
  });
}
