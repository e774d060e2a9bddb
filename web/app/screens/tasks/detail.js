import { html, useEffect, useState } from "../../vendor/preact.js";
import { draft, go, lastReached, loadTask, online, ran, t, tasks, told } from "../../io/store.js";
import { Badge, Banner, Button, Empty, Skeleton } from "../../ui/basics.js";
import { Timeline } from "../../ui/gantt.js";
import { useTopbar } from "../../ui/shell.js";
import { itemsOf } from "../gallery/items.js";
import { Tile } from "../gallery/tile.js";
import { openViewer } from "../gallery/viewer.js";
import { openCompare } from "../gallery/compare.js";
import * as acts from "./acts.js";
import { Changes } from "./changes.js";
import { DownloadRow } from "./download.js";
import { useNow } from "./hooks.js";
import { LiveCard } from "./live.js";
import { Logs } from "./logs.js";
import { active, clock, cureOf, duration, finished, foreign, isDownload, leftOf, nameOf, nodeName, ranFor, since, statusOf, toneOf } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */

/** @param {Task} task @param {string | null | undefined} id @returns {boolean} Whether the open draft has this node of the run. */
function inDraft(task, id) {
  const node = id ? draft.value?.graph[id] : undefined;
  if (!node || !id) return false;
  const mine = ran.value?.task_id === task.id || (task.metadata?.draft && task.metadata.draft === draft.value?.id) || draft.value?.source === `task:${task.id}`;
  return !!mine;
}

const CARD_TRIES = 40;

/** Shows a node's card, once the flow is there. @param {string} id */
async function toCard(id) {
  await go("/flow");
  const { cardId, jump } = await import("../flow/state.js");
  for (let n = 0; n < CARD_TRIES && !document.getElementById(cardId(id)); n += 1) await new Promise((done) => setTimeout(done, 50));
  jump(id);
}

/** @param {{task: Task}} props */
function Failure({ task }) {
  const { error } = task;
  if (!error) return null;
  const id = error.node_id;
  const title = id ? t("tasks.node_failed", { name: task.nodes?.[id] ? nodeName(task, id) : (error.class_type ?? `#${id}`) }) : t("tasks.run_failed");
  return html`<${Banner}
    tone="bad"
    title=${title}
    actions=${id && inDraft(task, id) ? html`<${Button} icon="flow" onClick=${() => toCard(id)}>${t("tasks.to_node")}<//>` : null}
  >
    <p class="task-message">${error.message}</p>
    ${cureOf(error) && html`<p>${cureOf(error)}</p>`}
    <small class="value">${[error.code, error.exception_type].filter(Boolean).join(" · ")}</small>
  <//>`;
}

