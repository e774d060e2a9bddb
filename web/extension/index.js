/** The tab of ComfyUI's own page: the way to the phone app, what runs, and which models are missing. */
import { app } from "/scripts/app.js";

/** Between two looks at the tasks while something runs, with the tab open and closed, and while nothing does. */
const POLL_MS = { open: 1500, closed: 5000, idle: 6000 };
/** What happens at once is one thing to look at. */
const SOON_MS = 200;
const UNFINISHED = "queued,running,canceling";
/** How many lines of unfinished and of finished tasks are shown. */
const LINES = { unfinished: 6, finished: 5 };
const TAB = "backplane";

/** @typedef {{address: HTMLElement, tasks: HTMLElement, missing: HTMLElement}} View */

const language = () => String(app.extensionManager?.setting?.get("Comfy.Locale") ?? navigator.language).startsWith("zh") ? "zh" : "en";
const read = async (/** @type {string} */ name) => (await fetch(new URL(`./locales/${name}.json`, import.meta.url))).json();
/** The page changes its language without a reload. @type {{en: Record<string, string>, zh: Record<string, string>} | null} */
const texts = await Promise.all([read("en"), read("zh")]).then(([en, zh]) => ({ en, zh }), () => null);

/** @param {string} key @param {Record<string, string | number>} [values] */
const t = (key, values = {}) => (texts?.[language()][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

/**
 * An element with attributes (functions: listeners) and children; texts are never read as markup.
 * @param {string} tag @param {Record<string, string | ((event: Event) => unknown)>} [attributes] @param {(Node | string | null)[]} children
 */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const soft = (/** @type {string} */ text) => el("p", { "data-soft": "" }, text);

/** Asks Backplane. Throws Error with words for people. @param {string} path @param {object} [body] */
async function ask(path, body) {
  const sent = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await app.api.fetchApi(path, { cache: "no-cache", ...sent }).catch(() => null);
  const told = await answer?.json().catch(() => null);
  if (answer?.ok && told) return told;
  lost ||= !told?.error; // all that is shown may be wrong, until the server is there again
  if (!answer) throw new Error(t("offline"));
  // Whatever is there instead of Backplane, such as a ComfyUI that could not load it, answers in another form.
  throw new Error([told?.error?.message ?? t("no_backplane"), told?.error?.hint].filter(Boolean).join(" "));
}

/** @param {string} severity @param {string} summary @param {string} [detail] */
const toast = (severity, summary, detail) => app.extensionManager.toast.add({ severity, summary, detail, life: 6000 });

/** What a button does: disabled meanwhile, and a failure is told. @param {() => Promise<unknown>} work */
function doing(work) {
  /** @param {Event} [event] */
  return async (event) => {
    const button = event?.currentTarget instanceof HTMLButtonElement ? event.currentTarget : null;
    if (button) button.disabled = true;
    try {
      await work();
    } catch (error) {
      toast("error", t("failed"), error instanceof Error ? error.message : String(error));
    }
    if (button) button.disabled = false;
  };
}

const sizeOf = (/** @type {number} */ bytes) => new Intl.NumberFormat(language(), { style: "unit", maximumFractionDigits: 1,
  unit: bytes < 1e9 ? "megabyte" : "gigabyte" }).format(bytes / (bytes < 1e9 ? 1e6 : 1e9));

/** Where the tab is shown: the page may render it again without a destroy, or twice. @type {Map<HTMLElement, View>} */
const views = new Map();

/** Fills one part of the tab wherever it is shown; what fails is said there. @param {keyof View} part @param {(place: HTMLElement) => Promise<void>} fill */
async function fillAll(part, fill) {
  const places = [...views.values()].map((view) => view[part]);
  await Promise.all(places.map((place) => fill(place).catch((error) => place.replaceChildren(soft(error.message)))));
}

// The address

/** Which workflow is open in the page. */
const openPath = () => app.extensionManager.workflow?.activeWorkflow?.path ?? "";

/** What was sent last: the code leads to it while the workflow that it was made of is open. @type {{id: string, name: string, path: string} | null} */
let sent = null;

async function sendWorkflow() {
  const path = openPath();
  const { workflow, output } = await app.graphToPrompt();
  if (!Object.keys(output).length) return toast("warn", t("empty_workflow"));
  // Of a class that is not installed the page knows no inputs: the form in which it saves has all of them.
  const whole = Object.values(output).every((node) => node.class_type);
  const name = app.extensionManager.workflow?.activeWorkflow?.filename || t("untitled");
  const { id } = await ask("/ext/workflow/sessions", { workflow: whole ? output : workflow, label: name.slice(0, 200), metadata: { from: "desktop" } });
  sent = { id, name, path };
  toast("success", t("sent"), t("sent_detail", { name }));
  await fillAll("address", showAddress);
}

/** @param {string} url */
async function qrPicture(url) {
  const { qr } = await import(app.api.apiURL("/ext/app/core/qr.js"));
  /** @type {boolean[][]} */
  const rows = qr(url);
  const side = rows.length + 8; // the quiet zone is four modules wide
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ""))).join("");
  const holder = document.createElement("template");
  holder.innerHTML = `<svg viewBox="0 0 ${side} ${side}" role="img" shape-rendering="crispEdges">`
    + `<rect width="${side}" height="${side}" fill="#fff"/><path d="${path}" fill="#000"/></svg>`;
  const picture = /** @type {SVGElement} */ (holder.content.firstChild);
  picture.setAttribute("aria-label", t("qr_label", { url }));
  return picture;
}

