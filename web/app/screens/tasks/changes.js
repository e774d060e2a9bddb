import { html, useEffect, useState } from "../../vendor/preact.js";
import { catalog, t, told } from "../../io/store.js";
import { differences } from "../../core/diff.js";
import { titled } from "../../core/timeline.js";
import { Banner, Skeleton } from "../../ui/basics.js";
import { Sheet } from "../../ui/sheet.js";
import { runBefore, workflowOf } from "./origin.js";
import { nameOf, since } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */
/** @typedef {import("../../core/types.js").Difference} Difference */

/** @param {unknown} value @returns {string} */
function shown(value) {
  if (value === undefined || value === null) return t("tasks.nothing");
  if (Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && typeof value[1] === "number") {
    return t("tasks.link_to", { id: value[0] });
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** @param {{one: Difference}} props */
function Line({ one }) {
  const node = titled(one, catalog.value.get(one.class_type));
  const text =
    one.kind === "node_added" ? t("tasks.change_added") : one.kind === "node_removed" ? t("tasks.change_removed") : one.input;
  return html`<li class="change">
    <span class="change-where"><strong>${node}</strong> <small>#${one.id}</small>${" "}<span>${text}</span></span>
    ${(one.kind === "value_changed" || one.kind === "link_changed" || one.kind === "class_changed") &&
    html`<span class="change-values value"><del>${shown(one.old)}</del><ins>${shown(one.new)}</ins></span>`}
  </li>`;
}

/** @param {{list: Difference[]}} props */
function ChangeList({ list }) {
  if (!list.length) return html`<p class="muted">${t("tasks.same_inputs")}</p>`;
  return html`<ul class="changes">${list.map((one) => html`<${Line} key=${`${one.id}.${one.input ?? one.kind}`} one=${one} />`)}</ul>`;
}

/**
 * What differs between two runs; without *before*, between *task* and the run of the same workflow before it.
 * @param {{task: Task, before?: Task}} props
 */
export function Changes({ task, before }) {
  const [state, setState] = useState(/** @type {{list?: Difference[], before?: Task | null, error?: unknown} | null} */ (null));
  useEffect(() => {
    let here = true;
    const find = async () => {
      const other = before ?? (await runBefore(task));
      if (!other) return { before: null };
      const [old, now] = await Promise.all([workflowOf(other.id), workflowOf(task.id)]);
      return { before: other, list: differences(old, now) };
    };
    find().then(
      (found) => here && setState(found),
      (error) => here && setState({ error }),
    );
    return () => {
      here = false;
    };
  }, [task.id, before?.id]);
  if (!state) return html`<${Skeleton} lines=${3} />`;
  if (state.error) {
    const { title, hint } = told(state.error);
    return html`<${Banner} tone="bad" title=${title}>${hint}<//>`;
  }
  if (!state.before) return html`<p class="muted">${t("tasks.no_run_before")}</p>`;
  return html`<div class="stack">
    ${!before && html`<p class="muted">${t("tasks.compared_with", { name: nameOf(state.before), when: since(state.before.created_at) })}</p>`}
    <${ChangeList} list=${state.list ?? []} />
  </div>`;
}

/** @param {{task: Task, before?: Task, onClose: () => void}} props */
export function ChangesSheet({ task, before, onClose }) {
  return html`<${Sheet} open title=${t(before ? "gallery.what_differs" : "tasks.what_changed")} onClose=${onClose}>
    <${Changes} task=${task} before=${before} />
  <//>`;
}
