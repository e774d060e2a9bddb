/** Keeping the open workflow: on the server as the desktop page keeps it, or as a file. */
import { html, useId, useState } from "../../vendor/preact.js";
import { api } from "../../io/api.js";
import { ApiError, draft, online, t, toast, toastError } from "../../io/store.js";
import { Button } from "../../ui/basics.js";
import { confirm, openMenu, openSheet, Sheet } from "../../ui/sheet.js";
import { loadShelf } from "./state.js";

/**
 * Asks for a name.
 * @param {{title: string, label: string, value: string, action: string, hint?: string}} question
 * @returns {Promise<string | undefined>}
 */
export const askName = (question) => openSheet((close) => html`<${NameSheet} ...${question} close=${close} />`);

/** @param {{title: string, label: string, value: string, action: string, hint?: string, close: (name?: string) => void}} props */
function NameSheet({ title, label, value, action, hint, close }) {
  const id = useId();
  const [name, setName] = useState(value);
  const done = () => name.trim() && close(name.trim());
  return html`<${Sheet} open title=${title} onClose=${() => close()}
    footer=${html`<${Button} onClick=${() => close()}>${t("ui.cancel")}<//><${Button} tone="primary" disabled=${!name.trim()} onClick=${done}>${action}<//>`}>
    <form class="field" onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      done();
    }}>
      <label class="label" for=${id}>${label}</label>
      <input class="input" id=${id} autocomplete="off" maxlength="120" enterkeyhint="done" aria-describedby=${hint ? `${id}-hint` : null} value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    </form>
  <//>`;
}

/** What a file's name may hold on every system; `/` makes folders. @param {string} name */
const fileName = (name) =>
  name
    .split("/")
    .map((part) => part.replace(/[\\:*?"<>|\u0000-\u001f]/g, "-").replace(/^\.+|[. ]+$/g, ""))
    .filter(Boolean)
    .join("/") || "workflow";

/** @returns {Promise<any>} The open workflow as the page saves it. */
async function asPage() {
  const { workflow } = await api.post("/ext/workflow/convert?to=ui", { workflow: draft.value?.graph });
  return workflow;
}

/** @param {string} path @param {any} document @param {boolean} overwrite */
const put = (path, document, overwrite) =>
  api.post(`/userdata/${encodeURIComponent(`workflows/${path}`)}?overwrite=${overwrite}&full_info=true`, document);

/** Saves the open workflow among the server's, where the desktop page lists it. */
export async function saveToServer() {
  const now = draft.value;
  if (!now) return;
  const before = now.source?.startsWith("server:") ? now.source.slice(7).replace(/\.json$/i, "") : now.name;
  const name = await askName({ title: t("library.save_title"), label: t("library.save_label"), value: before, action: t("library.save_action"), hint: t("library.save_hint") });
  if (!name) return;
  const path = `${fileName(name)}.json`;
  try {
    const document = await asPage();
    try {
      await put(path, document, false);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
      if (!(await confirm({ title: t("library.replace_title", { name: path }), text: t("library.replace_text"), action: t("library.replace"), tone: "danger" }))) return;
      await put(path, document, true);
    }
    toast({ key: "library.saved", params: { name: path }, tone: "good" });
    void loadShelf("server");
  } catch (error) {
    toastError(error);
  }
}

/** Hands a text to the browser as a file. @param {string} name @param {string} text */
function offer(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export async function exportFile() {
  const now = draft.value;
  if (!now) return;
  const kind = await openMenu({
    title: t("library.export"),
    items: [
      { id: "ui", label: t("library.export_ui"), hint: online.value ? t("library.export_ui_hint") : t("library.export_ui_offline"), icon: "flow", disabled: !online.value },
      { id: "api", label: t("library.export_api"), hint: t("library.export_api_hint"), icon: "file" },
    ],
  });
  if (!kind) return;
  try {
    const document = kind === "ui" ? await asPage() : now.graph;
    const name = fileName(now.name).replaceAll("/", "-");
    offer(kind === "ui" ? `${name}.json` : `${name}.api.json`, JSON.stringify(document, null, 2));
  } catch (error) {
    toastError(error);
  }
}
