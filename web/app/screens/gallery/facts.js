import { html, useEffect, useState } from "../../vendor/preact.js";
import { catalog, locale, t } from "../../io/store.js";
import { simpleFields } from "../../core/simple.js";
import { titleOf } from "../../core/graph.js";
import { bytes, seconds } from "../../core/format.js";
import { Button, Skeleton } from "../../ui/basics.js";
import { Sheet } from "../../ui/sheet.js";
import { workflowOf } from "../tasks/origin.js";
import { ranFor, tag } from "../tasks/words.js";
import { textOf } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

/** @param {Item} item @returns {[string, string][]} */
function ofFile({ output, task, name, at }) {
  const ran = ranFor(task);
  const when = at ? new Intl.DateTimeFormat(tag(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(at)) : null;
  /** @type {[string, string | null | undefined][]} */
  const facts = [
    [t("gallery.fact_workflow"), name],
    [t("gallery.fact_when"), when],
    [t("gallery.fact_size"), output.width && output.height ? `${output.width} × ${output.height}` : null],
    [t("gallery.fact_bytes"), output.size ? bytes(output.size, locale.value) : null],
    [t("gallery.fact_took"), ran === null ? null : seconds(ran, locale.value)],
    [t("gallery.fact_file"), [output.subfolder, output.filename].filter(Boolean).join("/")],
  ];
  return /** @type {[string, string][]} */ (facts.filter(([, value]) => value));
}

/** @param {Item} item @returns {Promise<[string, string][]>} What it was made with: the inputs that matter to people. */
async function ofRun({ task }) {
  const own = Object.entries(task.inputs ?? {});
  if (own.length) return own.map(([name, value]) => [name, textOf(value)]);
  const graph = await workflowOf(task.id);
  return simpleFields(graph, catalog.value)
    .filter(({ field }) => field.value !== undefined && field.value !== null && field.value !== "")
    .map(({ id, field }) => [field.kind === "multiline" ? titleOf(graph[id], catalog.value.get(graph[id].class_type)) : field.label, textOf(field.value)]);
}

/** @param {{facts: [string, string][]}} props */
const List = ({ facts }) => html`<dl class="facts">${facts.map(([name, value], n) => html`<div key=${n}><dt>${name}</dt><dd class="value">${value}</dd></div>`)}</dl>`;

/** @param {{item: Item, onClose: () => void}} props */
export function FactsSheet({ item, onClose }) {
  const [run, setRun] = useState(/** @type {[string, string][] | "failed" | null} */ (null));
  useEffect(() => {
    let here = true;
    setRun(null);
    ofRun(item).then(
      (found) => here && setRun(found),
      () => here && setRun("failed"),
    );
    return () => {
      here = false;
    };
  }, [item.key]);
  return html`<${Sheet}
    open
    title=${t("gallery.about")}
    onClose=${onClose}
    footer=${html`<${Button} icon="timer" href=${`#/tasks/${item.task.id}`}>${t("gallery.open_run")}<//>`}
  >
    <${List} facts=${ofFile(item)} />
    <h3>${t("gallery.made_with")}</h3>
    ${run === null ? html`<${Skeleton} lines=${4} />` : run === "failed" ? html`<p class="muted">${t("gallery.no_inputs")}</p>` : run.length ? html`<${List} facts=${run} />` : html`<p class="muted">${t("gallery.no_inputs")}</p>`}
  <//>`;
}
