/** A download as a row: how far, how fast, how long, and what can be done about it. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { bytes, remaining, speed } from "../../core/format.js";
import { cancel, download, forget, loadTask, locale, online, pause, resume, retry, t, toast, toastError } from "../../io/store.js";
import { Bar, Button, IconButton } from "../../ui/basics.js";
import { confirm } from "../../ui/sheet.js";
import { Problem } from "./problem.js";
import { pieces } from "./state.js";

/** @typedef {import("../../core/types.js").Task} Task */

/** Losing less than this on a cancel needs no question. */
const ASK_BYTES = 200e6;

const PHASES = {
  queued: "models.phase_queued",
  resolving: "models.phase_resolving",
  downloading: "models.phase_downloading",
  retrying: "models.phase_retrying",
  verifying: "models.phase_verifying",
  extracting: "models.phase_extracting",
  publishing: "models.phase_publishing",
  paused: "models.phase_paused",
  completed: "models.phase_completed",
  failed: "models.phase_failed",
  cancelled: "models.phase_cancelled",
};

/** @param {Task} task @returns {string} */
const phaseOf = (task) => {
  if (task.status === "succeeded") return "completed";
  if (task.status === "failed" || task.status === "cancelled") return task.status;
  return task.download?.phase ?? "queued";
};

/** @param {Task} task @returns {string} */
function nameOf(task) {
  const { name, url } = task.download ?? {};
  if (name) return name;
  const last = String(url ?? task.id).split(/[?#]/)[0].split("/").pop() || task.id;
  try {
    return decodeURIComponent(last);
  } catch {
    // "100%.safetensors", for one.
    return last;
  }
}

/** @param {Task} task @returns {string} "1.2 GB of 6.9 GB · 45 MB/s · 2 min left" */
function line(task) {
  const { received, size, speed: rate } = task.download ?? {};
  const phase = phaseOf(task);
  const at = locale.value;
  const parts = [];
  if (phase !== "downloading") parts.push(t(PHASES[/** @type {keyof typeof PHASES} */ (phase)] ?? PHASES.queued));
  if (phase === "completed") {
    if (task.download?.skipped) parts[0] = t("models.was_here");
    else if (size) parts.push(bytes(size, at));
  } else if (size) parts.push(t("models.of", { received: bytes(received ?? 0, at), size: bytes(size, at) }));
  else if (received) parts.push(bytes(received, at));
  if (phase === "downloading" && rate) parts.push(speed(rate, at));
  if (phase === "downloading" && task.eta_s) parts.push(t("models.left", { time: remaining(task.eta_s, at) }));
  return parts.join(" · ");
}

/** @param {{task: Task}} props */
export function DownloadRow({ task }) {
  const [busy, setBusy] = useState(false);
  const phase = phaseOf(task);
  const name = nameOf(task);
  const { received = 0, size = null, folder = null } = task.download ?? {};
  // Events tell how far it is; what the source said of the file stands in the task itself.
  useEffect(() => {
    if (phase === "downloading" && !folder) void loadTask(task.id).catch(() => {});
  }, [task.id, phase, folder]);
  const ended = phase === "completed" || phase === "failed" || phase === "cancelled";
  /** @param {() => Promise<unknown>} work */
  const act = async (work) => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  const stop = async () => {
    const loses = received > ASK_BYTES;
    const text = t("models.cancel_text", { size: bytes(received, locale.value) });
    if (loses && !(await confirm({ title: t("models.cancel_title", { name }), text, action: t("models.cancel_action"), tone: "danger" }))) return;
    await act(() => cancel(task.id));
  };
  const off = busy || !online.value;
  return html`<li class="dl" data-state=${phase}>
    <div class="dl-head">
      <div class="dl-name"><strong>${pieces(name).map((part) => html`${part}<wbr />`)}</strong>${folder && html`<small>${folder}</small>`}</div>
      ${!ended && phase === "paused" && html`<${IconButton} icon="play" disabled=${off} label=${t("models.resume_one", { name })} onClick=${() => act(() => resume(task.id))} />`}
      ${!ended && phase !== "paused" && html`<${IconButton} icon="pause" disabled=${off} label=${t("models.pause_one", { name })} onClick=${() => act(() => pause(task.id))} />`}
      ${!ended && html`<${IconButton} icon="close" disabled=${off} label=${t("models.cancel_one", { name })} onClick=${stop} />`}
      ${phase === "completed" && html`<${IconButton} icon="check" disabled=${off} label=${t("models.forget_one", { name })} onClick=${() => act(() => forget(task.id))} />`}
    </div>
    ${!ended && html`<${Bar} thin value=${size ? received : phase === "queued" || phase === "paused" ? 0 : null} max=${size ?? 1} label=${t("models.progress_of", { name })} text=${line(task)} />`}
    <p class="hint">${line(task)}</p>
    ${(phase === "failed" || phase === "cancelled") &&
    html`${task.error && phase === "failed" && html`<${Problem} error=${task.error} page=${task.download?.page} />`}
      <div class="row wrap">
        <${Button} small icon="retry" disabled=${off} onClick=${() => act(() => retry(task.id))}>${t("models.retry")}<//>
        <${Button} small tone="quiet" disabled=${off} onClick=${() => act(() => forget(task.id))}>${t("models.forget")}<//>
      </div>`}
  </li>`;
}

/** Begins a download; false if it was refused, which is then told. @param {Record<string, unknown>} body @returns {Promise<boolean>} */
export async function begin(body) {
  try {
    const answer = await download(body);
    const skipped = answer?.task?.download?.skipped;
    toast({ key: skipped ? "models.was_here" : "models.begun", tone: "good" });
    return true;
  } catch (error) {
    toastError(error);
    return false;
  }
}
