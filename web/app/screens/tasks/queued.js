import { html } from "../../vendor/preact.js";
import { online, t } from "../../io/store.js";
import { Badge, IconButton } from "../../ui/basics.js";
import { openMenu } from "../../ui/sheet.js";
import * as acts from "./acts.js";
import { useNow } from "./hooks.js";
import { foreign, leftOf, movable, nameOf, since } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */

/**
 * One that waits: its place, and ways to change it.
 * @param {{task: Task, waiting: Task[], place: number}} props *place* from 0, among *waiting*.
 */
export function QueuedRow({ task, waiting, place }) {
  const name = nameOf(task);
  const order = waiting.filter(movable);
  const own = order.indexOf(task);
  const left = leftOf(task, useNow(true));
  const more = async () => {
    const chosen = await openMenu({
      title: name,
      items: [
        { id: "first", label: t("tasks.to_front"), icon: "first", disabled: own <= 0 },
        { id: "up", label: t("tasks.earlier"), icon: "up", disabled: own <= 0 },
        { id: "down", label: t("tasks.later"), icon: "down", disabled: own < 0 || own >= order.length - 1 },
        { id: "open", label: t("tasks.details"), icon: "info" },
        { id: "load", label: t("tasks.load_workflow"), icon: "flow" },
        { id: "cancel", label: t("tasks.take_off"), icon: "close", tone: "danger" },
      ],
    });
    if (chosen === "first") void acts.move(order, task, 0);
    if (chosen === "up") void acts.move(order, task, own - 1);
    if (chosen === "down") void acts.move(order, task, own + 1);
    if (chosen === "open") location.hash = `#/tasks/${task.id}`;
    if (chosen === "load") void acts.load(task);
    if (chosen === "cancel") void acts.cancel(task);
  };
  return html`<li class="task-row" data-state="queued">
    <span class="task-place value" aria-hidden="true">${place + 1}</span>
    <a class="task-main" href=${`#/tasks/${task.id}`}>
      <strong>${name}</strong>
      <span class="task-sub">
        <span class="sr-only">${t("tasks.place", { place: place + 1 })}</span>
        ${(task.attempt ?? 0) > 1 ? t("tasks.attempt", { attempt: task.attempt, most: task.max_attempts ?? task.attempt }) : since(task.created_at)}
        ${left && ` · ${t("tasks.done_in", { time: left })}`}
      </span>
      ${foreign(task) && html`<${Badge}>${t("tasks.other_client")}<//>`}
    </a>
    ${own > 0 && html`<${IconButton} icon="first" label=${t("tasks.to_front_of", { name })} disabled=${!online.value} onClick=${() => acts.move(order, task, 0)} />`}
    <${IconButton} icon="more" label=${t("tasks.more_of", { name })} disabled=${!online.value} onClick=${more} aria-haspopup="dialog" />
  </li>`;
}
