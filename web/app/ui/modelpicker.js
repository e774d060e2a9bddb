import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { bytes } from "../core/format.js";
import { api } from "../io/api.js";
import { locale, t } from "../io/store.js";
import { Badge, Chip } from "./basics.js";
import { Icon } from "./icons.js";
import { PickButton, Picker } from "./picker.js";
import { openSheet, Sheet } from "./sheet.js";

/** @typedef {{name: string, size?: number, base_model?: string|null, preview?: string|null, title?: string|null}} Known */

/** What the server told of a folder's files, and when. @type {Map<string, {at: number, files: Map<string, Known>}>} */
const known = new Map();
const FRESH_MS = 30_000;

/** Names have "\" between their parts where ComfyUI runs on Windows, the server's list "/". @param {string} name */
const plain = (name) => name.replaceAll("\\", "/");

/** @param {string} name @returns {[folder: string, file: string]} */
function parts(name) {
  const at = plain(name).lastIndexOf("/");
  return at < 0 ? ["", name] : [plain(name).slice(0, at), name.slice(at + 1)];
}

/** Sizes and pictures of a folder's files, as soon as they are here. @param {string|undefined} folder */
function useFiles(folder) {
  const [files, setFiles] = useState(known.get(folder ?? "")?.files ?? new Map());
  useEffect(() => {
    if (!folder || Date.now() - (known.get(folder)?.at ?? 0) < FRESH_MS) return;
    const stop = new AbortController();
    api.get(`/ext/models/${encodeURIComponent(folder)}?detail=1&limit=1000`, { signal: stop.signal }).then(
      (answer) => {
        /** @type {[string, Known][]} */
        const found = answer.items.map((/** @type {Known} */ one) => [one.name, one]);
        known.set(folder, { at: Date.now(), files: new Map(found) });
        setFiles(new Map(found));
      },
      () => {
        // The names are here without it; only sizes and pictures are missing.
      },
    );
    return () => stop.abort();
  }, [folder]);
  return files;
}

/** @param {{name: string, known?: Known, here?: boolean}} props *here*: whether the server has it */
function Row({ name, known: file, here }) {
  const [folder, base] = parts(name);
  const [broken, setBroken] = useState(false);
  return html`<span class="picker-thumb" aria-hidden="true">
      ${file?.preview && !broken ? html`<img src=${api.url(file.preview)} alt="" loading="lazy" onError=${() => setBroken(true)} />` : html`<${Icon} name="models" />`}
    </span>
    <span class="grow">
      <span class="picker-name">${base}</span>
      <small class="row wrap">
        ${folder && html`<span>${folder}</span>`}
        ${file?.size !== undefined && html`<span class="value">${bytes(file.size, locale.value)}</span>`}
        ${file?.base_model && html`<${Badge}>${file.base_model}<//>`}
        ${here ? null : html`<${Badge} tone="warn">${t("picker.not_here")}<//>`}
      </small>
    </span>`;
}

/** @param {{title: string, folder?: string, options: string[], value: any, close: (result?: any) => void}} props */
function ModelSheet({ title, folder, options, value, close }) {
  const files = useFiles(folder);
  const [within, setWithin] = useState(/** @type {string|null} */ (null));
  const folders = useMemo(() => [...new Set(options.map((name) => parts(name)[0]))].sort(), [options]);
  const shown = useMemo(() => (within === null ? options : options.filter((name) => parts(name)[0] === within)), [options, within]);
  // What the workflow came with may not be on this server: it is shown, and can be kept.
  const absent = value !== "" && !options.includes(value) && within === null;
  const textOf = useMemo(() => (/** @type {string} */ name) => [name, files.get(plain(name))?.base_model ?? ""].join(" ").trim(), [files]);
  return html`<${Sheet} open tall title=${title} onClose=${() => close()}>
    ${folders.length > 1 &&
    html`<div class="chips" role="group" aria-label=${t("picker.folders")}>
      <${Chip} pressed=${within === null} count=${options.length} onClick=${() => setWithin(null)}>${t("picker.all")}<//>
      ${folders.map((one) => html`<${Chip} key=${one} pressed=${within === one} onClick=${() => setWithin(one)}>${one || t("picker.top_folder")}<//>`)}
    </div>`}
    <${Picker}
      label=${title}
      search=${options.length > 5}
      options=${absent ? [value, ...shown] : shown}
      value=${value}
      textOf=${textOf}
      empty=${t("picker.no_models", { folder: folder ?? "" })}
      row=${(/** @type {string} */ name) => html`<${Row} name=${name} known=${files.get(plain(name))} here=${!absent || name !== value} />`}
      onPick=${(/** @type {string} */ name) => close({ value: name })}
    />
  <//>`;
}

/** @param {import("./numberfield.js").Editor} props */
export function ModelField({ field, id, onChange, describedby, invalid }) {
  const value = typeof field.value === "string" ? field.value : "";
  const [folder, base] = parts(value);
  const open = async () => {
    const chosen = await openSheet(
      (close) => html`<${ModelSheet} title=${field.label} folder=${field.folder} options=${field.options ?? []} value=${value} close=${close} />`,
    );
    if (chosen) onChange(chosen.value);
  };
  return html`<${PickButton} id=${id} describedby=${describedby} invalid=${invalid} empty=${!value} onClick=${open}>
    ${value ? html`${base}${folder && html`<small> ${folder}</small>`}` : t("field.choose")}
  <//>`;
}
