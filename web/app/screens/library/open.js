/** Opening: from wherever a workflow is to a draft in the flow. */
import { html, signal } from "../../vendor/preact.js";
import { parseExact } from "../../core/exact.js";
import { api } from "../../io/api.js";
import { drop, load, save } from "../../io/db.js";
import { ApiError, draft, go, online, openDraft, openSession, t, toast, toastError } from "../../io/store.js";
import { Button } from "../../ui/basics.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { hostUrl, keptSources } from "./state.js";

/** @typedef {import("../../core/types.js").Graph} Graph */
/** @typedef {{source: string, name: string, at: number}} Recent */

const MOST_RECENT = 24;

/** What was opened last, the newest first. @type {import("../../vendor/preact.js").Signal<Recent[]>} */
export const recent = signal([]);

/** The source that is being opened now; its row shows it. @type {import("../../vendor/preact.js").Signal<string | null>} */
export const opening = signal(null);

export async function loadRecent() {
  recent.value = (await load("kv/recent")) ?? [];
}

/**
 * Keeps what was opened, for when the server is away; the oldest goes.
 * @param {{source: string, name: string, graph: Graph, ui?: any}} opened
 */
async function remember({ source, name, graph, ui }) {
  const all = [{ source, name, at: Date.now() }, ...recent.value.filter((one) => one.source !== source)];
  recent.value = all.slice(0, MOST_RECENT);
  keptSources.value = new Set(keptSources.value).add(source);
  try {
    await save("kv/recent", recent.value);
    await save(`cache/opened/${source}`, { name, graph, ui });
    for (const { source: old } of all.slice(MOST_RECENT)) await drop(`cache/opened/${old}`);
  } catch {
    // No room left on the device: it opened all the same.
  }
}

/** @param {any} value @returns {value is Graph} Whether it is in API format: then nothing has to be converted. */
function isGraph(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const nodes = Object.values(value);
  return nodes.length > 0 && nodes.every((node) => typeof node?.class_type === "string");
}

/** @param {string[]} classes That this server lacks. @returns {Promise<boolean>} Whether to open it all the same. */
async function askPartial(classes) {
  const answer = await openSheet((close) => html`<${Sheet} open title=${t("library.unknown_title", { count: classes.length })} onClose=${() => close(false)}
    footer=${html`<${Button} onClick=${() => close(false)}>${t("ui.cancel")}<//><${Button} tone="primary" onClick=${() => close(true)}>${t("library.open_anyway")}<//>`}>
    <div class="stack">
      <p>${t("library.unknown_text")}</p>
      <ul class="classes">${classes.map((one) => html`<li key=${one}><code>${one}</code></li>`)}</ul>
    </div>
  <//>`);
  return answer === true;
}

/**
 * To API format; asks where the server lacks node classes.
 * @param {any} body A document of the page, or a file.
 * @returns {Promise<{graph: Graph, carrier?: string} | null>} Null if the user would rather not.
 */
async function convert(body) {
  const sent = body instanceof Blob ? body : { workflow: body };
  try {
    const { workflow, carrier } = await api.post("/ext/workflow/convert", sent);
    return { graph: workflow, carrier };
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "UNKNOWN_NODE_CLASS") throw error;
    if (!(await askPartial(error.details.classes ?? []))) return null;
    const { workflow, carrier } = await api.post("/ext/workflow/convert?partial=1", sent);
    return { graph: workflow, carrier };
  }
}

/** @param {{source: string, name: string, graph: Graph, ui?: any}} opened */
export async function show(opened) {
  openDraft(opened);
  void remember(opened);
  await go("/flow");
  toast({ key: "library.opened", params: { name: opened.name }, tone: "good" });
}

/** The server went away in this very moment: the same as if it had been known before. @param {unknown} error @returns {null} */
function away(error) {
  if (error instanceof ApiError && error.code === "OFFLINE") return null;
  throw error;
}

/**
 * Opens what *read* gives; without the server, what is kept of it.
 * @param {string} source
 * @param {string} name
 * @param {() => Promise<any>} read
 */
async function open(source, name, read) {
  if (opening.value) return;
  opening.value = source;
  try {
    const body = online.value ? await read().catch(away) : null;
    if (body === null) {
      const kept = await load(`cache/opened/${source}`);
      if (!kept) throw new ApiError("OFFLINE", t("library.not_kept"));
      await show({ source, ...kept });
      return;
    }
    if (isGraph(body)) await show({ source, name, graph: body });
    else {
      const made = await convert(body);
      if (made) await show({ source, name, graph: made.graph, ...(body instanceof Blob ? {} : { ui: body }) });
    }
  } catch (error) {
    toastError(error);
  } finally {
    opening.value = null;
  }
}

/** @param {{path: string, name: string}} file Of the server's workflows. */
export const openServerFile = ({ path, name }) =>
  open(`server:${path}`, name.split("/").pop() ?? name, () => api.get(`/userdata/${encodeURIComponent(`workflows/${path}`)}`));

/** @param {{name: string, title: string}} template Of ComfyUI. */
export const openComfyTemplate = ({ name, title }) => open(`comfy:${name}`, title, () => api.get(hostUrl(`/templates/${encodeURIComponent(name)}.json`)));

/** @param {{id: string, label?: string | null}} session */
export async function openDesktop({ id, label }) {
  if (opening.value) return;
  opening.value = `session:${id}`;
  try {
    await openSession(id);
    const made = draft.value;
    if (made) void remember({ source: `session:${id}`, name: label || made.name, graph: made.graph });
    await go("/flow");
  } catch (error) {
    toastError(error);
  } finally {
    opening.value = null;
  }
}

/** @param {File} file Chosen by the user: JSON, or a picture or video that carries its workflow. */
export async function importFile(file) {
  const name = file.name.replace(/\.[^.]+$/, "");
  opening.value = "file:";
  try {
    const text = /json/.test(file.type) || /\.json$/i.test(file.name) ? await file.text() : null;
    /** @type {any} */
    let document = null;
    if (text !== null) {
      try {
        document = parseExact(text.replace(/^\uFEFF/, ""));
      } catch {
        throw new ApiError("INVALID_JSON", t("library.not_json"));
      }
    }
    const inner = document?.workflow ?? document?.prompt ?? document;
    if (isGraph(inner)) {
      await show({ source: `file:${file.name}`, name, graph: inner });
      return;
    }
    const made = await convert(document ? inner : file);
    if (made) await show({ source: `file:${file.name}`, name, graph: made.graph, ...(document ? { ui: inner } : {}) });
  } catch (error) {
    toastError(error);
  } finally {
    opening.value = null;
  }
}

/** Opens again what was opened before. @param {Recent} one */
export async function openRecent({ source, name }) {
  const kept = await load(`cache/opened/${source}`);
  if (kept) await show({ source, ...kept, name });
  else toast({ key: "library.not_kept", tone: "warn" });
}
