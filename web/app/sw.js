/**
 * Lets the app start without its server. Only where the context is secure; elsewhere the browser has no workers.
 *
 * It keeps the app's own files, and nothing of the server's: no data, no pictures. The network comes first, so
 * that a reload always shows what the server has; the kept files stand in where it does not answer.
 */

/** The package's version: a new one makes a new cache. A test compares it with pyproject.toml. */
const VERSION = "0.1.0";
const CACHE = `backplane-shell-${VERSION}`;

/** Every file of the app but this one. A test compares the list with the files. */
const SHELL = [
  "./",
  "core/diff.js",
  "core/exact.js",
  "core/fields.js",
  "core/format.js",
  "core/graph.js",
  "core/history.js",
  "core/i18n.js",
  "core/localise.js",
  "core/names.js",
  "core/ops.js",
  "core/ports.js",
  "core/prompts.js",
  "core/qr.js",
  "core/search.js",
  "core/simple.js",
  "core/timeline.js",
  "core/types.js",
  "core/values.js",
  "icons/icon-180.png",
  "icons/icon-192.png",
  "icons/icon-512.png",
  "icons/icon.svg",
  "icons/maskable-512.png",
  "io/api.js",
  "io/db.js",
  "io/home.js",
  "io/idle.js",
  "io/pwa.js",
  "io/sse.js",
  "io/store.js",
  "io/store/arrivals.js",
  "io/store/boot.js",
  "io/store/catalog.js",
  "io/store/checks.js",
  "io/store/client.js",
  "io/store/draft.js",
  "io/store/edits.js",
  "io/store/feel.js",
  "io/store/fold.js",
  "io/store/names.js",
  "io/store/past.js",
  "io/store/presets.js",
  "io/store/route.js",
  "io/store/run.js",
  "io/store/settings.js",
  "io/store/state.js",
  "io/store/tabs.js",
  "io/store/tasks.js",
  "io/store/toasts.js",
  "io/stream.js",
  "locales/en.json",
  "locales/zh.json",
  "main.js",
  "manifest.webmanifest",
  "screens/flow.js",
  "screens/flow/add.js",
  "screens/flow/after.js",
  "screens/flow/board.js",
  "screens/flow/cards.js",
  "screens/flow/change.js",
  "screens/flow/choices.js",
  "screens/flow/connect.js",
  "screens/flow/empty.js",
  "screens/flow/live.js",
  "screens/flow/menu.js",
  "screens/flow/missing.js",
  "screens/flow/nodecard.js",
  "screens/flow/pick.js",
  "screens/flow/plan.js",
  "screens/flow/preview.js",
  "screens/flow/problems.js",
  "screens/flow/simpleview.js",
  "screens/flow/state.js",
  "screens/flow/suggest.js",
  "screens/gallery.js",
  "screens/gallery/actions.js",
  "screens/gallery/compare.js",
  "screens/gallery/export.js",
  "screens/gallery/facts.js",
  "screens/gallery/filters.js",
  "screens/gallery/gestures.js",
  "screens/gallery/grid.js",
  "screens/gallery/items.js",
  "screens/gallery/layout.js",
  "screens/gallery/media.js",
  "screens/gallery/shelf.js",
  "screens/gallery/tile.js",
  "screens/gallery/turns.js",
  "screens/gallery/viewer.js",
  "screens/gallery/words.js",
  "screens/gallery/zoom.js",
  "screens/library.js",
  "screens/library/drafts.js",
  "screens/library/form.js",
  "screens/library/keep.js",
  "screens/library/open.js",
  "screens/library/rows.js",
  "screens/library/state.js",
  "screens/library/template.js",
  "screens/models.js",
  "screens/models/details.js",
  "screens/models/missing.js",
  "screens/models/needs.js",
  "screens/models/paste.js",
  "screens/models/problem.js",
  "screens/models/progress.js",
  "screens/models/state.js",
  "screens/settings.js",
  "screens/settings/about.js",
  "screens/settings/facts.js",
  "screens/settings/install.js",
  "screens/settings/notify.js",
  "screens/settings/storage.js",
  "screens/tasks.js",
  "screens/tasks/acts.js",
  "screens/tasks/changes.js",
  "screens/tasks/detail.js",
  "screens/tasks/download.js",
  "screens/tasks/hooks.js",
  "screens/tasks/live.js",
  "screens/tasks/logs.js",
  "screens/tasks/order.js",
  "screens/tasks/origin.js",
  "screens/tasks/queued.js",
  "screens/tasks/recent.js",
  "screens/tasks/words.js",
  "styles/app.css",
  "styles/cards.css",
  "styles/components.css",
  "styles/fields.css",
  "styles/screens/flow.css",
  "styles/screens/gallery.css",
  "styles/screens/library.css",
  "styles/screens/models.css",
  "styles/screens/settings.css",
  "styles/screens/tasks.css",
  "styles/sheets.css",
  "styles/shell.css",
  "ui/about.js",
  "ui/answer.js",
  "ui/basics.js",
  "ui/card.js",
  "ui/colorfield.js",
  "ui/copy.js",
  "ui/field.js",
  "ui/findings.js",
  "ui/gantt.js",
  "ui/icons.js",
  "ui/imagefield.js",
  "ui/memo.js",
  "ui/modelpicker.js",
  "ui/numberfield.js",
  "ui/picker.js",
  "ui/place.js",
  "ui/presets.js",
  "ui/sheet.js",
  "ui/shell.js",
  "ui/tabicon.js",
  "ui/texteditor.js",
  "ui/textfield.js",
  "ui/thumb.js",
  "ui/titles.js",
  "ui/toast.js",
  "ui/typing.js",
  "vendor/preact.js",
];

