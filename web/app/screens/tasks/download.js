import { html } from "../../vendor/preact.js";
import { locale, online, t } from "../../io/store.js";
import { remaining } from "../../core/format.js";
import { Bar, Button, IconButton } from "../../ui/basics.js";
import { Icon } from "../../ui/icons.js";
import * as acts from "./acts.js";
import { cureOf, finished, nameOf, pace, size, statusOf } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */

/** @param {Task} task @returns {string} "checkpoints · 1.2 of 6.9 GB · 48 MB/s · 2 min left" */
function factsOf(task) {
  const { folder, received, size: whole, speed, skipped } = task.download ?? {};
  /** @type {(string | false | null | undefined)[]} */
  const parts = [folder];
  if (finished(task)) parts.push(skipped ? t("tasks.was_here") : whole ? size(whole) : null);
  else if (received || whole) parts.push(whole ? t("tasks.of_size", { done: size(received ?? 0), whole: size(whole) }) : size(received ?? 0));
  if (speed) parts.push(pace(speed));
  if (task.eta_s && speed) parts.push(t("tasks.left", { time: remaining(task.eta_s, locale.value) }));
  return parts.filter(Boolean).join(" · ");
}

/** @param {{task: Task}} props */
export function DownloadRow({ task }) {
  const name = nameOf(task);
  const download = task.download ?? {};
  const paused = download.phase === "paused";
  const over = finished(task);
  const whole = download.size;
  const facts = factsOf(task);
  const waits = task.status === "queued" && !paused;
  return html`<li class="task-row task-download" data-state=${paused ? "paused" : task.status}>
    <span class="task-mark" data-state=${task.status}><${Icon} name="download" /></span>
    <a class="download-name" href=${`#/tasks/${task.id}`}><strong>${name}</strong></a>
    <div class="download-acts">
      ${!over && task.status !== "canceling" &&
      html`<${IconButton}
        icon=${paused ? "play" : "pause"}
        label=${t(paused ? "tasks.resume_of" : "tasks.pause_of", { name })}
        disabled=${!online.value}
        onClick=${() => acts.hold(task.id, !paused)}
      />`}
      ${!over && html`<${IconButton} icon="close" label=${t("tasks.cancel_of", { name })} disabled=${!online.value || task.status === "canceling"} onClick=${() => acts.cancel(task)} />`}
      ${over && html`<${IconButton} icon="close" label=${t("tasks.forget_of", { name })} disabled=${!online.value} onClick=${() => acts.forget(task)} />`}
    </div>
    <div class="download-facts">
      ${!over && !waits && html`<${Bar} value=${whole ? (download.received ?? 0) / whole : task.progress || null} label=${name} text=${facts} thin />`}
      <p class="task-sub"><span class="task-said" data-state=${task.status}>${statusOf(task)}</span>${facts && ` · ${facts}`}</p>
      ${task.error && html`<p class="task-error">${task.error.message} ${cureOf(task.error)}</p>`}
      ${!over && download.note && html`<p class="task-sub">${download.note}</p>`}
      ${(task.status === "failed" || task.status === "cancelled") &&
      html`<p><${Button} small icon="retry" disabled=${!online.value} onClick=${() => acts.again(task, true)}>${t("tasks.try_again")}<//></p>`}
    </div>
  </li>`;
}
