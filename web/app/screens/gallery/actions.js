/** What can be done with a result beside looking at it. */
import { html } from "../../vendor/preact.js";
import { ApiError, headers } from "../../io/api.js";
import { catalog, draft, go, openDraft, openTask, patch, setParam, t, toast, toastError } from "../../io/store.js";
import { fieldsOf } from "../../core/fields.js";
import { titleOf } from "../../core/graph.js";
import { Sheet, MenuItem, openSheet } from "../../ui/sheet.js";
import { addressOf } from "./words.js";

/** @typedef {import("./items.js").Item} Item */
/** @typedef {{id: string, name: string, title: string, label: string}} Place */

/** Nodes that read a file of a kind, and the input that names it. */
const READERS = {
  image: ["LoadImage", "image"],
  video: ["LoadVideo", "file"],
  audio: ["LoadAudio", "audio"],
};

/** @param {Item} item @returns {item is Item & {group: keyof typeof READERS}} */
export const usable = ({ group, output }) => group in READERS && !!output.filename && (output.type === "output" || output.type === "temp" || output.type === "input");

/** @param {Item} item @returns {string} As ComfyUI's inputs name a file of another folder: `sub/name.png [output]`. */
function annotated({ output: { filename, subfolder, type } }) {
  const name = subfolder ? `${subfolder}/${filename}` : String(filename);
  return type === "input" ? name : `${name} [${type}]`;
}

/** @param {Item} item @returns {Place[]} The inputs of the open draft that take such a file. */
function places(item) {
  const graph = draft.value?.graph ?? {};
  return Object.entries(graph).flatMap(([id, node]) => {
    const spec = catalog.value.get(node.class_type);
    if (!spec) return [];
    return fieldsOf(spec, node)
      .filter((field) => field.kind === item.group)
      .map((field) => ({ id, name: field.name, title: titleOf(node, spec), label: field.label }));
  });
}

/** Puts a result into an input of the open workflow; asks which if there are several. @param {Item} item */
export async function useAsInput(item) {
  if (!usable(item)) return;
  const [reader, input] = READERS[/** @type {keyof typeof READERS} */ (item.group)];
  const value = annotated(item);
  const found = places(item);
  const canAdd = catalog.value.has(reader);
  const choice = await openSheet(
    (close) => html`<${Sheet} open title=${t("gallery.use_as_input")} onClose=${() => close()}>
      ${!found.length && html`<p class="muted">${t(draft.value ? "gallery.no_input" : "gallery.no_draft")}</p>`}
      <ul class="menu">
        ${found.map(
          (place) => html`<li key=${`${place.id}.${place.name}`}>
            <${MenuItem} icon="image" label=${place.title} hint=${`#${place.id} · ${place.label}`} onClick=${() => close(place)} />
          </li>`,
        )}
        ${canAdd && html`<li><${MenuItem} icon="plus" label=${t(draft.value ? "gallery.add_loader" : "gallery.start_with_loader")} onClick=${() => close("add")} /></li>`}
      </ul>
    <//>`,
  );
  if (!choice) return;
  try {
    if (choice === "add" && draft.value) await patch([{ op: "add_node", class_type: reader, params: { [input]: value } }], { quiet: true });
    else if (choice === "add") openDraft({ name: t("gallery.new_draft"), graph: { 1: { class_type: reader, inputs: { [input]: value } } } });
    else setParam(choice.id, choice.name, value);
    await go("/flow");
    toast({ key: "gallery.used_as_input", params: { name: item.output.filename }, tone: "good" });
  } catch (error) {
    toastError(error);
  }
}

/** @param {Item} item */
export async function loadWorkflow(item) {
  try {
    await openTask(item.task.id);
    await go("/flow");
  } catch (error) {
    toastError(error);
  }
}

/** Whether this browser hands files to other apps: in a secure context only. */
export const canShare = () => typeof navigator.share === "function" && typeof navigator.canShare === "function";

/** Files fetched for sharing, by key: a second tap must not wait, else the browser no longer takes it for a tap. @type {Map<string, File>} */
const fetched = new Map();

/** @param {Item} item */
export async function share(item) {
  try {
    let file = fetched.get(item.key);
    if (!file) {
      const response = await fetch(addressOf(item), { headers: headers() });
      if (!response.ok) throw new ApiError("OUTPUT_NOT_FOUND", response.statusText, { status: response.status });
      const blob = await response.blob();
      file = new File([blob], item.output.filename ?? `result-${item.n}`, { type: item.output.media_type ?? blob.type });
      fetched.clear();
      fetched.set(item.key, file);
    }
    if (!navigator.canShare({ files: [file] })) return void toast({ key: "gallery.cannot_share", tone: "warn" });
    await navigator.share({ files: [file] });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (name === "AbortError") return;
    if (name === "NotAllowedError") return void toast({ key: "gallery.share_ready" });
    toastError(error);
  }
}
