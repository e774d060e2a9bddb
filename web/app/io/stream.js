/**
 * Follows `/ext/events` for as long as the app is open: over lost connections, a phone that slept, and proxies
 * that let no stream through (then tasks are polled).
 */
import { ApiError, api, errorOf, headers, url } from "./api.js";
import { reader } from "./sse.js";

/** @typedef {{name: string, data: any, id: string | null}} StreamEvent */
/** @typedef {"connecting" | "open" | "polling" | "lost"} StreamState */

/** The server says something every 15 s; silence of this length is a dead connection. */
const SILENCE_MS = 40_000;
/** After waking up, a connection that was silent for longer is not trusted. */
const DOUBT_MS = 16_000;
/** A stream that opens and says nothing so long is held back by a proxy: `state` comes at once. */
const FIRST_MS = 8_000;
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15_000];
const POLL_MS = 2500;
/** Between polls of a server that does not answer. */
const POLL_LOST_MS = 10_000;
/** The server's limit of `ids`. */
const MOST_IDS = 200;
/** Streams that failed one after another before tasks are polled. */
const FAILURES = 2;

/**
 * @param {(event: StreamEvent) => void} onEvent Events as the server names them; `polled` with a list of tasks, and `queue.changed`, when polling.
 * @param {(state: StreamState) => void} onState `open` is said each time that a stream begins anew.
 * @param {{ids?: () => string[]}} [options] *ids*: the tasks to poll where streams fail.
 * @returns {() => void} Ends it.
 */
export function follow(onEvent, onState, { ids = () => [] } = {}) {
  let stopped = false;
  let failures = 0;
  /** @type {string | null} */
  let last = null;
  let heard = 0;
  /** @type {AbortController | null} */
  let stream = null;
  /** @type {(() => void) | null} */
  let wake = null;
  /** The pause that comes next is left out. */
  let woken = false;
  let polling = false;

  async function once() {
    const stop = new AbortController();
    stream = stop;
    let first = true;
    heard = Date.now();
    const watch = setInterval(() => {
      if (Date.now() - heard > (first ? FIRST_MS : SILENCE_MS)) stop.abort();
    }, 1000);
    try {
      const response = await fetch(url("/ext/events"), {
        headers: headers({ Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) }),
        cache: "no-store",
        credentials: "same-origin",
        signal: stop.signal,
      });
      if (!response.ok || !response.body) throw await errorOf(response);
      const feed = reader((event) => {
        if (event.id !== null) last = event.id;
        onEvent({ name: event.name, data: parsed(event.data), id: event.id });
      });
      const bytes = response.body.getReader();
      const decoder = new TextDecoder();
      // Who resumes gets no `state`, maybe nothing for a while: the headers are the sign then.
      if (last) opened();
      for (;;) {
        const { done, value } = await bytes.read();
        if (done) break;
        heard = Date.now();
        if (first && !last) opened();
        first = false;
        feed(decoder.decode(value, { stream: true }));
      }
    } finally {
      clearInterval(watch);
      stream = null;
    }

    function opened() {
      failures = 0;
      first = false;
      polling = false;
      onState("open");
    }
  }

  /** @param {number} ms */
  function sleep(ms) {
    return new Promise((done) => {
      const timer = setTimeout(finish, woken ? 0 : ms);
      woken = false;
      function finish() {
        clearTimeout(timer);
        wake = null;
        done(undefined);
      }
      wake = finish;
    });
  }

  /** @returns {Promise<boolean>} Whether the server answered. */
  async function poll() {
    const wanted = ids().slice(0, MOST_IDS);
    try {
      const [list, queue] = await Promise.all([
        wanted.length ? api.get(`/ext/tasks?ids=${wanted.map(encodeURIComponent).join(",")}`) : api.get("/ext/tasks?limit=20"),
        api.get("/ext/queue"),
      ]);
      if (stopped || !polling) return true;
      onState("polling");
      onEvent({ name: "polled", data: { items: list.items, asked: wanted }, id: null });
      onEvent({ name: "queue.changed", data: queue, id: null });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!stopped && polling) onState("lost");
      return false;
    }
  }

  async function keepPolling() {
    if (polling) return;
    polling = true;
    while (polling && !stopped) {
      const answered = hidden() || offline() || (await poll());
      await new Promise((done) => setTimeout(done, answered ? POLL_MS : POLL_LOST_MS));
    }
  }

  async function keepOpen() {
    onState("connecting");
    while (!stopped) {
      try {
        await once();
      } catch (error) {
        if (stopped) return;
        // A refusal, such as a key that is wanted, is the server's answer and no lost connection.
        if (error instanceof ApiError && error.code !== "OFFLINE") console.info("events:", error.message);
      }
      if (stopped) return;
      failures += 1;
      if (!polling) onState("lost");
      if (failures >= FAILURES) void keepPolling();
      // Without any network the browser says when there is one again.
      const pause = offline() ? 30_000 : PAUSES_MS[Math.min(failures - 1, PAUSES_MS.length - 1)];
      await sleep(pause * (0.75 + Math.random() / 2));
    }
  }

  function look() {
    if (hidden()) return;
    if (stream && Date.now() - heard > DOUBT_MS) stream.abort();
    if (wake) wake();
    else woken = stream?.signal.aborted ?? false;
  }

  const target = typeof window === "undefined" ? null : window;
  target?.addEventListener("online", look);
  target?.addEventListener("pageshow", look);
  globalThis.document?.addEventListener("visibilitychange", look);
  void keepOpen();
  return () => {
    stopped = true;
    polling = false;
    target?.removeEventListener("online", look);
    target?.removeEventListener("pageshow", look);
    globalThis.document?.removeEventListener("visibilitychange", look);
    stream?.abort();
    wake?.();
  };
}

const offline = () => globalThis.navigator?.onLine === false;
const hidden = () => globalThis.document?.visibilityState === "hidden";

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
