/** A notification when a run or a download ends while nobody looks; where the browser has them, and the user wants them. */
import { effect, html, signal } from "../../vendor/preact.js";
import { FINISHED, settings, saveSettings, t, tasks, toast } from "../../io/store.js";
import { Banner, Switch } from "../../ui/basics.js";

/** @typedef {"absent" | "insecure" | "default" | "granted" | "denied"} Permission */

/** @returns {Permission} */
function judge() {
  if (!isSecureContext) return "insecure";
  return typeof Notification === "undefined" ? "absent" : Notification.permission;
}

const permission = signal(judge());

/** @param {import("../../core/types.js").Task} task */
async function tell(task) {
  const failed = task.status === "failed";
  const key = task.kind === "download" ? (failed ? "notify.download_failed" : "notify.downloaded") : failed ? "notify.failed" : "notify.done";
  const name = String(task.download?.name ?? task.metadata?.name ?? task.template?.name ?? "");
  const shown = { body: name, tag: task.id, icon: new URL("../../icons/icon-192.png", import.meta.url).href };
  try {
    // Android has them through the worker only.
    const worker = await navigator.serviceWorker?.getRegistration();
    if (worker) await worker.showNotification(t(key), shown);
    else new Notification(t(key), shown);
  } catch (error) {
    console.info("No notification:", error);
  }
}

/** @type {Map<string, string>} */
let before = new Map();

let following = false;

/** Watches for tasks that end, for as long as the page lives; asked again, it does nothing. */
export function followRuns() {
  if (following) return;
  following = true;
  effect(() => {
    const now = new Map([...tasks.value].map(([id, task]) => [id, task.status]));
    const wanted = /** @type {any} */ (settings.value).notify === true && permission.value === "granted" && document.visibilityState === "hidden";
    if (wanted) {
      for (const [id, task] of tasks.value) {
        const was = before.get(id);
        if (was && !FINISHED.has(was) && FINISHED.has(task.status) && task.status !== "cancelled") void tell(task);
      }
    }
    before = now;
  });
}

/** @param {boolean} on */
async function choose(on) {
  if (on && permission.value === "default") permission.value = await Notification.requestPermission();
  const notify = on && permission.value === "granted";
  saveSettings(/** @type {any} */ ({ notify }));
  if (notify) followRuns();
  if (on && !notify) toast({ key: "notify.refused", tone: "warn" });
}

export function Notifications() {
  const state = permission.value;
  const on = /** @type {any} */ (settings.value).notify === true && state === "granted";
  const why = { insecure: "notify.insecure", absent: "notify.absent", denied: "notify.denied" };
  return html`<section class="panel" aria-labelledby="set-notify">
    <div class="panel-head"><h2 id="set-notify">${t("notify.title")}</h2></div>
    ${state === "insecure" || state === "absent" || state === "denied"
      ? html`<${Banner} tone="info">${t(why[state])}<//>`
      : html`<${Switch} label=${t("notify.switch")} hint=${t("notify.hint")} checked=${on} onChange=${choose} />`}
  </section>`;
}
