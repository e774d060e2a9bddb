/**
 * Where the user is: `#/screen/id?query`, so that the back button and links work.
 *
 * What lies over a screen, such as a sheet, adds an entry to the browser's history with `pushBack`: the back
 * button then closes it. The entries are numbered in `history.state`, which survives a reload.
 */
import { signal } from "../../vendor/preact.js";

/** @typedef {import("../../core/types.js").Route} Route */

const HOME = "flow";

/** @param {string} hash @returns {Route} */
export function parseRoute(hash) {
  const [path, search = ""] = hash.replace(/^#?\/?/, "").split("?");
  const [screen, ...rest] = path.split("/");
  const id = rest.join("/");
  return {
    screen: screen || HOME,
    id: id ? decodeSafe(id) : null,
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/** @param {string} text */
function decodeSafe(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * What another app shared with the installed one, by the manifest's `share_target`. Some put the link into the text.
 * @param {string} search
 * @returns {string | null}
 */
export function sharedLink(search) {
  const given = new URLSearchParams(search);
  const said = ["link", "text", "title"].map((name) => given.get(name) ?? "").join(" ");
  return /https?:\/\/\S+/.exec(said)?.[0] ?? null;
}

/** @type {import("../../vendor/preact.js").Signal<Route>} */
export const route = signal(parseRoute(typeof location === "undefined" ? "" : location.hash));

/** What lies over the screen, the topmost last. @type {{close: () => void}[]} */
const over = [];
/** @type {Promise<void> | null} */
let syncing = null;
/** Called when the browser has done a step back that we asked for. @type {(() => void) | null} */
let stepped = null;

/** How many entries of `pushBack` the present one is. The event's own state may be older than that by now. */
const depth = () => (typeof history.state?.over === "number" ? history.state.over : 0);

/** Makes the browser's history as deep as what lies over the screen. Steps back take their time. @returns {Promise<void>} */
function sync() {
  syncing ??= level().finally(() => {
    syncing = null;
    // Something opened or closed in the very moment that it was done.
    if (depth() !== over.length) return sync();
  });
  return syncing;
}

async function level() {
  // A sheet that closes and one that opens in the same moment: one step takes the place of the other.
  await Promise.resolve();
  while (depth() !== over.length) {
    const at = depth();
    if (at < over.length) {
      for (let next = at + 1; next <= over.length; next += 1) history.pushState({ over: next }, "");
    } else {
      const done = new Promise((resolve) => {
        stepped = () => resolve(undefined);
      });
      history.go(over.length - at);
      await done;
    }
  }
}

function popped() {
  if (stepped) {
    const done = stepped;
    stepped = null;
    done();
    return;
  }
  while (over.length > depth()) over.pop()?.close();
  // Forward into an entry whose sheet is gone would show nothing: step back out of it.
  if (depth() > over.length) void sync();
}

/**
 * Makes the back button call *close*; one entry for each call.
 * @param {() => void} close
 * @returns {() => void} For who closes it by other means: takes the entry away again, without calling *close*.
 */
export function pushBack(close) {
  const entry = { close };
  over.push(entry);
  void sync();
  return () => {
    const place = over.indexOf(entry);
    if (place < 0) return;
    for (const one of over.splice(place).slice(1).reverse()) one.close();
    void sync();
  };
}

/**
 * Goes to a place, such as `/tasks/ID`. What lies over the screen is closed first.
 * @param {string} path
 * @param {{replace?: boolean}} [options] Whether the present place is left out of the history.
 * @returns {Promise<void>}
 */
export async function go(path, { replace = false } = {}) {
  while (over.length) over.pop()?.close();
  await sync();
  const hash = `#/${path.replace(/^#?\/?/, "")}`;
  if (hash === location.hash) return;
  if (replace) history.replaceState(null, "", hash);
  else location.hash = hash;
  route.value = parseRoute(hash);
}

/** Back where the user came from, or to *otherwise* if the app was opened here. @param {string} otherwise */
export function back(otherwise) {
  if (history.length > 1 && over.length === 0) history.back();
  else void go(otherwise, { replace: true });
}

/** Begins to follow the address. @returns {() => void} Ends it. */
export function followRoute() {
  const changed = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("popstate", popped);
  addEventListener("hashchange", changed);
  changed();
  // A reload with a sheet open leaves its entry behind, without the sheet.
  void sync();
  return () => {
    removeEventListener("popstate", popped);
    removeEventListener("hashchange", changed);
  };
}
