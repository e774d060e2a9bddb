import { html, signal, useMemo, useRef, useState } from "../vendor/preact.js";
import { filter } from "../core/search.js";
import { api, headers } from "../io/api.js";
import { online, t, taskOrder, tasks, toast, toastError } from "../io/store.js";
import { Banner, Button, SearchBox, Segmented } from "./basics.js";
import { Icon } from "./icons.js";
import { PickButton } from "./picker.js";
import { openSheet, Sheet } from "./sheet.js";
import { Thumb } from "./thumb.js";

/** @typedef {import("../core/types.js").TaskOutput} TaskOutput */

const ACCEPT = { image: "image/*", video: "video/*", audio: "audio/*", file: undefined };
const PAGE = 60;

/** What was put on the server from here: node classes are told of it when they are read again. @type {import("../vendor/preact.js").Signal<string[]>} */
const uploaded = signal([]);

/** Where a file of ComfyUI's input folder can be looked at. @param {string} value such as "sub/a.png" or "a.png [output]" */
function inputUrl(value) {
  const marked = /^(.*) \[(input|output|temp)\]$/.exec(value);
  const path = (marked ? marked[1] : value).replaceAll("\\", "/");
  const at = path.lastIndexOf("/");
  const query = new URLSearchParams({
    filename: path.slice(at + 1),
    subfolder: at < 0 ? "" : path.slice(0, at),
    type: marked?.[2] ?? "input",
    preview: "webp;70",
  });
  return api.url(`/view?${query}`);
}

/** A picture of a file on the server, or its icon if it cannot be shown. @param {{kind: string, value: string}} props */
function FilePicture({ kind, value }) {
  const [broken, setBroken] = useState(/** @type {string|null} */ (null));
  if (kind !== "image" || broken === value) return html`<${Icon} name=${kind} />`;
  return html`<img src=${inputUrl(value)} alt="" loading="lazy" onError=${() => setBroken(value)} />`;
}

/** Copies a result into the input folder: what a node takes must lie there. @param {string} id @param {number} n @param {TaskOutput} output */
async function asInput(id, n, output) {
  const response = await fetch(api.url(output.url ?? `/ext/tasks/${id}/outputs/${n}`), { headers: headers() });
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const blob = await response.blob();
  return api.upload(new File([blob], output.filename ?? output.name, { type: blob.type }));
}

/** @param {{kind: string, title: string, options: string[], value: string, close: (result?: any) => void}} props */
function FileSheet({ kind, title, options: told, value, close }) {
  const options = useMemo(() => [...uploaded.value.filter((one) => !told.includes(one) && one !== value), ...(value && !told.includes(value) ? [value] : []), ...told], [told, value, uploaded.value]);
  const chooser = useRef(/** @type {HTMLInputElement|null} */ (null));
  const [busy, setBusy] = useState(false);
  const [from, setFrom] = useState("server");
  const [query, setQuery] = useState("");
  const [shown, setShown] = useState(PAGE);
  const found = useMemo(() => (query.trim() ? filter(options, query, String) : options), [options, query]);
  const results = taskOrder.value.flatMap((id) =>
    (tasks.value.get(id)?.outputs ?? []).flatMap((output, n) => (output.kind === kind ? [{ id, n, output }] : [])),
  );
  const work = async (/** @type {() => Promise<string>} */ upload) => {
    setBusy(true);
    try {
      const name = await upload();
      uploaded.value = [name, ...uploaded.value.filter((one) => one !== name)];
      toast({ key: "image.uploaded", params: { name }, tone: "good" });
      close({ value: name });
    } catch (error) {
      toastError(error);
      setBusy(false);
    }
  };
  return html`<${Sheet} open tall title=${title} onClose=${() => close()}>
    ${!online.value && html`<${Banner} tone="warn" title=${t("image.offline")} />`}
    <input
      ref=${chooser}
      type="file"
      class="sr-only"
      tabindex="-1"
      aria-hidden="true"
      accept=${ACCEPT[/** @type {keyof typeof ACCEPT} */ (kind)]}
      onChange=${(/** @type {any} */ event) => {
        const file = event.target.files[0];
        if (file) void work(() => api.upload(file));
      }}
    />
    <${Button} tone="primary" icon=${kind === "image" ? "camera" : "upload"} busy=${busy} disabled=${!online.value} onClick=${() => chooser.current?.click()}>
      ${busy ? t("image.uploading") : t(`image.upload_${kind}`)}
    <//>
    <${Segmented}
      label=${t("image.from")}
      hideLabel
      value=${from}
      onChange=${setFrom}
      options=${[
        { value: "server", label: t("image.on_server") },
        { value: "results", label: t("image.results") },
      ]}
    />
    ${from === "server"
      ? html`${options.length > 8 && html`<${SearchBox} label=${t("picker.search", { label: title })} value=${query} onInput=${setQuery} />`}
          <ul class="file-tiles" aria-label=${t("image.on_server")}>
            ${found.slice(0, shown).map(
              (name) => html`<li key=${name}>
                <button type="button" class="file-tile" aria-pressed=${String(name === value)} onClick=${() => close({ value: name })}>
                  <span class="file-tile-picture"><${FilePicture} kind=${kind} value=${name} /></span>
                  <span class="file-tile-name">${name}</span>
                </button>
              </li>`,
            )}
          </ul>
          ${found.length > shown && html`<${Button} onClick=${() => setShown(shown + PAGE)}>${t("picker.more", { count: found.length - shown })}<//>`}
          ${found.length === 0 && html`<p class="muted center-text">${t("image.none_on_server")}</p>`}`
      : html`<ul class="file-tiles" aria-label=${t("image.results")}>
            ${results.slice(0, shown).map(
              ({ id, n, output }) => html`<li key=${`${id} ${n}`}>
                <button type="button" class="file-tile" disabled=${busy} onClick=${() => work(() => asInput(id, n, output))}>
                  <${Thumb} task=${tasks.value.get(id)} n=${n} square alt="" />
                  <span class="file-tile-name">${output.filename ?? output.name}</span>
                </button>
              </li>`,
            )}
          </ul>
          ${results.length === 0 && html`<p class="muted center-text">${t("image.no_results")}</p>`}`}
  <//>`;
}

/** @param {import("./numberfield.js").Editor} props */
export function FileField({ field, id, onChange, describedby, invalid }) {
  const value = typeof field.value === "string" ? field.value : "";
  const kind = field.kind in ACCEPT ? field.kind : "file";
  const open = async () => {
    const chosen = await openSheet(
      (close) => html`<${FileSheet} kind=${kind} title=${field.label} options=${field.options ?? []} value=${value} close=${close} />`,
    );
    if (chosen) onChange(chosen.value);
  };
  const lead = value ? html`<span class="pick-picture"><${FilePicture} kind=${kind} value=${value} /></span>` : html`<${Icon} name=${kind} />`;
  return html`<${PickButton} id=${id} describedby=${describedby} invalid=${invalid} empty=${!value} lead=${lead} onClick=${open}>
    ${value || t("field.choose")}
  <//>`;
}
