import { html } from "../../vendor/preact.js";
import { online, t } from "../../io/store.js";
import { Badge, Bar, Button, IconButton } from "../../ui/basics.js";
import { openMenu } from "../../ui/sheet.js";
import * as acts from "./acts.js";
import { useNow, usePreview } from "./hooks.js";
import { foreign, leftOf, nameOf, ranFor, stepOf, ticking } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */

/** @param {{task: Task, now: number}} props */
function Times({ task, now }) {
  const ran = ranFor(task, now);
  const left = task.status === "running" ? leftOf(task, now) : null;
  return html`<p class="task-times">
    ${ran !== null && html`<span>${t("tasks.elapsed", { time: ticking(ran) })}</span>`}
    ${left && html`<span>${t("tasks.left", { time: left })}</span>`}
  </p>`;
}

/**
 * A run at work: how far, what it looks like by now, and how to stop it.
 * @param {{task: Task, heading?: boolean, open?: boolean}} props *open*: the task's own page, which needs no link to itself.
 */
export function LiveCard({ task, heading = true, open = false }) {
  const now = useNow(true);
  const stopping = task.status === "canceling";
  const image = usePreview(task.id, /** @type {any} */ (task).preview?.at);
  const percent = Math.round((task.progress ?? 0) * 100);
  const name = nameOf(task);
  const more = async () => {
    const chosen = await openMenu({
      title: name,
      items: [
        { id: "open", label: t("tasks.details"), icon: "timer" },
        { id: "load", label: t("tasks.load_workflow"), icon: "flow", disabled: !online.value },
      ],
    });
    if (chosen === "open") location.hash = `#/tasks/${task.id}`;
    if (chosen === "load") void acts.load(task);
  };
  return html`<article class="task-live" data-state=${task.status} aria-labelledby=${`live-${task.id}`}>
    <${Bar} value=${task.progress ?? 0} label=${name} text=${t("tasks.percent_step", { percent, step: stepOf(task) })} thin />
    <div class="task-live-body">
      ${image && html`<a class="task-preview" href=${`#/tasks/${task.id}`} aria-label=${t("tasks.preview_of", { name })}><img src=${image} alt="" /></a>`}
      <div class="task-live-text">
        <h3 id=${`live-${task.id}`} class=${heading ? null : "sr-only"}>${open ? name : html`<a href=${`#/tasks/${task.id}`}>${name}</a>`}</h3>
        <p class="task-step">${stepOf(task)}</p>
        <${Times} task=${task} now=${now} />
        ${foreign(task) && html`<p><${Badge}>${t("tasks.other_client")}<//></p>`}
      </div>
      <div class="task-live-actions">
        <${Button} icon="stop" busy=${stopping} disabled=${stopping || !online.value} onClick=${() => acts.cancel(task)}>
          ${stopping ? t("tasks.stopping") : t("tasks.stop")}
        <//>
        ${!open && html`<${IconButton} icon="more" label=${t("tasks.more_of", { name })} onClick=${more} aria-haspopup="dialog" />`}
      </div>
    </div>
  </article>`;
}
