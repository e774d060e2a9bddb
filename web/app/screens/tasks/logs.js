import { html, useEffect, useState } from "../../vendor/preact.js";
import { t, told } from "../../io/store.js";
import { api } from "../../io/api.js";
import { finished, nodeName } from "./words.js";

/** @typedef {import("../../core/types.js").Task} Task */
/** @typedef {{number: number, at: string, level: string, node_id: string | null, text: string}} LogLine */

const EVERY_MS = 2000;

/** @param {{task: Task}} props What the run logged; read while it is open only. */
export function Logs({ task }) {
  const [open, setOpen] = useState(false);
  const [lines, setLines] = useState(/** @type {LogLine[]} */ ([]));
  const [told_, setTold] = useState(/** @type {string | null} */ (null));
  const over = finished(task);

  useEffect(() => {
    if (!open) return;
    let here = true;
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    let after = lines.length ? lines[lines.length - 1].number : -1;
    const read = async () => {
      try {
        const { items, next_after } = await api.get(`/ext/tasks/${task.id}/logs${after >= 0 ? `?after=${after}` : ""}`);
        if (!here) return;
        after = next_after ?? after;
        if (items.length) setLines((old) => [...old, ...items.filter((/** @type {LogLine} */ one) => !old.some((each) => each.number === one.number))]);
        setTold(null);
      } catch (error) {
        if (here) setTold(told(error).title);
      }
      if (here && !over) timer = setTimeout(read, EVERY_MS);
    };
    void read();
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [open, over, task.id]);

  return html`<details class="details task-logs" onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
    <summary>${t("tasks.logs")}</summary>
    ${told_ && html`<p class="muted">${told_}</p>`}
    ${open && !lines.length && !told_ && html`<p class="muted">${t("tasks.no_logs")}</p>`}
    ${lines.length > 0 &&
    html`<pre tabindex="0" role="log" aria-label=${t("tasks.logs")}>${lines.map(
      (line) =>
        html`<span key=${line.number} data-level=${line.level?.toLowerCase()}>${line.node_id ? `${nodeName(task, line.node_id)}: ` : ""}${line.text}${"\n"}</span>`,
    )}</pre>`}
  </details>`;
}
