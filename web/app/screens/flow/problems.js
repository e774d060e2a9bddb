/** What is wrong with the workflow as a whole: a banner that counts, the list of everything, and a run in spite of it. */
import { html } from "../../vendor/preact.js";
import { catalog, run, t, toast, toastError, validate, validation, whyNoRun } from "../../io/store.js";
import { Banner, Button } from "../../ui/basics.js";
import { FindingLine } from "../../ui/card.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { onlyModelsMissing } from "./missing.js";
import { apply } from "./plan.js";
import { graph, jump, nameOf, problems } from "./state.js";

/** @typedef {import("../../core/types.js").Finding} Finding */

/** Does what a finding proposes. @param {Finding} finding */
export async function mend(finding) {
  if (!finding.fix) return;
  const result = await apply([finding.fix], { show: false });
  if (result) toast({ key: "flow.fixed", tone: "good" });
}

/** @param {{id: string | null, found: readonly Finding[], close: () => void}} props */
function Group({ id, found, close }) {
  const go = () => {
    close();
    if (id !== null) jump(id);
  };
  return html`<section class="stack">
    ${id === null
      ? html`<h3>${t("flow.whole_workflow")}</h3>`
      : html`<h3><${Button} tone="quiet" icon="right" onClick=${go}>${t("flow.go_to_numbered", { name: nameOf(id), id })}<//></h3>`}
    ${found.map((one) => html`<${FindingLine} finding=${one} nodeName=${nameOf} onFix=${one.fix ? () => mend(one) : undefined} />`)}
  </section>`;
}

/** @param {{anyway?: boolean, close: (go?: boolean) => void}} props */
function ProblemSheet({ anyway, close }) {
  const ids = [...new Set(problems.value.map((one) => one.node_id))].sort((a, b) => worst(a) - worst(b));
  const fixable = problems.value.filter((one) => one.fix && one.severity === "error");
  const footer = html`${fixable.length > 1 && html`<${Button} icon="check" onClick=${() => mendAll()}>${t("flow.fix_all", { count: fixable.length })}<//>`}
    ${anyway && html`<${Button} tone="primary" icon="play" onClick=${() => close(true)}>${t("flow.run_anyway")}<//>`}`;
  return html`<${Sheet} open tall title=${t("flow.problems")} onClose=${() => close()} footer=${fixable.length > 1 || anyway ? footer : null}>
    <div class="stack">
      ${anyway && html`<p>${t("flow.run_anyway_text")}</p>`}
      ${ids.map((id) => html`<${Group} key=${id ?? ""} id=${id} found=${problems.value.filter((one) => one.node_id === id)} close=${() => close()} />`)}
      ${!ids.length && html`<p>${t("flow.no_problems")}</p>`}
    </div>
  <//>`;
}

/** Errors before warnings. @param {string | null} id */
const worst = (id) => (problems.value.some((one) => one.node_id === id && one.severity === "error") ? 0 : 1);

/** A fault can be the cause of another, so each is mended by itself and what is left is asked for again. */
async function mendAll() {
  const tried = new Set();
  for (let rounds = 0; rounds < 20; rounds += 1) {
    const next = problems.value.find((one) => one.fix && one.severity === "error" && !tried.has(JSON.stringify(one.fix)));
    if (!next?.fix) break;
    tried.add(JSON.stringify(next.fix));
    if (!(await apply([next.fix], { show: false, quiet: true }))) break;
    try {
      await validate();
    } catch (error) {
      toastError(error);
      break;
    }
  }
}

/** @param {{anyway?: boolean}} [options] @returns {Promise<boolean | undefined>} True: run in spite of it. */
export const openProblems = ({ anyway } = {}) => openSheet((close) => html`<${ProblemSheet} anyway=${anyway} close=${close} />`);

/** The Run button, while this screen is shown: what is wrong is shown before anything is queued. */
export async function runOrTell() {
  const why = whyNoRun.value;
  if (why) {
    toast({ key: why, tone: "warn" });
    return;
  }
  const verdict = await validate();
  if (verdict && !verdict.valid) {
    await openProblems();
    return;
  }
  const outputs = Object.entries(graph.value).filter(([, node]) => catalog.value.get(node.class_type)?.flags.output_node);
  if (verdict && verdict.outputs.length < outputs.length && !(await openProblems({ anyway: true }))) return;
  const task = await run();
  if (!task && problems.value.some((one) => one.severity === "error")) await openProblems();
}

export function Problems() {
  const errors = problems.value.filter((one) => one.severity === "error").length;
  const all = problems.value.length;
  if (!all || validation.value === "none" || onlyModelsMissing.value) return null;
  const show = html`<${Button} onClick=${() => openProblems()}>${t("flow.show_problems")}<//>`;
  return html`<${Banner} tone=${errors ? "bad" : "warn"} title=${errors ? t("flow.errors", { count: errors }) : t("flow.warnings", { count: all })} actions=${show} />`;
}
