import { h, html, render, signal, useEffect, useRef } from "../vendor/preact.js";
import { dismiss, holdToast, serverNow, t, tasks, toasts } from "../io/store.js";
import { Button, IconButton } from "./basics.js";
import { Icon } from "./icons.js";

/** A task is new to the user if it was made this long ago at most. */
const FRESH_MS = 10_000;

/** What a screen reader says next. */
const said = signal("");

/** Has a screen reader say a text when it is done with what it says now. @param {string} text */
export function announce(text) {
  // The same words again would be no change, and so would not be said again.
  said.value = said.peek() === text ? `${text}\u00a0` : text;
}

/** What a toast says: a text of ours, or the server's own. @param {import("../io/store/toasts.js").Toast} toast */
const words = (toast) => toast.text ?? (toast.key ? t(toast.key, toast.params) : "");

/** @param {{toast: import("../io/store/toasts.js").Toast}} props */
function Toast({ toast }) {
  const { id, tone, action } = toast;
  const hold = () => holdToast(id, true);
  const free = () => holdToast(id, false);
  const icon = tone === "good" ? "check" : tone === "info" ? "info" : "alert";
  return html`<li class="toast" data-tone=${tone} onPointerEnter=${hold} onPointerLeave=${free} onFocusIn=${hold} onFocusOut=${free}>
    <${Icon} name=${icon} />
    <span class="grow">${words(toast)}</span>
    ${action &&
    html`<${Button}
      tone="quiet"
      onClick=${() => {
        dismiss(id);
        action.run();
      }}
    >${t(action.key)}<//>`}
    <${IconButton} icon="close" label=${t("ui.dismiss")} onClick=${() => dismiss(id)} />
  </li>`;
}

/**
 * Messages at the foot of the page; they wait while they are touched or hold the focus.
 * A popover: only so does it lie above a sheet that is open.
 */
function Toasts() {
  const box = useRef(/** @type {any} */ (null));
  const list = toasts.value;
  const last = list.at(-1);
  useEffect(() => {
    if (last) announce(words(last));
    const element = box.current;
    if (!element?.showPopover) return;
    // Hidden and shown again, so that it comes to lie above what was opened since.
    if (element.matches(":popover-open")) element.hidePopover();
    if (list.length) element.showPopover();
  }, [list.length, last?.id]);
  return html`<section ref=${box} class="toasts" popover="manual" aria-label=${t("ui.messages")}>
    <ul>${list.map((toast) => html`<${Toast} key=${toast.id} toast=${toast} />`)}</ul>
  </section>`;
}

/** The one polite live region: how the run stands, a quarter at a time, and what toasts say. */
function Live() {
  const known = useRef(/** @type {Map<string, string>} */ (new Map()));
  const all = tasks.value;
  useEffect(() => {
    for (const task of all.values()) {
      if (task.kind === "download") continue;
      const quarter = task.status === "running" ? Math.floor((task.progress ?? 0) * 4) * 25 : null;
      const now = quarter === null ? task.status : `running ${quarter}`;
      const before = known.current.get(task.id);
      if (before === now) continue;
      known.current.set(task.id, now);
      // What was so when the page was opened is no news.
      const fresh = serverNow() - Date.parse(task.created_at ?? "") < FRESH_MS;
      if (!before && !fresh) continue;
      announce(quarter ? t("live.progress", { percent: quarter }) : t(`live.${task.status}`));
    }
  }, [all]);
  return html`<div class="sr-only" role="status" aria-live="polite">${said.value}</div>`;
}

/** Outside of what the shell draws, for it moves. */
const messages = document.createElement("div");

/** What lies beneath a dialog can neither be pressed nor heard: messages go into the topmost one. */
export function placeMessages() {
  const above = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (messages.parentElement === above) return;
  above.append(messages);
  const toasts = /** @type {any} */ (messages.querySelector(".toasts"));
  if (toasts?.querySelector("li")) toasts.showPopover?.();
}

/** Puts messages and the live region into the page. */
export function showMessages() {
  render([h(Toasts, {}), h(Live, {})], messages);
  placeMessages();
}
