/** One model: what its file says, where it is used, and moving, renaming or deleting it. */
import { html, useEffect, useId, useState } from "../../vendor/preact.js";
import { ago, bytes } from "../../core/format.js";
import { api } from "../../io/api.js";
import { draft, locale, models, online, refreshModels, setParam, t, toast, toastError } from "../../io/store.js";
import { Badge, Button, Select, Skeleton } from "../../ui/basics.js";
import { confirm, openSheet, Sheet } from "../../ui/sheet.js";
import { copyText } from "../../ui/copy.js";
import { Problem, webLink } from "./problem.js";
import { baseName, loadFolder, modelPath, pieces, places, usedBy } from "./state.js";

/** @typedef {import("./state.js").Model} Model */

const MOST_TAGS = 12;

/** @param {Model & {folder: string}} model */
export const openDetails = (model) => openSheet((close) => html`<${Details} model=${model} close=${close} />`);

/** @param {{label: string, children?: any}} props */
const Fact = ({ label, children }) =>
  children === null || children === undefined || children === "" ? null : html`<div><dt>${label}</dt><dd>${children}</dd></div>`;

/** What base_model_from says, for people. @type {Record<string, string>} */
const FROM = { source: "models.base_from_source", metadata: "models.base_from_metadata", tensors: "models.base_from_tensors" };

/** @param {{words: string[]}} props */
function Triggers({ words }) {
  if (!words?.length) return null;
  const copy = (/** @type {string} */ word) => toast({ key: copyText(word) ? "models.copied" : "models.copy_failed", params: { text: word } });
  return html`<section class="stack">
    <h3>${t("models.fact_triggers")}</h3>
    <div class="chips">${words.map((word) => html`<button type="button" class="chip" key=${word} aria-label=${t("models.copy_one", { text: word })} onClick=${() => copy(word)}><span class="chip-text">${word}</span></button>`)}</div>
  </section>`;
}