/** Where a phone finds the app: the address in use, if it is none of this computer's alone, then the server's own. @param {HTMLElement} place */
async function showAddress(place) {
  const told = await ask("/ext/addresses");
  const here = new URL(app.api.apiURL("/ext/app/"), location.href);
  const local = /^(localhost$|127\.|\[::1\])/.test(here.hostname);
  /** @type {string[]} */
  const urls = [...new Set([...(local ? [] : [here.href]), ...told.items.map((/** @type {{url: string}} */ item) => item.url)])];
  const shared = sent?.path === openPath() ? sent : null;
  const hash = shared ? `#/flow?session=${encodeURIComponent(shared.id)}` : "";
  const open = el("a", { href: here.href + hash, target: "_blank", "data-button": "" }, t("open_here"));
  if (!urls.length) return place.replaceChildren(el("p", { "data-tone": "warn", role: "note" }, t("only_here")), open);
  const picture = el("div", { class: "code" });
  const show = async (/** @type {string} */ url) => picture.replaceChildren(await qrPicture(url + hash), el("code", {}, url));
  const choice = el("select", { "aria-label": t("address"), change: doing(() => show(/** @type {HTMLSelectElement} */ (choice).value)) },
    ...urls.map((url) => el("option", { value: url }, new URL(url).host)));
  await show(urls[0]);
  place.replaceChildren(soft(shared ? t("scan_sent", { name: shared.name }) : t("scan")), picture, ...(urls.length > 1 ? [choice] : []), open);
}

// Models

/** @param {HTMLElement} place */
async function showMissing(place) {
  const { workflow } = await app.graphToPrompt();
  /** @type {{models: any[]}} */
  const { models } = workflow.nodes?.length ? await ask("/ext/workflow/requirements", { workflow }) : { models: [] };
  const lacking = models.filter((model) => model.needed && (model.status === "missing" || model.status === "elsewhere"));
  place.replaceChildren(lacking.length ? el("ul", {}, ...lacking.map(modelLine)) : soft(t("nothing_missing")));
}

/** @param {any} model */
function modelLine({ name, folder, status, here, sources: [source] }) {
  const parts = name.split(/[\\/]/);
  const fetchIt = doing(async () => {
    await ask("/ext/models/download", { url: source.url, filename: parts.at(-1), type: folder ?? source.folder,
      ...(parts.length > 1 && { target_dir: parts.slice(0, -1).join("/") }), ...(source.sha256 && { sha256: source.sha256 }) });
    toast("success", t("download_started"), name);
    wake();
  });
  const why = status === "elsewhere" ? t("elsewhere", { place: [here?.folder, here?.name].filter(Boolean).join("/") })
    : source ? folder ?? source.folder ?? "" : t("no_source");
  const button = status === "missing" && source
    && el("button", { click: fetchIt }, source.size ? t("download_size", { size: sizeOf(source.size) }) : t("download"));
  return el("li", { "data-kind": "model" }, el("span", {}, name, el("small", {}, why)), button || null);
}

const checkModels = () => fillAll("missing", showMissing);

// Tasks

/** A line of the list: a picture of what came of it, what it is, how far it is. @param {any} task */
function taskLine(task) {
  const file = task.download;
  const picture = task.outputs.findLast((/** @type {any} */ output) => output.kind === "image" && !output.deleted);
  const title = file ? file.name ?? new URL(file.url).pathname.split("/").pop() : task.metadata?.name ?? task.template?.name ?? t("run");
  const at = task.finished_at && new Date(task.finished_at).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit" });
  const details = [
    t(`status_${file?.phase === "paused" ? "paused" : task.status}`),
    file?.size && task.status === "running" ? `${sizeOf(file.received)} / ${sizeOf(file.size)}` : "",
    file?.speed ? `${sizeOf(file.speed)}/s` : "",
    task.error?.message ?? at,
  ];
  const link = app.api.apiURL(`/ext/app/#/tasks/${encodeURIComponent(task.id)}`);
  return el("li", { "data-state": task.status },
    picture ? el("img", { src: app.api.apiURL(`${picture.url}?width=96`), alt: "", loading: "lazy" })
      : el("i", { class: `pi ${file ? "pi-download" : "pi-image"}`, "aria-hidden": "true" }),
    el("span", {}, el("a", { href: link, target: "_blank" }, title), el("small", {}, details.filter(Boolean).join(" · "))),
    task.finished_at ? null : el("progress", { max: "1", value: String(task.progress ?? 0), "aria-label": title }));
}

