/** What an edit would do, before it is done: a dry run, told in lines; and the answer to "which one?". */
import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { isLink } from "../../core/graph.js";
import { summary } from "../../core/ops.js";
import { api } from "../../io/api.js";
import { catalog, draft, patch, t, toastError, told } from "../../io/store.js";
import { Banner, Button, Skeleton } from "../../ui/basics.js";
import { findingText } from "../../ui/findings.js";
import { Icon } from "../../ui/icons.js";
import { MenuItem, Sheet } from "../../ui/sheet.js";
import { resolved } from "./choices.js";
import { classNameOf, jump, nameOf } from "./state.js";

/** @typedef {import("../../core/types.js").Operation} Operation */
/** @typedef {import("../../core/types.js").PatchResult} PatchResult */
/** @typedef {import("../../core/types.js").Finding} Finding */
/** @typedef {import("./choices.js").Candidate} Candidate */
/** @typedef {{ops: Operation[], result: PatchResult}} Plan */

/** Each wiring can be the cause of the next, but an edit has few new nodes. */
const ROUNDS = 4;
/** As many rewired inputs are told one by one. */
const INSTEAD = 3;

/**
 * Does operations on a copy. With *wire*, what new nodes still need is linked to what fits best, as validation proposes.
 * @param {Operation[]} ops
 * @param {{wire?: boolean, signal?: AbortSignal}} [options]
 * @returns {Promise<Plan>} Throws ApiError.
 */
async function tryOut(ops, { wire = false, signal } = {}) {
  let all = ops;
  for (let round = 0; ; round += 1) {
    // Not through the store, which leaves out the findings: here they say what is to be wired.
    const body = { workflow: draft.value?.graph ?? {}, ops: all, dry_run: true };
    /** @type {PatchResult} */
    const result = await api.post("/ext/workflow/patch", body, { signal });
    const fresh = new Set([
      ...result.created.map((one) => one.node_id),
      ...result.changes.filter((one) => one.kind === "class_changed").map((one) => one.node_id),
    ]);
    const fixes = (result.findings ?? []).flatMap(({ code, fix }) =>
      code === "MISSING_INPUT" && fix?.op === "connect" && fresh.has(fix.target_node_id) ? [fix] : [],
    );
    if (!wire || !fixes.length || round === ROUNDS) return { ops: all, result };
    all = [...all, ...fixes];
  }
}

/**
 * @param {Operation[]} ops
 * @param {{wire?: boolean}} [options]
 */
export function usePlan(ops, { wire } = {}) {
  const [state, setState] = useState(/** @type {{plan: Plan | null, error: any}} */ ({ plan: null, error: null }));
  const [chosen, setChosen] = useState(/** @type {{of: string, ops: Operation[]} | null} */ (null));
  const wanted = JSON.stringify(ops);
  const asked = chosen?.of === wanted ? chosen.ops : ops;
  const key = JSON.stringify(asked);
  const graph = draft.value?.graph;
  useEffect(() => {
    const stop = new AbortController();
    setState({ plan: null, error: null });
    if (!asked.length) return;
    tryOut(asked, { wire, signal: stop.signal }).then(
      (plan) => setState({ plan, error: null }),
      (error) => stop.signal.aborted || setState({ plan: null, error }),
    );
    return () => stop.abort();
  }, [key, wire, graph]);
  return { ...state, asked, choose: (/** @type {Operation[]} */ next) => setChosen({ of: wanted, ops: next }) };
}

/** @param {{icon: string, tone?: string, children?: any}} props */
function Line({ icon, tone, children }) {
  return html`<li data-tone=${tone}><${Icon} name=${icon} size=${16} /><span>${children}</span></li>`;
}

/** @type {Record<string, string>} */
const ICONS = {
  "ops.add": "plus",
  "ops.wire": "link",
  "ops.drop": "unlink",
  "ops.unlink": "unlink",
  "ops.remove": "trash",
  "ops.replace": "swap",
  "ops.set": "edit",
  "ops.title": "edit",
  "ops.bypass_on": "bypass",
  "ops.bypass_off": "bypass",
};

/** What is lost is in the colour of a warning. */
const LOSES = new Set(["ops.drop", "ops.unlink", "ops.remove"]);

/** Where a link takes the place of another: what would be disconnected. @param {PatchResult} result */
function replaced({ changes, created, workflow }) {
  const made = new Set(created.map((one) => one.node_id));
  return changes.filter(
    (one) => one.kind === "input_set" && isLink(one.new) && isLink(one.old) && !made.has(one.new[0]) && !made.has(one.node_id) && workflow[one.node_id],
  );
}

/** Several nodes may be called the same. @param {string} id */
const numbered = (id) => `${nameOf(id)} #${id}`;

