/** Runs the draft: checks it, queues it, and turns its seeds on for the next time. */
import { computed } from "../../vendor/preact.js";
import { drawSeed, fieldsOf } from "../../core/fields.js";
import { api, ApiError, randomId } from "../api.js";
import { showRefusal, validate } from "./checks.js";
import { amendDraft, noteRun, seedMode } from "./draft.js";
import { clientId } from "./client.js";
import { catalog, draft, findings, online, running, server, tasks } from "./state.js";
import { take } from "./tasks.js";

/** @typedef {import("./fold.js").Task} Task */
/** @typedef {import("../../core/types.js").Graph} Graph */
/** @typedef {import("../../core/types.js").Field} Field */

/** How often a request whose answer did not come is repeated; its key makes that safe. */
const TRIES = 3;
const PAUSE_MS = 800;

/** Why a run is not possible now: the key of a text, or null. What is wrong with the workflow is in `findings`. */
export const whyNoRun = computed(() => {
  if (!draft.value || Object.keys(draft.value.graph).length === 0) return "run.empty";
  if (!online.value) return "run.offline";
  if (server.value?.locked) return "run.locked";
  return null;
});

/**
 * Checks the draft and queues it.
 * @param {{outputs?: string[], inputs?: Record<string, any>, priority?: number}} [options]
 *   *outputs*: run only these nodes and what they need. *inputs*: `node.input` → a value for this run alone.
 * @returns {Promise<Task | null>} Null if it would not run: `findings` say why. Throws ApiError.
 */
export async function run({ outputs, inputs, priority } = {}) {
  const now = draft.value;
  if (!now || running.value) return null;
  running.value = "checking";
  try {
    const verdict = await validate();
    // It changed while it was checked: what was tapped was the workflow as it is now, and the server checks again.
    if (verdict && !verdict.valid && !outputs) return null;
    running.value = "sending";
    const graph = draft.value?.id === now.id ? draft.value.graph : now.graph;
    const body = {
      workflow: graph,
      metadata: { draft: now.id, name: now.name.slice(0, 200) },
      client_id: clientId(),
      ...(outputs ? { outputs } : {}),
      ...(inputs ? { params: inputs } : {}),
      ...(priority === undefined ? {} : { priority }),
    };
    const task = await queued(body, graph);
    if (!task) return null;
    if (draft.value?.id === now.id) {
      noteRun({ task_id: task.id, graph });
      turnSeeds(graph);
    }
    return tasks.value.get(task.id) ?? task;
  } finally {
    running.value = null;
  }
}

/** Errors after which nobody knows whether the request arrived. */
const UNANSWERED = new Set(["OFFLINE", "CONNECTION_LOST"]);
/** What was sent last and not answered: whoever taps Run again means the same run. @type {{text: string, key: string} | null} */
let unanswered = null;

/** @param {Record<string, any>} body @param {Graph} graph @returns {Promise<Task | null>} */
async function queued(body, graph) {
  const text = JSON.stringify(body);
  const key = unanswered?.text === text ? unanswered.key : randomId(16);
  unanswered = { text, key };
  for (let tries = 1; ; tries += 1) {
    try {
      const task = await api.post("/ext/tasks", body, { key });
      unanswered = null;
      take([task]);
      return task;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (UNANSWERED.has(error.code)) {
        if (tries === TRIES) throw error;
        await new Promise((done) => setTimeout(done, PAUSE_MS * tries));
        continue;
      }
      unanswered = null;
      if (Array.isArray(error.details.findings)) {
        showRefusal(error, graph);
        if (findings.value.length) return null;
      }
      throw error;
    }
  }
}

/** Gives seeds that are not fixed their next value; the run that was queued has the one it was queued with. @param {Graph} graph */
function turnSeeds(graph) {
  const now = draft.value;
  if (!now) return;
  let next = now.graph;
  for (const [id, node] of Object.entries(graph)) {
    for (const field of seeds(fieldsOf(catalog.value.get(node.class_type), node))) {
      const here = next[id];
      // The user chose another one while it was sent: theirs stays.
      if (!here || here.inputs[field.name] !== node.inputs[field.name]) continue;
      const value = turned(field, seedMode(id, field.name, field.control));
      if (value !== field.value) next = { ...next, [id]: { ...here, inputs: { ...here.inputs, [field.name]: value } } };
    }
  }
  if (next !== now.graph) amendDraft(next);
}

/** Also those that a dynamic combo brings with it. @param {Field[]} fields @returns {Field[]} */
const seeds = (fields) => fields.flatMap((one) => [...(one.kind === "seed" ? [one] : []), ...seeds(one.children ?? [])]);

/** @param {Field} field @param {import("./draft.js").SeedMode} mode @returns {number} */
export function turned(field, mode) {
  const min = Math.max(0, field.min ?? 0);
  const max = Math.min(field.max ?? 2 ** 32 - 1, Number.MAX_SAFE_INTEGER);
  const value = Number(field.value ?? min);
  if (mode === "randomize") return drawSeed(field);
  if (mode === "increment") return value >= max ? min : value + 1;
  if (mode === "decrement") return value <= min ? max : value - 1;
  return field.value;
}
