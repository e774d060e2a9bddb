import { html } from "../../vendor/preact.js";
import { lastLine } from "../../core/timeline.js";
import { online, t } from "../../io/store.js";
import { Badge, IconButton } from "../../ui/basics.js";
import { Icon } from "../../ui/icons.js";
import { openMenu } from "../../ui/sheet.js";
import { Thumb } from "../../ui/thumb.js";
import * as acts from "./acts.js";
import { cureOf, duration, foreign, nameOf, ranFor, since, statusOf } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */

const MARK = { succeeded: "check", failed: "alert", cancelled: "stop" };

/** @param {{task: Task}} props A run that has ended. */
export function RecentRow({ task }) {
  const name = nameOf(task);
  const ran = ranFor(task);
  const outputs = task.outputs ?? [];
  const n = outputs.findIndex((output) => output.kind === "image" && !(/** @type {any} */ (output).deleted));
  const more = async () => {
    const chosen = await openMenu({
      title: name,
      items: [
        { id: "again", label: t("tasks.run_again"), icon: "retry" },
        { id: "same", label: t("tasks.run_same"), icon: "copy" },
        { id: "load", label: t("tasks.load_workflow"), icon: "flow" },
        { id: "forget", label: t("tasks.forget"), icon: "trash", hint: t("tasks.forget_hint"), tone: "danger" },
      ],
    });
    if (chosen === "again") void acts.again(task, false);
    if (chosen === "same") void acts.again(task, true);
    if (chosen === "load") void acts.load(task);
    if (chosen === "forget") acts.forget(task);
  };
  return html`<li class="task-row" data-state=${task.status}>
    <a class="task-open" href=${`#/tasks/${task.id}`}>
      <span class="task-thumb">
        ${n >= 0 ? html`<${Thumb} task=${task} n=${n} square alt="" />` : html`<span class="task-mark" data-state=${task.status}><${Icon} name=${MARK[/** @type {keyof MARK} */ (task.status)] ?? "info"} /></span>`}
        ${outputs.length > 1 && html`<span class="task-count value">${outputs.length}</span>`}
      </span>
      <span class="task-main">
        <strong>${name}</strong>
        <span class="task-sub">
          <span class="task-said" data-state=${task.status}>${statusOf(task)}</span>
          ${ran !== null && ` · ${duration(ran)}`}
          ${" · "}${since(task.finished_at ?? task.created_at)}
        </span>
        ${task.error && html`<span class="task-error">${task.error.code === "NODE_FAILED" ? lastLine(task.error) : (cureOf(task.error) ?? lastLine(task.error))}</span>`}
        ${foreign(task) && html`<${Badge}>${t("tasks.other_client")}<//>`}
      </span>
    </a>
    <${IconButton} icon="more" label=${t("tasks.more_of", { name })} disabled=${!online.value} onClick=${more} aria-haspopup="dialog" />
  </li>`;
}