let shown = "";
let fetching = 0;

/** Looks at the tasks once. @returns {Promise<number>} When to look again, in ms; Infinity: when woken. */
async function look() {
  for (const place of views.keys()) if (!place.isConnected) views.delete(place);
  const { items } = await ask(`/ext/tasks?status=${UNFINISHED}&limit=50`);
  const tab = app.extensionManager.getSidebarTabs?.().find((one) => one.id === TAB);
  if (tab) tab.iconBadge = items.length ? String(items.length) : null; // the page's own object: it watches that one
  busy = items.length > 0;
  if (!views.size) return busy ? POLL_MS.closed : Infinity;
  const ended = await ask(`/ext/tasks?status=succeeded,failed,cancelled&limit=${LINES.finished}`);
  const first = (/** @type {any} */ task) => (task.status === "queued" ? 1 + (task.queue_position ?? 0) : 0);
  items.sort((/** @type {any} */ a, /** @type {any} */ b) => first(a) - first(b));
  const more = items.length - LINES.unfinished;
  if (shown !== (shown = JSON.stringify([items, ended.items, language()])))
    await fillAll("tasks", async (place) => place.replaceChildren(items.length + ended.items.length === 0 ? soft(t("no_tasks")) : el("ul", {},
      ...items.slice(0, LINES.unfinished).map(taskLine), more > 0 ? el("li", { "data-soft": "" }, t("more_tasks", { count: more })) : null,
      ...ended.items.map(taskLine))));
  const before = fetching;
  fetching = items.filter((/** @type {any} */ task) => task.download).length;
  if (fetching < before) void checkModels(); // a file has come
  return busy ? POLL_MS.open : POLL_MS.idle;
}

let due = true;
let busy = false;
let rouse = () => {};
let lost = false;
/** The workflow that was open at the last look. */
let seen = "";

/** Has the tasks looked at soon. */
function wake() {
  due = true;
  rouse();
}

/** Follows the tasks for good; with the tab closed and nothing to do it asks for nothing until the page tells of a change. */
async function follow() {
  for (;;) {
    let wait = views.size ? POLL_MS.idle : Infinity;
    if (!document.hidden && (due || busy || views.size)) {
      due = false;
      try {
        wait = await look();
        const now = openPath();
        if (lost || now !== seen) void Promise.all([fillAll("address", showAddress), checkModels()]);
        [lost, seen] = [false, now];
      } catch (error) {
        [lost, shown] = [true, ""];
        await fillAll("tasks", () => Promise.reject(error));
      }
    }
    await new Promise((resume) => {
      const soon = () => setTimeout(resume, SOON_MS);
      const timer = due ? soon() : wait < Infinity ? setTimeout(resume, wait) : undefined;
      rouse = () => (clearTimeout(timer), soon());
    });
  }
}

/** @param {HTMLElement} place */
function render(place) {
  const [address, tasks, missing] = [el("div", { class: "part" }), el("div", { "aria-live": "off" }), el("div")];
  views.set(place, { address, tasks, missing });
  place.replaceChildren(el("div", { class: "backplane" }, el("link", { rel: "stylesheet", href: new URL("./style.css", import.meta.url).href }),
    address, el("button", { click: doing(sendWorkflow) }, t("send")),
    el("h3", {}, t("tasks")), tasks,
    el("h3", {}, t("missing")), missing, el("button", { click: doing(checkModels) }, t("check"))));
  shown = "";
  seen = openPath();
  void fillAll("address", showAddress);
  void checkModels();
  wake();
}

/** Forgets where the tab is not shown any more; the page takes it away after it has said so. */
const prune = () => setTimeout(() => { for (const place of views.keys()) if (!place.isConnected) views.delete(place); });

// Without its texts the folder is there no longer, though the page still had this file.
if (texts) app.registerExtension({
  name: "backplane.desktop",
  commands: [
    { id: "Backplane.OpenTab", label: t("open_tab"), icon: "pi pi-mobile",
      function: () => app.extensionManager.command.execute(`Workspace.ToggleSidebarTab.${TAB}`) },
    { id: "Backplane.SendWorkflow", label: t("send_command"), icon: "pi pi-send", function: doing(sendWorkflow) },
  ],
  menuCommands: [{ path: ["Extensions", "Backplane"], commands: ["Backplane.OpenTab", "Backplane.SendWorkflow"] }],
  aboutPageBadges: [{ label: "Backplane", url: app.api.apiURL("/ext/docs"), icon: "pi pi-mobile" }],
  setup() {
    app.extensionManager.registerSidebarTab({ id: TAB, icon: "pi pi-mobile", type: "custom",
      title: t("title"), tooltip: t("tooltip"), render, destroy: prune });
    app.api.addEventListener("status", () => wake());
    document.addEventListener("visibilitychange", () => wake());
    void follow();
  },
  afterConfigureGraph: wake,
});
