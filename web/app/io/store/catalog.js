/** What the server is and has: its node classes and models, kept on the device for a start without it. */
import { batch, signal } from "../../vendor/preact.js";
import { localised } from "../../core/localise.js";
import { api } from "../api.js";
import * as db from "../db.js";
import { noteVersion } from "../pwa.js";
import { names } from "./names.js";
import { saveSettings, settings } from "./settings.js";
import { catalog, catalogState, models, server } from "./state.js";

/** @typedef {import("../../core/types.js").NodeSpec} NodeSpec */

/** @type {Record<string, string | null>} */
const etags = { catalog: null, models: null };

/** Why there are no node classes; null if there are. @type {import("./state.js").Signal<unknown>} */
export const catalogFault = signal(null);

/** As the server named them. @type {NodeSpec[]} */
let read = [];

/** @param {NodeSpec[]} nodes */
function showNodes(nodes) {
  read = nodes;
  batch(() => {
    catalog.value = new Map(nodes.map((one) => [one.name, localised(one, names.value)]));
    catalogState.value = "ready";
  });
}

/** Shows the node classes by the names that are known now. */
export function renamed() {
  if (catalogState.value === "ready" && read.length > 0) showNodes(read);
}

/** Shows what was kept from the last time. @returns {Promise<void>} */
export async function loadKept() {
  const [nodes, files, about] = await Promise.all(["catalog", "models", "server"].map((name) => db.load(`cache/${name}`)));
  // The server may have been faster.
  if (nodes && catalogState.value !== "ready") {
    etags.catalog = nodes.etag;
    showNodes(nodes.nodes);
  }
  if (files && etags.models === null) {
    etags.models = files.etag;
    models.value = files.models;
  }
  if (about && !server.value) server.value = about;
}

/** @param {string} name @param {any} value */
function keep(name, value) {
  // A full disk only means that the next start needs the server.
  void db.save(`cache/${name}`, value).catch((error) => console.warn(error));
}

/** Reads the node classes, if they changed. @returns {Promise<void>} Throws ApiError. */
export async function loadCatalog() {
  try {
    const answer = await api.fresh("/ext/catalog", etags.catalog);
    if (!answer) return;
    etags.catalog = answer.etag;
    showNodes(answer.body.nodes);
    keep("catalog", { etag: answer.etag, nodes: answer.body.nodes });
  } catch (error) {
    if (catalogState.value !== "ready") {
      batch(() => {
        catalogFault.value = error;
        catalogState.value = "failed";
      });
    }
    throw error;
  }
}

/** Reads the names of models, if they changed. @returns {Promise<void>} Throws ApiError. */
export async function refreshModels() {
  const answer = await api.fresh("/ext/models", etags.models);
  if (!answer) return;
  etags.models = answer.etag;
  models.value = answer.body;
  keep("models", { etag: answer.etag, models: answer.body });
}

/** Reads what the server is, and the language of ComfyUI's own page. @returns {Promise<void>} Throws ApiError. */
export async function loadServer() {
  server.value = await api.get("/ext");
  noteVersion(server.value?.version);
  keep("server", server.value);
  // With several users, ComfyUI asks who it is, and answers an error: then the browser's languages count.
  const wished = await api.get("/settings").then(
    (all) => all?.["Comfy.Locale"] ?? "",
    () => settings.value.hostLocale,
  );
  if (wished !== settings.value.hostLocale) saveSettings({ hostLocale: String(wished) });
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** Models came or went: their names are also options of node classes. */
export function modelsChanged() {
  clearTimeout(timer);
  timer = setTimeout(() => void Promise.allSettled([refreshModels(), loadCatalog()]), 1000);
}
