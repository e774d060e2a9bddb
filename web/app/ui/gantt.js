import { html, useEffect, useState } from "../vendor/preact.js";
import { seconds } from "../core/format.js";
import { lastLine, rows as rowsOf, slowest } from "../core/timeline.js";
import { serverNow } from "../io/api.js";
import { catalog, locale, t } from "../io/store.js";
import { Button, Segmented } from "./basics.js";

/** @typedef {import("../core/types.js").Task} Task */
/** @typedef {import("../core/types.js").Row} Row */

const FEW = 12;

/** @param {number} value */
const time = (value) => seconds(value, locale.value);

/** @param {Row} row @param {number} now seconds since the start of the run */
const lasting = (row, now) => row.duration_s ?? (row.state === "running" ? Math.max(0, now - row.start_s) : 0);

/** @param {Row} row @param {number} now */
function said(row, now) {
  if (row.cached) return t("timeline.cached");
  if (row.duration_s === null && row.state !== "running") return t(`timeline.${row.state}`);
  return time(lasting(row, now));
}

/** Seconds since the run began, by the server's clock; goes on while it runs. @param {Task} task */
function useElapsed(task) {
  const from = task.started_at ? Date.parse(task.started_at) : NaN;
  const until = task.finished_at ? Date.parse(task.finished_at) : null;
  const [, tick] = useState(0);
  useEffect(() => {
    if (until !== null || Number.isNaN(from)) return;
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, [from, until]);
  return Number.isNaN(from) ? 0 : Math.max(0, ((until ?? serverNow()) - from) / 1000);
}

/** @param {{row: Row, now: number, total: number, error?: string|null, onPick?: (id: string) => void}} props */
function Line({ row, now, total, error, onPick }) {
  const percent = (/** @type {number} */ n) => `${Math.min(100, total ? (n / total) * 100 : 0)}%`;
  const text = said(row, now);
  const inner = html`<span class="gantt-name">${row.title}</span>
    <span class="gantt-track" aria-hidden="true">
      <span class="gantt-bar" data-state=${row.cached ? "cached" : row.state} style=${row.cached ? null : { insetInlineStart: percent(row.start_s), inlineSize: percent(lasting(row, now)) }}></span>
    </span>
    <span class="gantt-time value">${text}</span>`;
  return html`<li class="gantt-line" data-state=${row.state} data-child=${row.parent ? "true" : null}>
    ${onPick ? html`<button type="button" class="gantt-row" onClick=${() => onPick(row.id)}>${inner}</button>` : html`<div class="gantt-row">${inner}</div>`}
    ${error && html`<p class="gantt-error">${error}</p>`}
  </li>`;
}

/** @param {{list: Row[], now: number}} props */
function Table({ list, now }) {
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label=${t("timeline.table")}>
    <table class="table">
      <thead>
        <tr>
          <th scope="col">${t("timeline.node")}</th>
          <th scope="col">${t("timeline.start")}</th>
          <th scope="col">${t("timeline.time")}</th>
          <th scope="col">${t("timeline.share")}</th>
        </tr>
      </thead>
      <tbody>
        ${list.map(
          (row) => html`<tr key=${row.id}>
            <th scope="row">${row.title} <small>#${row.id}</small></th>
            <td class="value">${row.cached || (row.duration_s === null && row.state !== "running") ? "–" : time(row.start_s)}</td>
            <td class="value">${said(row, now)}</td>
            <td class="value">${row.share ? `${Math.round(row.share * 100)} %` : "–"}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/**
 * What took how long, node by node, while it runs and after. The task has to be loaded whole.
 * @param {{task: Task, onPick?: (id: string) => void, heading?: boolean}} props `onPick`: a row leads to the node's card
 */
export function Timeline({ task, onPick, heading = true }) {
  const [order, setOrder] = useState("run");
  const [table, setTable] = useState(false);
  const [all, setAll] = useState(false);
  const now = useElapsed(task);
  const list = rowsOf(task, catalog.value);
  if (!list.length) return html`<p class="muted">${t("timeline.nothing")}</p>`;
  const total = Math.max(now, ...list.map((row) => row.start_s + lasting(row, now)), 0.001);
  const sorted = order === "cost" ? [...list].sort((a, b) => lasting(b, now) - lasting(a, now)) : list;
  const shown = all ? sorted : sorted.slice(0, FEW);
  const cached = list.filter((row) => row.cached).length;
  const top = task.finished_at ? slowest(list) : null;
  const most = Array.isArray(top) ? top[0] : top;
  const lines = [
    cached > 0 && t("timeline.from_cache", { count: cached }),
    most && most.share >= 0.2 && t("timeline.slowest", { title: most.title, percent: Math.round(most.share * 100) }),
  ].filter(Boolean);
  return html`<section class="timeline" aria-label=${t("timeline.title")}>
    ${heading && html`<h2>${t(task.finished_at ? "timeline.took" : "timeline.runs_for", { time: time(now) })}</h2>`}
    ${lines.length > 0 && html`<p class="card-sub">${lines.join(" · ")}</p>`}
    ${table
      ? html`<${Table} list=${sorted} now=${now} />`
      : html`<ol class="gantt">
          ${shown.map((row) => html`<${Line} key=${row.id} row=${row} now=${now} total=${total} onPick=${onPick} error=${task.error?.node_id === row.id ? lastLine(task.error) : null} />`)}
        </ol>`}
    ${!table && sorted.length > FEW && html`<${Button} tone="quiet" onClick=${() => setAll(!all)}>${all ? t("timeline.fewer") : t("timeline.all", { count: sorted.length })}<//>`}
    <div class="row wrap timeline-tools">
      <${Segmented}
        label=${t("timeline.order")}
        hideLabel
        value=${order}
        onChange=${setOrder}
        options=${[
          { value: "run", label: t("timeline.by_order") },
          { value: "cost", label: t("timeline.by_cost") },
        ]}
      />
      <${Button} tone="quiet" aria-pressed=${String(table)} onClick=${() => setTable(!table)}>${t("timeline.as_table")}<//>
    </div>
  </section>`;
}
