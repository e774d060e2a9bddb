/** The last run of the draft: what it does now, how it went, and what is different since. */
import { html, signal, useEffect, useState } from "../../vendor/preact.js";
import { FINISHED, go, lastRun, loadTask, t } from "../../io/store.js";
import { Bar, Button, IconButton } from "../../ui/basics.js";
import { Timeline } from "../../ui/gantt.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { Thumb } from "../../ui/thumb.js";
import { cancel } from "../tasks/acts.js";
import { duration, leftOf } from "../tasks/words.js";
import { active, changed } from "./live.js";
import { classNameOf, graph, jump, nameOf } from "./state.js";

/** @typedef {import("../../core/types.js").Difference} Difference */
/** @typedef {import("../../core/types.js").Task} Task */

/** The run whose end is to be told: it was seen at work, and its end was not put away yet. @type {import("../../vendor/preact.js").Signal<string | null>} */
const watched = signal(null);

/** Shown while the draft's run waits or works, and how it ended: nobody has to look for what came of it. */
export function RunStrip() {
  const task = lastRun.value;
  const on = active.value ? (task?.id ?? null) : null;
  useEffect(() => {
    if (on) watched.value = on;
  }, [on]);
  if (!task) return null;
  if (!on) return watched.value === task.id && task.status !== "cancelled" ? html`<${Ended} task=${task} />` : null;
  const at = task.current?.find((id) => graph.value[id]);
  const node = at === undefined ? null : task.nodes?.[at];
  const steps = node?.max != null && node.max > 1 ? t("flow.state_step", { value: node.value ?? 0, max: node.max }) : "";
  const ahead = Math.max(0, (task.queue_position ?? 1) - 1);
  const waits = ahead ? t("flow.queued", { count: ahead }) : t("flow.queued_next");
  const text =
    task.status === "queued"
      ? waits
      : task.status === "canceling"
        ? t("flow.canceling")
        : at === undefined
          ? t("flow.state_running")
          : [nameOf(at), steps].filter(Boolean).join(" · ");
  const rest = leftOf(task);
  const left = rest && t("flow.left", { time: rest });
  return html`<div class="run-strip" data-state=${task.status}>
    <div class="row">
      <button type="button" class="run-strip-text" onClick=${() => (at === undefined ? go(`/tasks/${task.id}`) : jump(at))}>
        <span>${text}</span>${left && html`<span class="muted">${left}</span>`}
      </button>
      <${IconButton} icon="stop" label=${t("flow.cancel_run")} disabled=${task.status === "canceling"} onClick=${() => cancel(task)} />
    </div>
    <${Bar} thin value=${task.status === "queued" ? 0 : (task.progress ?? 0)} label=${t("flow.progress")} />
  </div>`;
}

/** How the run that was watched ended: its picture, or the node that failed. @param {{task: Task}} props */
function Ended({ task }) {
  const picture = (task.outputs ?? []).findLastIndex((output) => output.kind === "image");
  const at = task.error?.node_id;
  const node = at && graph.value[at] ? at : null;
  const close = () => {
    watched.value = null;
  };
  const look = () => {
    close();
    if (task.status === "failed" && node) jump(node);
    else go(`/tasks/${task.id}`);
  };
  const text = task.status !== "failed" ? t("flow.ended_done") : node ? t("flow.ended_failed_at", { node: nameOf(node) }) : t("flow.ended_failed");
  return html`<div class="run-strip" data-state=${task.status}>
    <div class="row">
      <button type="button" class="run-strip-text" onClick=${look}>
        ${picture >= 0 && html`<${Thumb} task=${task} n=${picture} alt="" square width=${96} eager />`}
        <span>${text}</span><span class="muted">${task.status === "failed" ? t("flow.ended_why") : t("flow.ended_look")}</span>
      </button>
      <${IconButton} icon="close" label=${t("flow.ended_close")} onClick=${close} />
    </div>
  </div>`;
}

/** @param {any} value */
function shown(value) {
  if (value === undefined) return t("flow.nothing");
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

/** @param {Difference} one */
function told(one) {
  if (one.kind === "node_added") return t("flow.diff_added");
  if (one.kind === "node_removed") return t("flow.diff_removed");
  if (one.kind === "class_changed") return t("flow.diff_class", { old: classNameOf(one.old), new: classNameOf(one.new) });
  if (one.kind === "link_changed") return t("flow.diff_link", { input: one.input });
  return html`<code>${one.input}</code>: <del>${shown(one.old)}</del> → <ins>${shown(one.new)}</ins>`;
}

/** @param {{close: () => void}} props */
function ChangesSheet({ close }) {
  const ids = [...new Set(changed.value.map((one) => one.id))];
  const go = (/** @type {string} */ id) => {
    close();
    jump(id);
  };
  return html`<${Sheet} open tall title=${t("flow.changed_title")} onClose=${close}>
    <div class="stack">
      ${ids.map((id) => {
        const found = changed.value.filter((one) => one.id === id);
        const name = graph.value[id] ? nameOf(id) : (found[0].title ?? classNameOf(found[0].class_type));
        return html`<section key=${id}>
          <h3>${graph.value[id] ? html`<${Button} tone="quiet" icon="right" onClick=${() => go(id)}>${name}<//>` : name}</h3>
          <ul class="differences">${found.map((one) => html`<li>${told(one)}</li>`)}</ul>
        </section>`;
      })}
      ${!ids.length && html`<p>${t("flow.changed_nothing")}</p>`}
    </div>
  <//>`;
}

export const openChanges = () => openSheet((close) => html`<${ChangesSheet} close=${() => close()} />`);

/** The card at the end: the timeline of the last run. */
export function LastRun() {
  const task = lastRun.value;
  const [asked, setAsked] = useState(/** @type {string | null} */ (null));
  const whole = !!task?.nodes;
  useEffect(() => {
    if (!task || whole || asked === task.id) return;
    setAsked(task.id);
    loadTask(task.id).catch(() => {});
  }, [task?.id, whole]);
  if (!task || task.status === "queued") return null;
  const ended = FINISHED.has(task.status);
  const time = task.started_at && task.finished_at ? (Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000 : null;
  const title = !ended || time === null ? t("flow.last_run_now") : t("flow.last_run", { time: duration(time) });
  const how = ended && task.status !== "succeeded" ? t(`flow.run_${task.status}`) : null;
  return html`<section class="last-run" aria-labelledby="last-run-title">
    <header>
      <h2 id="last-run-title">${title}</h2>
      ${how && html`<p class="muted">${how}</p>`}
    </header>
    ${task.nodes ? html`<${Timeline} heading=${false} task=${task} onPick=${(/** @type {string} */ id) => jump(id)} />` : null}
    <div class="row wrap">
      <${Button} small onClick=${() => go(`/tasks/${task.id}`)}>${t("flow.open_task")}<//>
      ${changed.value.length > 0 && html`<${Button} small icon="compare" onClick=${openChanges}>${t("flow.changed", { count: changed.value.length })}<//>`}
    </div>
  </section>`;
}
