/** Starts the app: what is on the device first, then the server. */
import { effect } from "../../vendor/preact.js";
import { check } from "../api.js";
import { follow } from "../stream.js";
import { idle } from "../idle.js";
import { applyUpdate, followInstall, updateReady } from "../pwa.js";
import { arrived } from "./arrivals.js";
import { loadCatalog, loadKept, loadServer, modelsChanged, refreshModels, renamed } from "./catalog.js";
import { loadDrafts, saveNow } from "./draft.js";
import { followFeel } from "./feel.js";
import { followNames } from "./names.js";
import { followRoute, go, route, sharedLink } from "./route.js";
import { followLocale, loadTexts, locale } from "./settings.js";
import { catalogState, draft, lastReached, online, queue, server, stream, tasks } from "./state.js";
import { openSession, queueMoved, reconcile, settle, told, unfinished } from "./tasks.js";
import { toast, toastError } from "./toasts.js";
import "./checks.js";

/** A start that heard nothing so long may be one without a server: the app's files came from the device then. */
const FIRST_MS = 2500;
/** Between two tries to reach a server that did not answer. */
const AGAIN_MS = 4000;

/** @type {Promise<void> | null} */
let started = null;

/** Resolves when the app can be shown: its texts and the draft are here. The server is asked after that. @returns {Promise<void>} */
export function boot() {
  started ??= start();
  return started;
}

async function start() {
  followRoute();
  await Promise.all([loadTexts(locale.value).catch((error) => console.warn(error)), loadDrafts(), loadKept()].map(guarded));
  followLocale();
  followNames(renamed);
  follow(onEvent, onState, { ids: unfinished });
  followInstall();
  followFeel();
  // Who lets it pass finds it in the settings.
  updateReady.subscribe((ready) => ready && toast({ key: "settings.update_ready", action: { key: "settings.update", run: applyUpdate } }));
  // A phone may throw the page away at any time after it is hidden.
  addEventListener("pagehide", () => void saveNow());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") void saveNow();
    else catchUp();
  });
  addEventListener("online", catchUp);
  addEventListener("offline", () => {
    online.value = false;
  });
  askAgain();
  void ask();
  setTimeout(() => lastReached.value === null && void check(), FIRST_MS);
  void openShared();
}

/** What the stream told may be all there is, or not: the device cannot know what it slept through. */
function catchUp() {
  void reconcile().catch(() => {});
  if (!server.value || catalogState.value !== "ready") void ask();
}

/** @param {Promise<unknown>} part */
const guarded = (part) => part.catch((error) => console.warn(error));

let asking = false;

/** Reads what the server is and has. What fails is asked again when the stream opens. */
async function ask() {
  if (asking) return;
  asking = true;
  try {
    // With nothing open the node classes can wait until the screen stands: they are as much as the whole app.
    const classes = draft.value || catalogState.value === "ready" ? loadCatalog() : idle().then(loadCatalog);
    await Promise.allSettled([loadServer(), classes, refreshModels()]);
  } finally {
    asking = false;
  }
}

/** The desktop page's code leads here with a session to open: `#/flow?session=ID`; another app with a link to a model. */
async function openShared() {
  const link = sharedLink(location.search);
  if (link) {
    // Else a reload would ask again.
    globalThis.history.replaceState(null, "", location.pathname);
    await go(`/models?link=${encodeURIComponent(link)}`);
    return;
  }
  const { session } = route.value.query;
  if (!session) return;
  try {
    await openSession(session);
  } catch (error) {
    toastError(error);
  }
  await go("/flow", { replace: true });
}

let opened = 0;

/** @param {import("../stream.js").StreamState} state */
function onState(state) {
  stream.value = state;
  if (state === "open" || state === "polling") online.value = true;
  if (state === "open") {
    opened += 1;
    // Events go on where they stopped, or begin anew after a restart: either way what is open is looked at.
    void reconcile().catch(() => {});
    if (opened > 1 || !server.value) void ask();
  }
  // A stream that broke is not a server that is gone.
  if (state === "lost") void check();
}

/** One request may fail while the stream goes on: then nothing else would ever say that the server is there. */
function askAgain() {
  effect(() => {
    if (online.value) return;
    const timer = setInterval(() => document.visibilityState === "visible" && void check(), AGAIN_MS);
    return () => clearInterval(timer);
  });
}

/** @param {import("../stream.js").StreamEvent} event */
function onEvent({ name, data }) {
  if (!data) return;
  if (name.startsWith("task.") && data.task_id) told(data.task_id, name.slice(5), data);
  else if (name === "polled") settle(data.asked, data.items);
  else if (name === "state") queue.value = { ...queue.value, ...data.queue };
  else if (name === "queue.changed") {
    queue.value = { ...queue.value, ...data };
    queueMoved();
  } else if (name === "output.changed") {
    // Of a task that nobody looks at, nothing is to be shown.
    if (tasks.value.has(data.task_id)) told(data.task_id, "output", data);
  }
  else if (name === "model.changed") modelsChanged();
  else if (name.startsWith("session.")) void arrived(data);
}
