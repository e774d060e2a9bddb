/** Short messages at the edge of the screen. */
import { signal } from "../../vendor/preact.js";
import { hasText, t } from "./settings.js";
import { ApiError } from "../api.js";

/**
 * @typedef {object} Toast
 * @property {number} id
 * @property {string} [key] Of its text.
 * @property {string} [text] Or the text itself, such as a server's message.
 * @property {Record<string, any>} [params]
 * @property {{key: string, run: () => void}} [action]
 * @property {"info" | "good" | "warn" | "bad"} tone
 */

const PLAIN_MS = 5000;
/** Long enough to read and then reach for the button (WCAG 2.2.1: it can be held, too). */
const ACTION_MS = 8000;

/** @type {import("../../vendor/preact.js").Signal<Toast[]>} */
export const toasts = signal([]);

/** @type {Map<number, ReturnType<typeof setTimeout>>} */
const timers = new Map();
let next = 1;

/** @param {Toast} one */
function arm(one) {
  timers.set(
    one.id,
    setTimeout(() => dismiss(one.id), one.action ? ACTION_MS : PLAIN_MS),
  );
}

/**
 * @param {{key?: string, text?: string, params?: Record<string, any>, action?: Toast["action"], tone?: Toast["tone"]}} body
 * @returns {number} For `dismiss`.
 */
export function toast({ tone = "info", ...body }) {
  const one = { id: next++, tone, ...body };
  // The same words twice say no more: the new one takes the old one's place.
  const others = toasts.value.filter((old) => old.key !== one.key || old.text !== one.text);
  for (const old of toasts.value) if (!others.includes(old)) stop(old.id);
  toasts.value = [...others, one].slice(-3);
  arm(one);
  return one.id;
}

/** @param {number} id */
function stop(id) {
  clearTimeout(timers.get(id));
  timers.delete(id);
}

/** @param {number} id */
export function dismiss(id) {
  stop(id);
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

/** Keeps a toast while it is touched, hovered or focused; letting go starts its time anew. @param {number} id @param {boolean} on */
export function holdToast(id, on) {
  stop(id);
  const one = toasts.value.find((each) => each.id === id);
  if (one && !on) arm(one);
}

/** @typedef {{title: string, hint: string | null, code: string}} Told */

/**
 * What happened and what to do, in the user's language where the code is a common one, else as the server says it.
 * @param {unknown} error
 * @returns {Told}
 */
export function told(error) {
  if (error instanceof ApiError || isCoded(error)) {
    const key = `error.${error.code}`;
    const details = "details" in error && error.details ? error.details : {};
    const title = hasText(key) ? t(key, { message: error.message, ...plain(details) }) : error.message;
    const hintKey = `${key}.hint`;
    const hint = hasText(hintKey) ? t(hintKey) : "hint" in error && error.hint ? String(error.hint) : null;
    return { title, hint, code: error.code };
  }
  return { title: t("error.UNEXPECTED"), hint: error instanceof Error ? error.message : String(error), code: "UNEXPECTED" };
}

/** @param {unknown} error @returns {error is {code: string, message: string, hint?: string | null, details?: Record<string, any>}} */
function isCoded(error) {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" && "message" in error;
}

/** @param {Record<string, any>} details Only what can stand in a sentence. */
function plain(details) {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => typeof value === "string" || typeof value === "number"));
}

/** Tells of an error; gives it back for who wants to look. @param {unknown} error */
export function toastError(error) {
  const { title, hint } = told(error);
  return toast({ text: hint ? `${title} ${hint}` : title, tone: "bad" });
}