/** @param {{plan: Plan}} props */
function PlanLines({ plan }) {
  const instead = replaced(plan.result);
  const lines = summary(plan.result, catalog.value).filter((line) => line.key !== "ops.wire" || plan.result.created.length || !instead.length);
  const created = new Set(plan.result.created.map((one) => one.node_id));
  const left = (plan.result.findings ?? []).filter((one) => one.severity === "error" && (created.has(one.node_id ?? "") || one.code === "MISSING_INPUT"));
  return html`<ul class="plan" aria-label=${t("flow.plan")}>
    ${lines.map((line) => html`<${Line} icon=${ICONS[line.key] ?? "check"} tone=${LOSES.has(line.key) ? "warn" : undefined}>${t(line.key, line.params)}<//>`)}
    ${instead.slice(0, INSTEAD).map(
      (one) =>
        html`<${Line} icon="swap">${t("flow.plan_instead", { node: numbered(one.node_id), input: one.input, now: numbered(one.new[0]), before: numbered(one.old[0]) })}<//>`,
    )}
    ${instead.length > INSTEAD && html`<${Line} icon="swap">${t("flow.plan_more", { count: instead.length - INSTEAD })}<//>`}
    ${!lines.length && !instead.length && html`<${Line} icon="info">${t("flow.plan_nothing")}<//>`}
    ${left.map((one) => html`<${Line} icon="alert" tone="warn">${needs(one, plan.result)}<//>`)}
  </ul>`;
}

/** @param {Finding} finding @param {PatchResult} result */
function needs(finding, result) {
  if (finding.code !== "MISSING_INPUT" || finding.input === null) {
    const text = findingText(finding);
    return finding.node_id === null ? text : t("flow.plan_finding", { node: nameOf(finding.node_id, result.workflow), text });
  }
  return t("flow.plan_needs", {
    node: nameOf(finding.node_id ?? "", result.workflow),
    input: finding.input,
    type: finding.details?.type ?? "",
  });
}

/** @param {{candidate: Candidate, onPick: () => void}} props */
function Choice({ candidate: one, onPick }) {
  const name = one.node_id !== undefined && draft.value?.graph[one.node_id] ? nameOf(one.node_id) : classNameOf(one.class_type);
  if (one.target_node_id !== undefined) {
    const label = t("flow.choice_link", { output: one.output ?? one.slot, target: nameOf(one.target_node_id), input: one.input });
    return html`<${MenuItem} icon="link" label=${label} hint=${one.type} onClick=${onPick} />`;
  }
  if (one.node_input !== undefined) {
    const output = catalog.value.get(one.class_type)?.outputs[one.node_output]?.name ?? one.node_output;
    return html`<${MenuItem} icon="link" label=${t("flow.choice_through", { input: one.node_input, output })} hint=${one.type} onClick=${onPick} />`;
  }
  const port = one.input ?? one.output ?? one.slot;
  const id = one.input === undefined ? ` #${one.node_id}` : "";
  return html`<${MenuItem} icon="link" label=${t("flow.choice_port", { node: `${name}${id}`, port })} hint=${one.type} onClick=${onPick} />`;
}

/**
 * The dry run of operations as a person reads it.
 * @param {{state: ReturnType<typeof usePlan>}} props
 */
export function PlanView({ state }) {
  const { plan, error, asked, choose } = state;
  if (plan) return html`<${PlanLines} plan=${plan} />`;
  if (!error) return html`<${Skeleton} lines=${2} />`;
  if (error.code === "AMBIGUOUS_PORT") {
    const { candidates = [], op = 0, input } = error.details;
    const pick = (/** @type {Candidate} */ one) =>
      choose(
        asked.map((each, at) =>
          at === op ? resolved(each, one, { graph: draft.value?.graph ?? {}, specs: catalog.value, input }) : each,
        ),
      );
    return html`<p>${input === undefined ? t("flow.which_one") : t("flow.which_for", { input })}</p>
      <ul class="menu">
        ${candidates.map((/** @type {Candidate} */ one) => html`<li><${Choice} candidate=${one} onPick=${() => pick(one)} /></li>`)}
      </ul>`;
  }
  const { title, hint } = told(error);
  return html`<${Banner} tone="bad" title=${title}>${hint}<//>`;
}

/**
 * Does operations for good. What they made is jumped to.
 * @param {Operation[]} ops
 * @param {{show?: boolean, quiet?: boolean}} [options] *show*: jump to what is new.
 * @returns {Promise<PatchResult | null>} Null if they were refused, which has been told.
 */
export async function apply(ops, { show = true, quiet = false } = {}) {
  try {
    const result = await patch(ops, { quiet });
    const made = result?.created.at(-1)?.node_id;
    if (show && made) jump(made);
    return result;
  } catch (error) {
    toastError(error);
    return null;
  }
}

/**
 * A button that does what a plan says.
 * @param {{state: ReturnType<typeof usePlan>, label: string, tone?: "primary" | "danger", onDone: (result: PatchResult) => void, show?: boolean}} props
 */
export function ApplyButton({ state, label, tone = "primary", onDone, show }) {
  const [busy, setBusy] = useState(false);
  const here = useRef(true);
  useEffect(() => () => void (here.current = false), []);
  const start = async () => {
    if (!state.plan) return;
    setBusy(true);
    const result = await apply(state.plan.ops, { show });
    if (here.current) setBusy(false);
    if (result) onDone(result);
  };
  return html`<${Button} tone=${tone} icon="check" busy=${busy} disabled=${!state.plan} onClick=${start}>${label}<//>`;
}

/**
 * A sheet that says what an edit would do, and does it. Further choices are its children.
 * @param {{title: string, ops: Operation[], label?: string, tone?: "primary" | "danger", wire?: boolean, show?: boolean,
 *   close: () => void, children?: any}} props
 */
export function PlanSheet({ title, ops, label, tone, wire, show, close, children }) {
  const state = usePlan(ops, { wire });
  return html`<${Sheet}
    open
    title=${title}
    onClose=${close}
    footer=${html`<${Button} onClick=${() => close()}>${t("ui.cancel")}<//>
      <${ApplyButton} state=${state} label=${label ?? t("flow.apply")} tone=${tone} show=${show} onDone=${() => close()} />`}
  ><div class="stack">${children}<${PlanView} state=${state} /></div><//>`;
}
