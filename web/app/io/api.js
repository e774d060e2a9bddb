/**
 * Requests to the server this page came from, and to no other.
 *
 * Whatever goes wrong is an ApiError with the server's code. Where no answer came, the code is `OFFLINE` if the
 * server answers nothing else either, and else `CONNECTION_LOST`: that one request may or may not have arrived.
 */
import { parseExact } from "../core/exact.js";
import { home } from "./home.js";

/** Before a connection that broke is tried again. */
const AGAIN_MS = 300;
/** A server that is there says so within this, also when it is busy. */
const DOUBT_MS = 10_000;
/** Questions that are asked by POST for their length: asked twice, they change nothing. */
const QUESTIONS = /\/ext\/(workflow\/(validate|patch|convert|requirements)|models\/resolve|templates\/propose)(\?|$)/;

/** What a server behind a proxy does not answer itself. */
const GATEWAY = new Set([502, 503, 504]);

/** Where `/ext` begins: "" or a prefix such as "/api" or "/comfy". The app's own address tells. */
let root = home.protocol.startsWith("http") ? new URL("../..", home).pathname.replace(/\/$/, "") : "";

let apiKey = "";
let skewMs = 0;
/** @type {(reached: boolean) => void} */
let tellReach = () => {};

/** @param {{root?: string, key?: string, onReach?: (reached: boolean) => void}} part */
export function configure(part) {
  if (part.root !== undefined) root = part.root;
  if (part.key !== undefined) apiKey = part.key;
  if (part.onReach) tellReach = part.onReach;
}

export const base = () => root;

/** The server's time as far as its answers tell; phones' clocks go wrong. */
export const serverNow = () => Date.now() + skewMs;

export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{hint?: string | null, details?: Record<string, any> | null, status?: number, retryAfter?: number | null}} [more]
   */
  constructor(code, message, { hint = null, details = null, status = 0, retryAfter = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.hint = hint;
    /** @type {Record<string, any>} */
    this.details = details ?? {};
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** An id that needs no secure context, unlike `crypto.randomUUID`. @param {number} [bytes] */
export function randomId(bytes = 12) {
  const drawn = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(drawn, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} path From the server's root, such as `/ext/tasks`, or a whole address of another. */
export function url(path) {
  return path.startsWith("/") ? root + path : path;
}

/** @param {Record<string, string>} [more] @returns {Record<string, string>} */
export function headers(more = {}) {
  return apiKey ? { Authorization: `Bearer ${apiKey}`, ...more } : { ...more };
}

/** @param {Response} response */
function noteClock(response) {
  const at = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(at)) return;
  // The header has whole seconds; less than two of difference are noise.
  const skew = at + 500 - Date.now();
  skewMs = Math.abs(skew) < 2000 ? 0 : skew;
}

/** @param {Response} response @returns {Promise<ApiError>} */
export async function errorOf(response) {
  const status = response.status;
  const after = Number(response.headers.get("Retry-After"));
  const retryAfter = Number.isFinite(after) && after > 0 ? after : null;
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text);
    if (typeof error?.code === "string") {
      return new ApiError(error.code, error.message, { hint: error.hint, details: error.details, status, retryAfter });
    }
    // ComfyUI's own routes: {"error": {"type", "message"}} or {"error": "text"}.
    if (error) return new ApiError("HTTP_ERROR", String(error.message ?? error), { status, retryAfter });
  } catch {
    // Not JSON: a proxy's page, or ComfyUI's plain text.
  }
  if (GATEWAY.has(status)) return new ApiError("OFFLINE", `The server does not answer (${status}).`, { status, retryAfter });
  const short = text.trim().startsWith("<") ? "" : text.trim().slice(0, 200);
  return new ApiError("HTTP_ERROR", short || `${status} ${response.statusText}`.trim(), { status, retryAfter });
}

/** @type {Promise<boolean> | null} */
let doubt = null;

/**
 * Whether the server does not answer at all. One connection that broke says little: phones change networks,
 * servers close idle connections, a busy browser runs out of them. All who doubt at once ask once.
 * @returns {Promise<boolean>}
 */
function gone() {
  doubt ??= probe().finally(() => {
    doubt = null;
  });
  return doubt;
}

/** Asks whether the server is there, and tells. Also a phone that lost its signal hears of it so: its requests hang for minutes. */
export async function check() {
  tellReach(!(await gone()));
}

/** @returns {Promise<boolean>} */
async function probe() {
  if (globalThis.navigator?.onLine === false) return true;
  await new Promise((done) => setTimeout(done, AGAIN_MS));
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), DOUBT_MS);
  try {
    const response = await fetch(url("/ext/live"), { cache: "no-store", credentials: "same-origin", headers: headers(), signal: stop.signal });
    return GATEWAY.has(response.status);
  } catch {
    return true;
  } finally {
    clearTimeout(timer);
  }
}

