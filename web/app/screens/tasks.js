import { html, useEffect, useState } from "../vendor/preact.js";
import { draft, lastReached, loadMore, moreTasks, online, queue, route, run, serverNow, stream, t, taskOrder, tasks, toastError } from "../io/store.js";
import { Banner, Button, Empty, Skeleton } from "../ui/basics.js";
import { useTopbar } from "../ui/shell.js";
import * as acts from "./tasks/acts.js";
import { Detail } from "./tasks/detail.js";
import { DownloadRow } from "./tasks/download.js";
import { LiveCard } from "./tasks/live.js";
import { QueuedRow } from "./tasks/queued.js";
import { RecentRow } from "./tasks/recent.js";
import { active, clock, finished, isDownload } from "./tasks/words.js";

/** @typedef {import("../core/types.js").Task} Task */

/** Beside the flow there is room for what goes on, and a little of what was. */
const ASIDE = 8;

function Nothing() {
  if (online.value && stream.value === "connecting") return html`<${Skeleton} cards=${3} lines=${2} />`;
  const start = draft.value
    ? html`<${Button} tone="primary" icon="play" disabled=${!online.value} onClick=${() => run().catch(toastError)}>${t("tasks.run")}<//>`
    : html`<${Button} href="#/library" icon="library">${t("tasks.to_library")}<//>`;
  return html`<${Empty} icon="tasks" title=${t("tasks.empty")} text=${t("tasks.empty_text")} actions=${start} />`;
}

/** @param {{waiting: Task[]}} props */
function Waiting({ waiting }) {
  const { paused } = queue.value;
  const runs = waiting.filter((task) => !isDownload(task));
  return html`<section class="stack" aria-labelledby="tasks-waiting">
    <div class="task-head">
      <h2 id="tasks-waiting">${t("tasks.queued")} <span class="value muted">${waiting.length}</span></h2>
      ${!paused && html`<${Button} small tone="quiet" icon="pause" disabled=${!online.value} onClick=${() => acts.holdQueue(true)}>${t("tasks.pause_queue")}<//>`}
    </div>
    <ol class="task-list">
      ${waiting.map((task) =>
        isDownload(task) ? html`<${DownloadRow} key=${task.id} task=${task} />` : html`<${QueuedRow} key=${task.id} task=${task} waiting=${runs} place=${runs.indexOf(task)} />`,
      )}
    </ol>
  </section>`;
}

/** @param {{list: Task[], all: boolean}} props */
function Recent({ list, all }) {
  const [busy, setBusy] = useState(false);
  const more = async () => {
    setBusy(true);
    await acts.attempt(loadMore);
    setBusy(false);
  };
  return html`<section class="stack" aria-labelledby="tasks-recent">
    <h2 id="tasks-recent">${t("tasks.recent")}</h2>
    <ol class="task-list">
      ${list.map((task) => (isDownload(task) ? html`<${DownloadRow} key=${task.id} task=${task} />` : html`<${RecentRow} key=${task.id} task=${task} />`))}
    </ol>
    ${all && moreTasks.value && html`<p class="row center"><${Button} busy=${busy} disabled=${!online.value} onClick=${more}>${t("tasks.older")}<//></p>`}
    ${!all && html`<p class="row center"><${Button} tone="quiet" href="#/tasks">${t("tasks.all")}<//></p>`}
  </section>`;
}

/** @param {{aside: boolean}} props */
function List({ aside }) {
  const all = taskOrder.value.filter((id) => !acts.leaving.value.has(id)).map((id) => /** @type {Task} */ (tasks.value.get(id)));
  const goes = (/** @type {Task} */ task) => active(task) || (isDownload(task) && !finished(task) && task.download?.phase !== "queued");
  // Runs first: one of them is what most people came for.
  const now = all.filter(goes).sort((a, b) => Number(isDownload(a)) - Number(isDownload(b)));
  const waiting = all.filter((task) => !finished(task) && !now.includes(task));
  const over = all.filter(finished);
  // "3 minutes ago" grows old by itself
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick(serverNow()), 30_000);
    return () => clearInterval(timer);
  }, []);

  const paused = queue.value.paused;
  return html`<div class="tasks stack">
    ${!online.value && lastReached.value && html`<p class="muted as-of">${t("tasks.as_of", { time: clock(lastReached.value) })}</p>`}
    ${paused &&
    html`<${Banner} tone="warn" title=${t("tasks.paused")} actions=${html`<${Button} icon="play" disabled=${!online.value} onClick=${() => acts.holdQueue(false)}>${t("tasks.resume_queue")}<//>`}>
      ${t("tasks.paused_text")}
    <//>`}
    ${!all.length && html`<${Nothing} />`}
    ${now.length > 0 &&
    html`<section class="stack" aria-labelledby="tasks-running">
      <h2 id="tasks-running">${t("tasks.running")}</h2>
      ${now.map((task) => (isDownload(task) ? html`<ul class="task-list" key=${task.id}><${DownloadRow} task=${task} /></ul>` : html`<${LiveCard} key=${task.id} task=${task} />`))}
    </section>`}
    ${waiting.length > 0 && html`<${Waiting} waiting=${waiting} />`}
    ${over.length > 0 && html`<${Recent} list=${aside ? over.slice(0, ASIDE) : over} all=${!aside} />`}
  </div>`;
}

/** What the top bar says while a task's page is not open. */
function Top() {
  const { paused } = queue.value;
  useTopbar(
    {
      menu: [
        {
          id: "hold",
          label: t(paused ? "tasks.resume_queue" : "tasks.pause_queue"),
          icon: paused ? "play" : "pause",
          disabled: !online.value,
          onClick: () => void acts.holdQueue(!paused),
        },
      ],
    },
    [paused, online.value, t("tasks.pause_queue")],
  );
  return null;
}

/** @param {{aside?: boolean}} props */
export default function Tasks({ aside = false }) {
  const { screen, id } = route.value;
  if (!aside && screen === "tasks" && id) return html`<${Detail} key=${id} id=${id} />`;
  return html`${!aside && html`<${Top} />`}<${List} aside=${aside} />`;
}
