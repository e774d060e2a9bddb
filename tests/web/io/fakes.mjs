/** Stand-ins for what a browser has and Node has not, or must not use here. */

/** @typedef {{method: string, path: string, headers: Headers, body: any, signal?: AbortSignal}} Asked */

/**
 * Puts *answer* in place of fetch. Paths are as the server sees them.
 * @param {(asked: Asked) => any} answer A Response, or what is to be sent as JSON; what it throws is a failed connection.
 * @returns {Asked[]} What was asked.
 */
export function fakeFetch(answer) {
  /** @type {Asked[]} */
  const all = [];
  globalThis.fetch = async (path, init = {}) => {
    const body = typeof init.body === "string" ? JSON.parse(init.body) : init.body;
    const asked = { method: init.method ?? "GET", path: String(path), headers: new Headers(init.headers), body, signal: init.signal ?? undefined };
    all.push(asked);
    const given = await answer(asked);
    if (asked.signal?.aborted) throw new DOMException("aborted", "AbortError");
    return given instanceof Response ? given : Response.json(given);
  };
  return all;
}

/** @param {number} status @param {string} code @param {Record<string, any>} [details] */
export function refusal(status, code, details = {}) {
  return Response.json({ error: { code, message: `It is ${code}.`, hint: "Do this.", details } }, { status });
}

/** A stream of server-sent events that the test writes. @param {AbortSignal} [signal] */
export function eventStream(signal) {
  /** @type {ReadableStreamDefaultController<Uint8Array>} */
  let out;
  const body = new ReadableStream({
    start(controller) {
      out = controller;
    },
  });
  signal?.addEventListener("abort", () => {
    try {
      out.error(new DOMException("aborted", "AbortError"));
    } catch {
      // Ended already.
    }
  });
  const encoder = new TextEncoder();
  return {
    response: new Response(body, { headers: { "Content-Type": "text/event-stream" } }),
    /** @param {string} name @param {any} data @param {string} [id] */
    send: (name, data, id) => out.enqueue(encoder.encode(`${id ? `id: ${id}\n` : ""}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)),
    /** @param {string} text */
    raw: (text) => out.enqueue(encoder.encode(text)),
    end: () => out.close(),
    cut: () => out.error(new TypeError("the connection broke")),
  };
}

/** @param {number} [ms] */
export const pause = (ms = 0) => new Promise((done) => setTimeout(done, ms));

/** Waits until something holds. @param {() => any} holds @param {number} [limit] */
export async function until(holds, limit = 3000) {
  const end = Date.now() + limit;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not in ${limit} ms: ${holds}`);
    await pause(5);
  }
}

/** A window with an address bar and a history, as far as routing looks at them. @param {string} [hash] */
export function fakeWindow(hash = "") {
  const target = new EventTarget();
  let place = 0;
  /** @type {{hash: string, state: any}[]} */
  const stack = [{ hash, state: null }];
  const changed = () => target.dispatchEvent(new Event("hashchange"));
  const location = {
    get hash() {
      return stack[place].hash;
    },
    set hash(to) {
      const wanted = to.startsWith("#") ? to : `#${to}`;
      if (wanted === stack[place].hash) return;
      stack.splice(place + 1, stack.length, { hash: wanted, state: null });
      place += 1;
      setTimeout(() => {
        target.dispatchEvent(Object.assign(new Event("popstate"), { state: null }));
        changed();
      });
    },
  };
  const history = {
    get state() {
      return stack[place].state;
    },
    get length() {
      return stack.length;
    },
    get place() {
      return place;
    },
    /** @param {any} state @param {string} _ @param {string} [to] */
    pushState(state, _, to) {
      stack.splice(place + 1, stack.length, { hash: to ?? stack[place].hash, state });
      place += 1;
    },
    /** @param {any} state @param {string} _ @param {string} [to] */
    replaceState(state, _, to) {
      stack[place] = { hash: to ?? stack[place].hash, state };
    },
    /** @param {number} by */
    go(by) {
      setTimeout(() => {
        const before = stack[place].hash;
        if (place + by < 0 || place + by >= stack.length) return;
        place += by;
        target.dispatchEvent(Object.assign(new Event("popstate"), { state: stack[place].state }));
        if (stack[place].hash !== before) changed();
      });
    },
    back() {
      this.go(-1);
    },
  };
  Object.assign(globalThis, {
    location,
    history,
    addEventListener: target.addEventListener.bind(target),
    removeEventListener: target.removeEventListener.bind(target),
  });
  return { location, history, target };
}

/** @param {Record<string, string>} [kept] */
export function fakeStorage(kept = {}) {
  const items = new Map(Object.entries(kept));
  /** @type {any} */
  const made = {
    getItem: (/** @type {string} */ key) => items.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void items.set(key, value),
    removeItem: (/** @type {string} */ key) => void items.delete(key),
  };
  Object.defineProperty(globalThis, "localStorage", { value: made, configurable: true });
  return items;
}