/** @param {unknown} error What the browser said. @returns {Promise<ApiError>} What is told of a request without an answer. */
async function lost(error) {
  const away = await gone();
  tellReach(!away);
  const details = { reason: String(error) };
  return away
    ? new ApiError("OFFLINE", "The server cannot be reached.", { details })
    : new ApiError("CONNECTION_LOST", "The connection broke before the answer was here.", { details });
}

/** Whether a request may be sent twice. @param {string} path @param {RequestInit} init */
const repeatable = (path, init) => (init.method ?? "GET") === "GET" || new Headers(init.headers).has("Idempotency-Key") || QUESTIONS.test(path);

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<Response>} Any status.
 */
async function reach(path, init) {
  const wanted = () => fetch(url(path), { cache: "no-store", credentials: "same-origin", ...init });
  /** @type {Response} */
  let response;
  try {
    response = await wanted();
  } catch (first) {
    if (init.signal?.aborted) throw first;
    const error = await lost(first);
    init.signal?.throwIfAborted();
    if (error.code === "OFFLINE" || !repeatable(path, init)) throw error;
    try {
      response = await wanted();
    } catch (second) {
      if (init.signal?.aborted) throw second;
      throw error;
    }
  }
  noteClock(response);
  return response;
}

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<Response>} A good one, or 304.
 */
async function send(path, init) {
  const response = await reach(path, init);
  if (response.ok || response.status === 304) {
    tellReach(true);
    return response;
  }
  const error = await errorOf(response);
  tellReach(error.code !== "OFFLINE");
  throw error;
}

/** @param {Response} response @returns {Promise<any>} */
async function bodyOf(response) {
  if (response.status === 204 || response.status === 304) return null;
  try {
    const text = await response.text();
    // Seeds go beyond what numbers hold; the catalogue has no seeds, but limits, and those are compared as numbers.
    return response.url.includes("/ext/catalog") ? JSON.parse(text) : parseExact(text);
  } catch (error) {
    // Who asked does not want it any more; that says nothing about the server.
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    if (error instanceof SyntaxError) throw new ApiError("BAD_ANSWER", "The answer is not JSON.", { status: response.status });
    // The connection broke in the middle of the body.
    throw await lost(error);
  }
}

/** @typedef {{key?: string, signal?: AbortSignal, headers?: Record<string, string>}} SendOptions */

/** @param {string} method @param {string} path @param {any} body @param {SendOptions} [options] */
async function write(method, path, body, { key, signal, headers: extra } = {}) {
  /** @type {Record<string, string>} */
  const sent = { ...extra };
  if (key) sent["Idempotency-Key"] = key;
  /** @type {BodyInit | undefined} */
  let payload;
  if (body instanceof Blob || body instanceof FormData || body instanceof ArrayBuffer) {
    payload = body;
    if (body instanceof Blob) sent["Content-Type"] ??= body.type || "application/octet-stream";
  } else if (body !== undefined) {
    payload = JSON.stringify(body);
    sent["Content-Type"] = "application/json";
  }
  return bodyOf(await send(path, { method, body: payload, headers: headers(sent), signal }));
}

/** @param {string} path @param {{signal?: AbortSignal}} [options] @returns {Promise<any>} */
async function get(path, { signal } = {}) {
  return bodyOf(await send(path, { headers: headers(), signal }));
}

/**
 * Reads what has an ETag.
 * @param {string} path
 * @param {string | null} etag Of what is here already.
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<{body: any, etag: string | null} | null>} Null if it did not change.
 */
async function fresh(path, etag, { signal } = {}) {
  const response = await send(path, { headers: headers(etag ? { "If-None-Match": etag } : {}), signal });
  if (response.status === 304) return null;
  return { body: await bodyOf(response), etag: response.headers.get("ETag") };
}

/**
 * Puts a file into ComfyUI's input folder.
 * @param {Blob & {name?: string}} file
 * @param {{subfolder?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<string>} The name for a param: `sub/name.png`.
 */
async function upload(file, { subfolder = "", signal } = {}) {
  const form = new FormData();
  form.append("image", file, file.name || "upload.png");
  if (subfolder) form.append("subfolder", subfolder);
  const answer = await write("POST", "/upload/image", form, { signal });
  return answer.subfolder ? `${answer.subfolder}/${answer.name}` : answer.name;
}

export const api = {
  get,
  fresh,
  upload,
  url,
  /** @param {string} path @param {any} [body] @param {SendOptions} [options] @returns {Promise<any>} */
  post: (path, body, options) => write("POST", path, body, options),
  /** @param {string} path @param {any} [body] @param {SendOptions} [options] @returns {Promise<any>} */
  put: (path, body, options) => write("PUT", path, body, options),
  /** @param {string} path @param {any} [body] @param {SendOptions} [options] @returns {Promise<any>} */
  patch: (path, body, options) => write("PATCH", path, body, options),
  /** @param {string} path @param {SendOptions} [options] @returns {Promise<any>} */
  del: (path, options) => write("DELETE", path, undefined, options),
};
