/** The tab of ComfyUI's own page: the way to the phone app, what runs, and which models are missing. */
import { app } from "/scripts/app.js";

const POLL_MS = { busy: 1500, idle: 6000 };
const UNFINISHED = new Set(["queued", "running", "canceling"]);

const chosen = app.extensionManager?.setting?.get("Comfy.Locale") ?? navigator.language;
const locale = String(chosen).startsWith("zh") ? "zh" : "en";
const texts = await (await fetch(new URL(`./locales/${locale}.json`, import.meta.url))).json();
const t = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

// QR codes (ISO/IEC 18004): byte mode, error level M, versions 1 to 10.

const CODEWORDS = [26, 44, 70, 100, 134, 172, 196, 242, 292, 346];
const CORRECTION = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26]; // codewords of each block
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5];
const ALIGNMENT = [[], [18], [22], [26], [30], [34], [22, 38], [24, 42], [26, 46], [28, 50]]; // and 6
const MASKS = [
  (x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** Product in GF(256) with the polynomial 0x11d. */
function product(a, b) {
  let result = 0;
  for (let bit = 7; bit >= 0; bit--) result = (result << 1) ^ ((result >> 7) * 0x11d) ^ (((b >> bit) & 1) * a);
  return result;
}

/** Correction codewords of one block (Reed-Solomon). */
function correction(data, degree) {
  let divisor = [1];
  for (let i = 0, root = 1; i < degree; i++, root = product(root, 2)) {
    const next = [...divisor, 0];
    divisor.forEach((factor, at) => (next[at + 1] ^= product(factor, root)));
    divisor = next;
  }
  const rest = [...data, ...new Array(degree).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const factor = rest[i];
    divisor.forEach((part, at) => (rest[i + at] ^= product(part, factor)));
  }
  return rest.slice(data.length);
}

/** All codewords of a text in the order in which they are drawn, and the version they need. */
function codewords(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const room = (v) => CODEWORDS[v] - CORRECTION[v] * BLOCKS[v];
  const version = CODEWORDS.findIndex((_, v) => bytes.length + (v < 9 ? 2 : 3) <= room(v));
  if (version < 0) throw new RangeError("too long for a QR code");
  const counted = version < 9 ? [bytes.length] : [bytes.length >> 8, bytes.length & 255];
  const nibbles = [4, ...[...counted, ...bytes].flatMap((byte) => [byte >> 4, byte & 15]), 0];
  const data = Array.from({ length: nibbles.length / 2 }, (_, i) => (nibbles[2 * i] << 4) | nibbles[2 * i + 1]);
  for (let pad = 0xec; data.length < room(version); pad ^= 0xec ^ 0x11) data.push(pad);
  const short = Math.floor(data.length / BLOCKS[version]);
  const long = data.length % BLOCKS[version];
  const blocks = [];
  for (let i = BLOCKS[version], at = 0; i > 0; i--) blocks.push(data.slice(at, (at += short + (i <= long ? 1 : 0))));
  const checks = blocks.map((block) => correction(block, CORRECTION[version]));
  const woven = (lists) => Array.from({ length: Math.max(...lists.map((list) => list.length)) },
    (_, i) => lists.flatMap((list) => (i < list.length ? [list[i]] : []))).flat();
  return { version: version + 1, words: [...woven(blocks), ...woven(checks)] };
}

/** What makes a symbol hard to read: long runs, blocks, false finders, imbalance. */
function penalty(rows) {
  const size = rows.length;
  const lines = [...rows, ...rows.map((_, x) => rows.map((row) => row[x]))].map((line) => line.map(Number).join(""));
  let points = 0;
  for (const line of lines) {
    points += (line.match(/0{5,}|1{5,}/g) ?? []).reduce((sum, run) => sum + run.length - 2, 0);
    points += 40 * (line.match(/(?=10111010000|00001011101)/g) ?? []).length;
  }
  for (let y = 1; y < size; y++)
    for (let x = 1; x < size; x++)
      if (new Set([rows[y][x], rows[y - 1][x], rows[y][x - 1], rows[y - 1][x - 1]]).size === 1) points += 3;
  const dark = rows.flat().filter(Boolean).length / (size * size);
  return points + 10 * Math.floor(Math.abs(dark - 0.5) * 20);
}

/** Rows of a QR code, true for dark, without the quiet zone. */
export function qr(text) {
  const { version, words } = codewords(text);
  const size = 17 + 4 * version;
  const fixed = Array.from({ length: size }, () => new Array(size).fill(null));
  const set = (x, y, dark) => { if (fixed[y]?.[x] !== undefined) fixed[y][x] = Boolean(dark); };
  for (let i = 8; i < size - 8; i++) { set(i, 6, i % 2 === 0); set(6, i, i % 2 === 0); }
  const square = (cx, cy, radius, light) => {
    for (let y = -radius; y <= radius; y++)
      for (let x = -radius; x <= radius; x++)
        set(cx + x, cy + y, !light.includes(Math.max(Math.abs(x), Math.abs(y))));
  };
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(x, y, 4, [2, 4]);
  const centres = version > 1 ? [6, ...ALIGNMENT[version - 1]] : [];
  for (const x of centres)
    for (const y of centres)
      if (!((x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6))) square(x, y, 2, [1]);
  const remainder = (value, bits, generator) => {
    let rest = value << bits;
    for (let bit = 31; bit >= bits; bit--) if ((rest >>> bit) & 1) rest ^= generator << (bit - bits);
    return rest;
  };
  if (version > 6) {
    const bits = (version << 12) | remainder(version, 12, 0x1f25);
    for (let i = 0; i < 18; i++) {
      const [a, b] = [Math.floor(i / 3), size - 11 + (i % 3)];
      set(a, b, (bits >> i) & 1); set(b, a, (bits >> i) & 1);
    }
  }
  const format = (mask) => {
    const bits = ((mask << 10) | remainder(mask, 10, 0x537)) ^ 0x5412; // level M is 00
    for (let i = 0; i < 15; i++) {
      const dark = (bits >> i) & 1;
      const along = i < 6 ? i : i < 8 ? i + 1 : null;
      if (along === null) set(i === 8 ? 7 : 14 - i, 8, dark); else set(8, along, dark);
      if (i < 8) set(size - 1 - i, 8, dark); else set(8, size - 15 + i, dark);
    }
    set(8, size - 8, true);
  };
  format(0); // takes its place before the data do
  const free = [];
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right--;
    for (let i = 0; i < size; i++)
      for (const x of [right, right - 1]) {
        const y = up ? size - 1 - i : i;
        if (fixed[y][x] === null) free.push([x, y]);
      }
  }
  const drawn = MASKS.map((masked, mask) => {
    format(mask);
    const rows = fixed.map((row) => [...row]);
    free.forEach(([x, y], i) => (rows[y][x] = Boolean(((words[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) !== (masked(x, y) === 0)));
    return rows;
  });
  const points = drawn.map(penalty);
  return drawn[points.indexOf(Math.min(...points))];
}

// The tab

/** An element with attributes (functions: listeners) and children; texts are never read as markup. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Ask Backplane. Raises Error with its own words. */
async function ask(path, body) {
  const sent = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await app.api.fetchApi(path, { cache: "no-cache", ...sent });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error([told.error.message, told.error.hint].filter(Boolean).join(" ")), told.error);
  return told;
}

const toast = (severity, summary, detail) => app.extensionManager.toast.add({ severity, summary, detail, life: 6000 });

/** Wrap what a button does: disabled meanwhile, and a failure is told. */
function doing(work) {
  return async (event) => {
    const button = event?.currentTarget ?? {};
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      toast("error", t("failed"), error.message);
    }
    button.disabled = false;
  };
}

const sizeOf = (bytes) => new Intl.NumberFormat(locale, { style: "unit", maximumFractionDigits: 1,
  unit: bytes < 1e9 ? "megabyte" : "gigabyte" }).format(bytes / (bytes < 1e9 ? 1e6 : 1e9));

async function sendWorkflow() {
  const { output } = await app.graphToPrompt();
  if (!Object.keys(output).length) return toast("warn", t("empty_workflow"));
  const name = app.extensionManager.workflow?.activeWorkflow?.filename || t("untitled");
  await ask("/ext/workflow/sessions", { workflow: output, label: name.slice(0, 200), metadata: { from: "desktop" } });
  toast("success", t("sent"), t("sent_detail", { name }));
}

function qrPicture(url) {
  const rows = qr(url);
  const side = rows.length + 8; // the quiet zone is four modules wide
  const path = rows.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ""))).join("");
  const holder = el("template");
  holder.innerHTML = `<svg viewBox="0 0 ${side} ${side}" role="img" shape-rendering="crispEdges">`
    + `<rect width="${side}" height="${side}" fill="#fff"/><path d="${path}" fill="#000"/></svg>`;
  const picture = holder.content.firstChild;
  picture.setAttribute("aria-label", t("qr_label", { url }));
  return picture;
}