/** A server that is there answers with its page well within this; a phone without signal never does. */
const PATIENCE_MS = 4000;
/** A page that came from the server gets its files from there, too: two versions in one page would break it. */
const FILE_PATIENCE_MS = 20_000;

const worker = /** @type {any} */ (self);
const scope = new URL("./", worker.location.href);
const shell = new Set(SHELL.map((path) => new URL(path, scope).href));

/** Pages that were begun with kept files: they go on with those, without waiting for a server at each. @type {Set<string>} */
const begunKept = new Set();
/** @type {Promise<void> | null} */
let filling = null;

worker.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil(fill());
});

/** Takes all files or none: what is kept is always of one version. Past the browser's own cache, for the same reason. */
async function fill() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.map((path) => new Request(new URL(path, scope), { cache: "reload" })));
}

worker.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil(clear());
});

async function clear() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("backplane-shell-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
}

// Only when the user taps "Update": a page must not lose its files to another version under its hands.
worker.addEventListener("message", (/** @type {MessageEvent} */ event) => {
  if (event.data?.type === "skipWaiting") worker.skipWaiting();
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const asked = new URL(request.url);
  asked.search = "";
  asked.hash = "";
  // The page names its files below @RELEASE/; here they are kept without it.
  if (asked.href.startsWith(scope.href)) asked.href = scope.href + asked.href.slice(scope.href.length).replace(/^@\w+\//, "");
  if (asked.href === new URL("index.html", scope).href) asked.href = scope.href;
  if (shell.has(asked.href)) event.respondWith(answer(event, asked.href));
});

/**
 * @param {any} event
 * @param {string} name
 * @returns {Promise<Response>}
 */
async function answer(event, name) {
  const { request } = event;
  const page = request.mode === "navigate";
  const kept = await (await caches.open(CACHE)).match(name);
  if (kept && !page && begunKept.has(event.clientId)) return kept;
  const fetched = fetch(request);
  // Without this, a refusal that comes after the kept file was given would count as unhandled.
  const tried = fetched.catch(() => null);
  const late = new Promise((done) => setTimeout(() => done(null), page ? PATIENCE_MS : FILE_PATIENCE_MS));
  const first = await Promise.race([tried, late]);
  if (first && first.status < 500) {
    if (kept && differs(first, kept)) event.waitUntil(refill());
    return first;
  }
  if (page && kept) begunKept.add(event.resultingClientId);
  return kept ?? first ?? fetched;
}

/** Whether the server has another file now, without a new version: a copy that follows the source. @param {Response} now @param {Response} kept */
function differs(now, kept) {
  const tag = now.headers.get("ETag");
  return now.status === 200 && tag !== null && tag !== kept.headers.get("ETag");
}

/** Keeps what the server has now; where that is another version's list of files, its own worker does. */
function refill() {
  filling ??= fill()
    .catch(() => {})
    .finally(() => {
      filling = null;
    });
  return filling;
}