/** @param {{model: any, folder: string, onHash: () => void, hashing: boolean}} props */
function Facts({ model, folder, onHash, hashing }) {
  const at = locale.value;
  const page = webLink(model.page);
  const dim = [model.network_dim, model.network_alpha].filter((one) => one !== null && one !== undefined).join(" / ");
  const parameters = model.parameters ? new Intl.NumberFormat(at === "zh" ? "zh-CN" : "en", { notation: "compact" }).format(model.parameters) : null;
  return html`<dl class="fact-list">
    <${Fact} label=${t("models.fact_folder")}>${folder}<//>
    <${Fact} label=${t("models.fact_size")}>${model.size === undefined ? null : bytes(model.size, at)}<//>
    <${Fact} label=${t("models.fact_base")}>${model.base_model && html`${baseName(model.base_model)}${FROM[model.base_model_from] && html` <small>${t(FROM[model.base_model_from])}</small>`}`}<//>
    <${Fact} label=${t("models.fact_changed")}>${model.modified && ago(model.modified, Date.now(), at)}<//>
    <${Fact} label=${t("models.fact_format")}>${[model.format, model.precision, parameters && t("models.parameters", { count: parameters })].filter(Boolean).join(" · ")}<//>
    <${Fact} label=${t("models.fact_resolution")}>${model.resolution}<//>
    <${Fact} label=${t("models.fact_dim")}>${dim}<//>
    <${Fact} label=${t("models.fact_prediction")}>${model.prediction_type}<//>
    <${Fact} label=${t("models.fact_used")}>${usedBy(folder, model.name).join(", ")}<//>
    <${Fact} label=${t("models.fact_licence")}>${model.licence}<//>
    <${Fact} label=${t("models.fact_source")}>${page && html`<a href=${page} target="_blank" rel="noreferrer noopener">${t("models.open_page")}</a>`}<//>
    <div><dt>SHA-256</dt><dd>${model.sha256 ? html`<code class="hash">${model.sha256}</code>` : html`<${Button} small busy=${hashing} disabled=${!online.value} onClick=${onHash}>${t("models.work_out_hash")}<//>`}</dd></div>
  </dl>`;
}

/** @param {{folder: string, name: string, close: (result?: unknown) => void}} props Nodes of the open workflow that could take it. */
function Use({ folder, name, close }) {
  const could = places.value.filter((one) => one.folder === folder);
  if (!draft.value || !could.length) return null;
  /** @param {import("./state.js").Place} place */
  const use = async (place) => {
    try {
      await setParam(place.id, place.param, name);
      toast({ key: "models.now_used", params: { name }, tone: "good" });
      close();
    } catch (error) {
      toastError(error);
    }
  };
  return html`<section class="stack">
    <h3>${t("models.use_in", { name: draft.value.name })}</h3>
    <ul class="rows">${could.map((place) => html`<li key=${`${place.id}.${place.param}`} class="use">
      <span class="item-main"><strong>${place.title}</strong><small>#${place.id} · ${place.name}</small></span>
      ${place.name === name ? html`<${Badge} tone="good">${t("models.in_use")}<//>` : html`<${Button} small onClick=${() => use(place)}>${t("models.use")}<//>`}
    </li>`)}</ul>
  </section>`;
}

/** @param {{folder: string, name: string, close: (result?: any) => void}} props */
function Move({ folder, name, close }) {
  const id = useId();
  const [where, setWhere] = useState({ folder, name });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const same = where.folder === folder && where.name.trim() === name;
  const move = async () => {
    setBusy(true);
    setError(null);
    try {
      close(await api.patch(modelPath(folder, name), { folder: where.folder, name: where.name.trim() }));
    } catch (caught) {
      setError(caught);
    }
    setBusy(false);
  };
  const footer = html`<${Button} onClick=${() => close()}>${t("ui.cancel")}<//>
    <${Button} tone="primary" busy=${busy} disabled=${same || !where.name.trim() || !online.value} onClick=${move}>${t("models.move_action")}<//>`;
  return html`<${Sheet} open title=${t("models.move")} onClose=${() => close()} footer=${footer}>
    <div class="stack">
      ${error && html`<${Problem} error=${error} />`}
      <div class="field target"><label class="label" for=${`${id}-folder`}>${t("models.target_folder")}</label>
        <${Select} id=${`${id}-folder`} label=${t("models.target_folder")} value=${where.folder} onChange=${(/** @type {string} */ value) => setWhere({ ...where, folder: value })}
          options=${Object.keys(models.value).sort().map((one) => ({ value: one, label: one }))} /></div>
      <div class="field"><label class="label" for=${`${id}-name`}>${t("models.target_name")}</label>
        <input class="input" id=${`${id}-name`} autocomplete="off" autocapitalize="none" spellcheck=${false} aria-describedby=${`${id}-hint`} value=${where.name}
          onInput=${(/** @type {any} */ event) => setWhere({ ...where, name: event.target.value })} />
        <p class="hint" id=${`${id}-hint`}>${t("models.move_hint")}</p></div>
      ${usedBy(folder, name).length > 0 && html`<p class="hint">${t("models.move_used", { name: usedBy(folder, name).join(", ") })}</p>`}
    </div>
  <//>`;
}

/** @param {{model: Model & {folder: string}, close: (result?: unknown) => void}} props */
function Details({ model: listed, close }) {
  const [place, setPlace] = useState({ folder: listed.folder, name: listed.name });
  const [model, setModel] = useState(/** @type {any} */ (listed));
  const [state, setState] = useState(/** @type {{loading: boolean, hashing: boolean, error: unknown}} */ ({ loading: true, hashing: false, error: null }));
  const [broken, setBroken] = useState(false);
  const { folder, name } = place;
  const path = modelPath(folder, name);
  const reached = online.value;
  useEffect(() => {
    let here = true;
    setState({ loading: reached, hashing: false, error: null });
    // What the list says is what there is then; a request might hang.
    if (!reached) return;
    api.get(path).then(
      (found) => here && (setModel(found), setState({ loading: false, hashing: false, error: null })),
      (error) => here && setState({ loading: false, hashing: false, error }),
    );
    return () => {
      here = false;
    };
  }, [path, reached]);
  const hash = async () => {
    setState({ ...state, hashing: true });
    try {
      setModel(await api.get(`${path}?hash=1`));
    } catch (error) {
      toastError(error);
    }
    setState((old) => ({ ...old, hashing: false }));
  };
  const changed = () => {
    void refreshModels();
    void loadFolder(folder);
  };
  const move = async () => {
    const moved = await openSheet((done) => html`<${Move} folder=${folder} name=${name} close=${done} />`);
    if (!moved) return;
    toast({ key: "models.moved", params: { folder: moved.folder, name: moved.name }, tone: "good" });
    changed();
    setPlace({ folder: moved.folder, name: moved.name });
    if (moved.folder !== folder) void loadFolder(moved.folder);
  };
  const remove = async () => {
    const names = usedBy(folder, name);
    const used = names.length ? ` ${t("models.delete_used", { count: names.length, name: names.join(", ") })}` : "";
    const text = t("models.delete_text", { folder, size: bytes(model.size ?? 0, locale.value) }) + used;
    if (!(await confirm({ title: t("models.delete_title", { name }), text, action: t("models.delete"), tone: "danger" }))) return;
    try {
      await api.del(path);
      toast({ key: "models.deleted", params: { name }, tone: "good" });
      changed();
      close();
    } catch (error) {
      toastError(error);
    }
  };
  const title = model.title ?? name.slice(name.lastIndexOf("/") + 1);
  const tags = Object.entries(model.tags ?? {}).slice(0, MOST_TAGS);
  const said = model.metadata && Object.keys(model.metadata).length ? JSON.stringify(model.metadata, null, 2) : null;
  const footer = html`<${Button} tone="quiet" data-danger icon="trash" disabled=${!online.value} onClick=${remove}>${t("models.delete")}<//>
    <${Button} icon="edit" disabled=${!online.value} onClick=${move}>${t("models.move")}<//>`;
  return html`<${Sheet} open tall title=${title} onClose=${() => close()} footer=${footer}>
    <div class="stack model-sheet">
      ${model.preview && !broken && html`<img class="model-picture" src=${api.url(model.preview)} alt="" onError=${() => setBroken(true)} />`}
      ${title !== name && html`<p class="model-path">${pieces(name).map((part) => html`${part}<wbr />`)}</p>`}
      ${state.error && html`<${Problem} tone="warn" error=${state.error} />`}
      ${model.damaged && html`<${Problem} error=${{ code: "DOWNLOAD_INVALID_FORMAT", message: model.damaged }} />`}
      ${state.loading && model.size === undefined ? html`<${Skeleton} lines=${5} />` : html`<${Facts} model=${model} folder=${folder} hashing=${state.hashing} onHash=${hash} />`}
      <${Triggers} words=${model.trigger_words ?? []} />
      <${Use} folder=${folder} name=${name} close=${close} />
      ${tags.length > 0 && html`<section class="stack"><h3>${t("models.trained_with")}</h3>
        <div class="chips">${tags.map(([tag, count]) => html`<span class="chip" key=${tag}><span class="chip-text">${tag}</span><span class="chip-count">${String(count)}</span></span>`)}</div></section>`}
      ${said && html`<details class="details"><summary>${t("models.metadata")}</summary><pre tabindex="0">${said}</pre></details>`}
    </div>
  <//>`;
}