/** Where a phone finds the app: the address in use, if it is none of this computer's alone, then the server's own. */
async function showAddress(place) {
  const told = await ask("/ext/addresses");
  const here = new URL(app.api.apiURL("/ext/app/"), location.href);
  const local = /^(localhost|127\.|\[::1\])/.test(here.hostname);
  const urls = [...new Set([...(local ? [] : [here.href]), ...told.items.map((item) => item.url)])];
  const open = el("a", { href: here.href, target: "_blank", "data-button": "" }, t("open_here"));
  if (!urls.length) return place.replaceChildren(el("p", { "data-tone": "warn", role: "note" }, t("only_here")), open);
  const picture = el("div", { style: "display: grid; justify-items: center; gap: 8px" });
  const show = (url) => picture.replaceChildren(qrPicture(url), el("code", { style: "user-select: all" }, url));
  const choice = el("select", { "aria-label": t("address"), change: (event) => show(event.target.value) },
    ...urls.map((url) => el("option", { value: url }, new URL(url).host)));
  show(urls[0]);
  place.replaceChildren(el("p", { "data-soft": "" }, t("scan")), picture, ...(urls.length > 1 ? [choice] : []), open);
}

async function showMissing(place) {
  const { workflow, output } = await app.graphToPrompt();
  const needed = Object.keys(output).length ? await ask("/ext/workflow/requirements", { workflow }) : { models: [] };
  const missing = needed.models.filter((model) => model.status === "missing" && model.needed);
  if (!missing.length) return place.replaceChildren(el("p", { "data-soft": "" }, t("nothing_missing")));
  place.replaceChildren(el("ul", {}, ...missing.map(({ name, folder, sources: [source] }) => {
    const fetchIt = doing(async () => {
      await ask("/ext/models/download", { url: source.url, type: source.folder ?? folder, filename: name.split(/[\\/]/).pop() });
      toast("success", t("download_started"), name);
    });
    return el("li", { style: "grid-template-columns: 1fr auto" }, el("span", {}, name, el("br"), el("small", {}, source ? folder ?? "" : t("no_source"))),
      source ? el("button", { click: fetchIt }, source.size ? t("download_size", { size: sizeOf(source.size) }) : t("download")) : "");
  })));
}

