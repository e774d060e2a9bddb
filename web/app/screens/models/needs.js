/** What the open workflow needs and the server has not, and what is known of where to get it. */
import { signal } from "../../vendor/preact.js";
import { api } from "../../io/api.js";

/** @typedef {{url: string, name: string, folder: string | null, sha256: string | null, size: number | null, from: string}} Source */
/**
 * @typedef {object} Needed
 * @property {string | null} folder
 * @property {string} name
 * @property {"present" | "missing" | "elsewhere"} status
 * @property {boolean} needed
 * @property {{node_id: string, param: string}[]} nodes
 * @property {{folder: string, name: string}[]} here
 * @property {string[]} close_matches
 * @property {Source[]} sources
 */
/** @typedef {{class_type: string, status: string, node_ids: string[], needed: boolean, close_matches: string[],
 *   pack: {id: string, repository?: string | null, registry?: string | null} | null}} NeededNode
 */

/** @typedef {{state: "none" | "asking" | "ready" | "failed", models: Needed[], nodes: NeededNode[], searched: any, error?: unknown}} Needs */

/** @type {import("../../vendor/preact.js").Signal<Needs>} */
export const needs = signal({ state: "none", models: [], nodes: [], searched: null });

let turn = 0;

/**
 * @param {import("../../core/types.js").Draft | null} draft
 * @param {{search?: boolean}} [options]
 */
export async function askNeeds(draft, { search = false } = {}) {
  const mine = ++turn;
  if (!draft || !Object.keys(draft.graph).length) {
    needs.value = { state: "none", models: [], nodes: [], searched: null };
    return;
  }
  needs.value = { ...needs.value, state: "asking" };
  try {
    const found = await api.post("/ext/workflow/requirements", { workflow: draft.graph, search });
    /** @type {Needed[]} */
    const lacking = found.models.filter((/** @type {Needed} */ one) => one.needed && one.status !== "present");
    const sourceless = lacking.some((one) => one.status === "missing" && !one.sources.length);
    // Links and packs stand in the page's own document only; the draft's graph is what is needed now.
    const told = draft.ui && (sourceless || found.nodes.some((/** @type {NeededNode} */ one) => one.status === "missing"))
      ? await api.post("/ext/workflow/requirements", { workflow: draft.ui }).catch(() => null)
      : null;
    if (mine !== turn) return;
    needs.value = {
      state: "ready",
      models: lacking.map((one) => withSources(one, told?.models ?? [])),
      nodes: found.nodes
        .filter((/** @type {NeededNode} */ one) => one.status === "missing" && one.needed)
        .map((/** @type {NeededNode} */ one) => ({ ...one, pack: one.pack ?? packOf(one, told?.nodes ?? []) })),
      searched: found.search,
    };
  } catch (error) {
    if (mine === turn) needs.value = { ...needs.value, state: "failed", error };
  }
}

/** @param {Needed} one @param {Needed[]} told @returns {Needed} */
function withSources(one, told) {
  if (one.sources.length) return one;
  const same = told.find((other) => other.name === one.name && other.sources.length);
  return same ? { ...one, folder: one.folder ?? same.folder, sources: same.sources } : one;
}

/** @param {NeededNode} one @param {NeededNode[]} told */
function packOf(one, told) {
  return told.find((other) => other.class_type === one.class_type)?.pack ?? null;
}

/** @typedef {{state: "asking" | "ready" | "failed", plan?: any, error?: unknown}} Known */

/** What the sources say of links, by link. @type {import("../../vendor/preact.js").Signal<ReadonlyMap<string, Known>>} */
export const known = signal(new Map());

/** Asks the source what a link is, once. @param {Source} source @param {string | null} folder */
export async function lookInto(source, folder) {
  if (known.value.has(source.url)) return;
  /** @param {Known} value */
  const note = (value) => {
    known.value = new Map(known.value).set(source.url, value);
  };
  note({ state: "asking" });
  try {
    note({ state: "ready", plan: await api.post("/ext/models/resolve", wanted(source, folder)) });
  } catch (error) {
    note({ state: "failed", error });
  }
}

/** @param {Source} source @param {string | null} folder @returns {Record<string, string>} The body of a resolve or a download. */
export function wanted(source, folder) {
  const parts = source.name.replaceAll("\\", "/").split("/");
  /** @type {Record<string, string>} */
  const body = { url: source.url, filename: parts[parts.length - 1] };
  const into = folder ?? source.folder;
  if (into) body.type = into;
  if (parts.length > 1) body.target_dir = parts.slice(0, -1).join("/");
  if (source.sha256) body.sha256 = source.sha256;
  return body;
}

/** @param {string} link @returns {string} Its host, for people. */
export function hostOf(link) {
  try {
    return new URL(link).hostname.replace(/^www\./, "");
  } catch {
    return link;
  }
}