/** @param {{task: Task}} props */
function Head({ task }) {
  const ran = ranFor(task);
  const parts = [
    ran === null || active(task) ? null : duration(ran),
    task.finished_at ? since(task.finished_at) : null,
    (task.attempt ?? 0) > 1 ? t("tasks.attempts", { count: task.attempt }) : null,
  ].filter(Boolean);
  return html`<p class="task-status" data-state=${task.status}>
    <${Badge} tone=${toneOf(task)}>${statusOf(task)}<//>
    <span class="muted">${parts.join(" · ")}</span>
    ${foreign(task) && html`<${Badge}>${t("tasks.other_client")}<//>`}
  </p>`;
}

/** @param {{task: Task}} props */
function Place({ task }) {
  const left = leftOf(task, useNow(true));
  return html`<div class="card task-wait">
    <p>${task.queue_position ? t("tasks.place", { place: task.queue_position }) : t("tasks.waits")}${left && ` · ${t("tasks.done_in", { time: left })}`}</p>
    <${Button} icon="close" disabled=${!online.value} onClick=${() => acts.cancel(task)}>${t("tasks.take_off")}<//>
  </div>`;
}

/** @param {{task: Task}} props */
function Outputs({ task }) {
  const items = itemsOf(task);
  if (!items.length) return null;
  return html`<section class="stack" aria-labelledby="task-outputs">
    <h2 id="task-outputs">${t("tasks.results")}</h2>
    <ul class="task-outputs">
      ${items.map(
        (item) => html`<li key=${item.key} style=${{ "--ratio": Math.max(0.5, Math.min(2.2, item.ratio)) }}>
          <${Tile}
            item=${item}
            onOpen=${async () => {
              const other = await openViewer(items, item);
              const partner = other && items.find((one) => one.key !== other.key && one.group === "image");
              if (other && partner) void openCompare(other, partner);
            }}
          />
        </li>`,
      )}
    </ul>
  </section>`;
}

/** @param {{task: Task}} props */
function Actions({ task }) {
  const [busy, setBusy] = useState("");
  /** @param {string} name @param {() => Promise<unknown>} work */
  const doing = (name, work) => async () => {
    setBusy(name);
    await work();
    setBusy("");
  };
  const off = !online.value;
  return html`<div class="task-actions">
    <${Button} icon="flow" busy=${busy === "load"} disabled=${off} onClick=${doing("load", () => acts.load(task))}>${t("tasks.load_workflow")}<//>
    ${finished(task) &&
    html`<${Button} icon="retry" busy=${busy === "again"} disabled=${off} onClick=${doing("again", () => acts.again(task, false))}>${t("tasks.run_again")}<//>
      <${Button} icon="copy" busy=${busy === "same"} disabled=${off} onClick=${doing("same", () => acts.again(task, true))}>${t("tasks.run_same")}<//>`}
  </div>`;
}

/** @param {{task: Task}} props */
function Course({ task }) {
  const [compare, setCompare] = useState(false);
  const mine = Object.keys(task.nodes ?? {}).some((id) => inDraft(task, id));
  return html`${task.started_at && task.nodes && html`<div class="card task-course"><${Timeline} task=${task} onPick=${mine ? toCard : undefined} /></div>`}
    ${(task.warnings?.length ?? 0) > 0 && html`<${Banner} tone="warn" title=${t("tasks.warnings")}><ul>${task.warnings?.map((one, n) => html`<li key=${n}>${one.message}</li>`)}</ul><//>`}
    <section class="stack">
      <details class="details" onToggle=${(/** @type {any} */ event) => event.target.open && setCompare(true)}>
        <summary>${t("tasks.what_changed")}</summary>
        ${compare && html`<${Changes} task=${task} />`}
      </details>
      <${Logs} task=${task} />
    </section>`;
}

/** @param {{id: string}} props One task, as it runs and as it was. */
export function Detail({ id }) {
  const [failed, setFailed] = useState(/** @type {unknown} */ (null));
  const task = tasks.value.get(id);
  const name = task ? nameOf(task) : "";
  useTopbar({ title: name || t("tasks.task"), back: "/tasks" }, [name]);
  useEffect(() => {
    if (!online.value) return;
    setFailed(null);
    loadTask(id).catch(setFailed);
  }, [id, online.value]);

  if (!task) {
    if (!failed && online.value) return html`<${Skeleton} cards=${3} lines=${2} />`;
    if (!failed || told(failed).code !== "TASK_NOT_FOUND") {
      const { title, hint } = failed ? told(failed) : { title: t("tasks.not_here"), hint: null };
      return html`<${Banner} tone="bad" title=${title} actions=${html`<${Button} icon="retry" onClick=${() => loadTask(id).catch(setFailed)}>${t("tasks.try_again")}<//>`}>${hint}<//>`;
    }
    return html`<${Empty} icon="tasks" title=${t("tasks.forgotten")} actions=${html`<${Button} href="#/tasks">${t("tasks.all")}<//>`} />`;
  }
  return html`<div class="tasks stack">
    ${!online.value && lastReached.value && html`<p class="muted as-of">${t("tasks.as_of", { time: clock(lastReached.value) })}</p>`}
    <${Head} task=${task} />
    ${isDownload(task)
      ? html`<ul class="task-list"><${DownloadRow} task=${task} /></ul>`
      : html`${active(task) && html`<${LiveCard} task=${task} heading=${false} open />`}
          ${task.status === "queued" && html`<${Place} task=${task} />`}
          <${Failure} task=${task} />
          <${Outputs} task=${task} />
          <${Actions} task=${task} />
          <${Course} task=${task} />`}
  </div>`;
}