/** A line of the list of tasks: a picture of what came of it, what it is, how far it is. */
function taskLine(task) {
  const picture = task.outputs.findLast((output) => output.kind === "image" && !output.deleted);
  const file = task.download;
  const title = file ? file.name ?? new URL(file.url).pathname.split("/").pop() : task.template?.name ?? t("run");
  const bytes = file?.size ? `${sizeOf(file.received)} / ${sizeOf(file.size)}` : "";
  const details = [t(`status_${task.status}`), bytes, file?.speed ? `${sizeOf(file.speed)}/s` : "", task.error?.message].filter(Boolean);
  return el("li", { "data-state": task.status },
    picture ? el("img", { src: app.api.apiURL(`${picture.url}?width=96`), alt: "", loading: "lazy" }) : el("span", {}),
    el("span", {}, title, el("br"), el("small", {}, details.join(" · "))), "",
    UNFINISHED.has(task.status) ? el("progress", { max: 1, value: task.progress, "aria-label": title }) : null);
}

/** Show tasks until *signal* says stop. */
async function followTasks(place, signal) {
  let shown = "";
  while (!signal.aborted) {
    let busy = false;
    if (!document.hidden) {
      try {
        const { items } = await ask("/ext/tasks?limit=8");
        busy = items.some((task) => UNFINISHED.has(task.status));
        if (shown !== (shown = JSON.stringify(items)) && !signal.aborted)
          place.replaceChildren(items.length ? el("ul", {}, ...items.map(taskLine)) : el("p", { "data-soft": "" }, t("no_tasks")));
      } catch {
        shown = "";
        place.replaceChildren(el("p", { "data-soft": "" }, t("offline")));
      }
    }
    await new Promise((resume) => {
      const timer = setTimeout(resume, busy ? POLL_MS.busy : POLL_MS.idle);
      signal.addEventListener("abort", () => (clearTimeout(timer), resume()), { once: true });
    });
  }
}

let open = new AbortController();

function render(place) {
  open.abort(); // the page may render a tab again without a destroy
  open = new AbortController();
  const [address, missing, tasks] = [el("div", { style: "display: contents" }), el("div"), el("div", { "aria-live": "off" })];
  const check = doing(() => showMissing(missing));
  place.replaceChildren(el("div", { class: "backplane" }, el("link", { rel: "stylesheet", href: new URL("./style.css", import.meta.url).href }), address,
    el("button", { click: doing(sendWorkflow) }, t("send")),
    el("h3", {}, t("tasks")), tasks,
    el("h3", {}, t("missing")), missing, el("button", { click: check }, t("check"))));
  doing(() => showAddress(address))();
  check();
  followTasks(tasks, open.signal);
}

app.registerExtension({
  name: "backplane.desktop",
  commands: [
    { id: "Backplane.OpenTab", label: t("open_tab"), icon: "pi pi-mobile",
      function: () => app.extensionManager.command.execute("Workspace.ToggleSidebarTab.backplane") },
    { id: "Backplane.SendWorkflow", label: t("send_command"), icon: "pi pi-send", function: doing(sendWorkflow) },
  ],
  menuCommands: [{ path: ["Extensions", "Backplane"], commands: ["Backplane.OpenTab", "Backplane.SendWorkflow"] }],
  setup: () => app.extensionManager.registerSidebarTab({ id: "backplane", icon: "pi pi-mobile", type: "custom",
    title: t("title"), tooltip: t("tooltip"), render, destroy: () => open.abort() }),
});
