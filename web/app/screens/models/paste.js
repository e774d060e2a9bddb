/** "Paste a link": what the link is and where it would go, before a byte is fetched. */
import { html, useEffect, useId, useRef, useState } from "../../vendor/preact.js";
import { bytes } from "../../core/format.js";
import { filter } from "../../core/search.js";
import { api } from "../../io/api.js";
import { locale, models, online, t } from "../../io/store.js";
import { Banner, Button, SearchBox, Select, Skeleton, Switch } from "../../ui/basics.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { begin } from "./progress.js";
import { Problem, webLink } from "./problem.js";
import { hostOf } from "./needs.js";
import { baseName } from "./state.js";

/** @typedef {{url: string, type: string, target_dir: string, filename: string, sha256?: string, overwrite: boolean, unzip: boolean}} Wish */

/** Waits for the end of typing; a pasted link is looked at at once. */
const IDLE_MS = 600;
/** From so many files on, the list of a repository can be searched. */
const MANY_FILES = 8;

/** Opens the sheet, filled in as far as is known. @param {Partial<Wish>} [start] */
export function openPlan(start = {}) {
  return openSheet((close) => html`<${PlanSheet} start=${start} close=${close} />`);
}

/** Looks like something that a source may know. @param {string} text */
const linkLike = (text) => /^(https?|hf|s3|gs|az):\/\/\S+$/.test(text) || /^urn:air:\S+$/.test(text) || /^[\w.-]+\/[\w.-]+\/\S+\.\w+$/.test(text);

/** @param {Wish} wish @returns {Record<string, unknown>} Without what is empty: the source then says it. */
function bodyOf(wish) {
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== "" && value !== false && value !== undefined));
}

/** @param {{label: string, children?: any}} props */
const Fact = ({ label, children }) => (children ? html`<div><dt>${label}</dt><dd>${children}</dd></div>` : null);

/** @param {{plan: any}} props */
function Facts({ plan }) {
  const page = webLink(plan.page);
  return html`<dl class="fact-list">
    <${Fact} label=${t("models.fact_source")}>
      ${page ? html`<a href=${page} target="_blank" rel="noreferrer noopener">${hostOf(page)}</a>` : hostOf(plan.url)}
    <//>
    <${Fact} label=${t("models.fact_file")}>${plan.filename}<//>
    <${Fact} label=${t("models.fact_size")}>${plan.size ? bytes(plan.size, locale.value) : t("models.size_unknown")}<//>
    <${Fact} label=${t("models.fact_base")}>${plan.base_model && baseName(plan.base_model)}<//>
    <${Fact} label=${t("models.fact_licence")}>${plan.licence}<//>
    <${Fact} label=${t("models.fact_triggers")}>${plan.trigger_words?.join(", ")}<//>
    <${Fact} label=${t("models.fact_scan")}>${plan.scan && plan.scan !== "unknown" ? t(SCANS[/** @type {keyof typeof SCANS} */ (plan.scan)] ?? SCANS.pending) : null}<//>
    <${Fact} label="SHA-256">${plan.sha256 ? html`<code class="hash">${plan.sha256}</code>` : t("models.no_hash")}<//>
    <${Fact} label=${t("models.fact_free")}>${plan.free_bytes ? bytes(plan.free_bytes, locale.value) : null}<//>
  </dl>`;
}

const SCANS = { clean: "models.scan_clean", pending: "models.scan_pending", dangerous: "models.scan_dangerous" };

/** @param {{plan: any}} props What is here of it already. */
function Here({ plan }) {
  if (plan.state === "present") return html`<${Banner} tone="good">${t("models.here_already", { folder: plan.folder, name: plan.name })}<//>`;
  if (plan.same_file) return html`<${Banner} tone="good">${t("models.here_already", plan.same_file)}<//>`;
  return null;
}

/** @param {{files: any[], onPick: (file: any) => void}} props */
function Choice({ files, onPick }) {
  const [words, setWords] = useState("");
  const open = files.filter((file) => file.url);
  const shown = words.trim() ? filter(open, words, (file) => file.path ?? file.name) : open;
  return html`<div class="stack">
    <h3>${t("models.choose_file")}</h3>
    ${open.length > MANY_FILES && html`<${SearchBox} label=${t("models.search_files", { count: open.length })} value=${words} onInput=${setWords} />`}
    ${!shown.length && html`<p class="hint" role="status">${t("models.nothing_found", { words })}</p>`}
    <ul class="rows">
      ${shown.map((file) => html`<li key=${file.url}>
        <button type="button" class="item" onClick=${() => onPick(file)}>
          <span class="item-main"><strong>${file.path ?? file.name}</strong>
          ${file.size ? html`<small>${bytes(file.size, locale.value)}</small>` : null}</span>
        </button>
      </li>`)}
    </ul>
  </div>`;
}

/** Of the folder's files none has this name. @param {any} plan @returns {string} */
function otherName(plan) {
  const path = String(plan.name ?? plan.filename);
  const taken = new Set(models.value[plan.folder] ?? []);
  const slash = path.lastIndexOf("/") + 1;
  const dot = path.lastIndexOf(".") > slash ? path.lastIndexOf(".") : path.length;
  let number = 2;
  while (taken.has(`${path.slice(0, dot)}-${number}${path.slice(dot)}`)) number += 1;
  return `${path.slice(slash, dot)}-${number}${path.slice(dot)}`;
}

/** @param {{plan: any, wish: Wish, change: (part: Partial<Wish>) => void}} props */
function Target({ plan, wish, change }) {
  const id = useId();
  const folders = Object.keys(models.value).sort();
  const folder = plan.folder ?? wish.type;
  if (folder && !folders.includes(folder)) folders.unshift(folder);
  const parts = String(plan.name ?? plan.filename ?? "").split("/");
  /** @param {any} event */
  const dir = (event) => change({ target_dir: event.target.value.trim().replace(/^\/+|\/+$/g, "") });
  return html`<div class="stack">
    <div class="field target">
      <label class="label" for=${`${id}-folder`}>${t("models.target_folder")}</label>
      <${Select} id=${`${id}-folder`} label=${t("models.target_folder")} value=${folder ?? ""} onChange=${(/** @type {string} */ type) => change({ type })}
        options=${[...(folder ? [] : [{ value: "", label: t("models.choose_folder") }]), ...folders.map((name) => ({ value: name, label: name }))]} />
    </div>
    <div class="field">
      <label class="label" for=${`${id}-name`}>${t("models.target_name")}</label>
      <input class="input" id=${`${id}-name`} autocomplete="off" autocapitalize="none" spellcheck=${false} value=${wish.filename || parts[parts.length - 1]}
        onChange=${(/** @type {any} */ event) => change({ filename: event.target.value.trim() })} />
    </div>
    <div class="field">
      <label class="label" for=${`${id}-dir`}>${t("models.target_dir")}</label>
      <input class="input" id=${`${id}-dir`} autocomplete="off" autocapitalize="none" spellcheck=${false} value=${wish.target_dir} aria-describedby=${`${id}-dir-hint`} onChange=${dir} />
      <p class="hint" id=${`${id}-dir-hint`}>${t("models.target_dir_hint")}</p>
    </div>
    ${/\.zip$/i.test(plan.filename ?? "") && html`<${Switch} label=${t("models.unzip")} checked=${wish.unzip} hint=${t("models.unzip_hint")} onChange=${(/** @type {boolean} */ unzip) => change({ unzip })} />`}
    ${(plan.state === "different" || wish.overwrite) && html`<${Switch} label=${t("models.overwrite")} checked=${wish.overwrite} hint=${t("models.overwrite_hint")} onChange=${(/** @type {boolean} */ overwrite) => change({ overwrite })} />`}
  </div>`;
}

/**
 * Asks what the link is whenever the wish changes; an older answer is dropped.
 * @param {Wish} wish
 */
function usePlan(wish) {
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState(/** @type {{asking: boolean, plan: any, error: any}} */ ({ asking: false, plan: null, error: null }));
  const link = linkLike(wish.url);
  const body = JSON.stringify(bodyOf(wish));
  useEffect(() => {
    if (!link) {
      setState({ asking: false, plan: null, error: null });
      return;
    }
    const stop = new AbortController();
    setState((old) => ({ ...old, asking: true, error: null }));
    api.post("/ext/models/resolve", JSON.parse(body), { signal: stop.signal }).then(
      (plan) => setState({ asking: false, plan, error: null }),
      (error) => stop.signal.aborted || setState({ asking: false, plan: null, error }),
    );
    return () => stop.abort();
  }, [link, body, turn]);
  return { ...state, link, again: () => setTurn(turn + 1) };
}

/** @param {{start: Partial<Wish>, close: (result?: unknown) => void}} props */
function PlanSheet({ start, close }) {
  const id = useId();
  const [wish, setWish] = useState(/** @type {Wish} */ ({ url: "", type: "", target_dir: "", filename: "", overwrite: false, unzip: false, ...start }));
  const [typed, setTyped] = useState(wish.url);
  const [sending, setSending] = useState(false);
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  const { asking, plan, error, link, again } = usePlan(wish);
  /** @param {Partial<Wish>} part */
  const change = (part) => setWish((old) => ({ ...old, ...part }));
  /** A new link knows its own name and folder. @param {string} text @param {number} wait */
  const look = (text, wait) => {
    setTyped(text);
    clearTimeout(timer.current);
    const url = text.trim();
    timer.current = setTimeout(() => url !== wish.url && change({ url, target_dir: start.target_dir ?? "", filename: start.filename ?? "", overwrite: false, unzip: false }), wait);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  const blocked = !plan || plan.state === "present" || plan.problems?.length > 0 || !plan.folder;
  // Where the source does not say the folder, the user does: that is a question, not a fault.
  const problems = (plan?.problems ?? []).filter((/** @type {any} */ one) => plan.folder || one.code !== "DOWNLOAD_INVALID_TYPE");
  const label = !plan?.folder
    ? t("models.download")
    : plan.size
      ? t("models.download_to", { size: bytes(plan.size, locale.value), folder: plan.folder })
      : t("models.download_into", { folder: plan.folder });
  const fetchIt = async () => {
    setSending(true);
    const taken = await begin(bodyOf(wish));
    setSending(false);
    if (taken) close(true);
  };
  const footer = html`<${Button} tone="primary" icon="download" busy=${sending} disabled=${blocked || asking || !online.value} onClick=${fetchIt}>${label}<//>`;
  // A link to a whole repository is no mistake: one of its files is meant.
  const choice = error?.details?.files?.length > 0;
  const unclear = typed.trim() !== "" && !asking && !link && typed.trim() === wish.url;
  return html`<${Sheet} open tall title=${t("models.paste")} onClose=${() => close()} footer=${footer}>
    <div class="stack">
      <div class="field">
        <label class="label" for=${id}>${t("models.link")}</label>
        <input class="input" id=${id} type="text" inputmode="url" enterkeyhint="go" autocomplete="off" autocapitalize="none" spellcheck=${false} value=${typed}
          aria-describedby=${`${id}-hint`} aria-invalid=${(error && !choice) || unclear ? "true" : null}
          onInput=${(/** @type {any} */ event) => look(event.target.value, event.inputType === "insertFromPaste" ? 0 : IDLE_MS)}
          onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && look(typed, 0)} />
        <p class="hint" id=${`${id}-hint`}>${t("models.link_hint")}</p>
      </div>
      ${!online.value && html`<${Banner} tone="warn">${t("models.offline_downloads")}<//>`}
      ${unclear && html`<${Banner} tone="bad" title=${t("models.not_a_link")} />`}
      ${asking && !plan && html`<${Skeleton} lines=${5} />`}
      ${error && !choice && html`<${Problem} error=${error} actions=${html`<${Button} small icon="retry" disabled=${!online.value} onClick=${again}>${t("ui.try_again")}<//>`} />`}
      ${choice && html`<${Choice} files=${error.details.files} onPick=${(/** @type {any} */ file) => look(file.url, 0)} />`}
      ${plan && html`<div class="stack" aria-busy=${String(asking)}>
        <${Here} plan=${plan} />
        ${plan.gated && html`<${Banner} tone="warn" title=${t("models.gated")}>
          ${t("models.gated_text")}${webLink(plan.page) && html` <a href=${webLink(plan.page)} target="_blank" rel="noreferrer noopener">${t("models.open_page")}</a>`}
        <//>`}
        ${!plan.folder && html`<${Banner} tone="warn">${t("models.folder_needed")}<//>`}
        ${problems.map((/** @type {any} */ one) => html`<${Problem} key=${one.code} error=${one} page=${plan.page} actions=${one.code === "DOWNLOAD_FILE_EXISTS" && html`
          <${Button} small onClick=${() => change({ filename: otherName(plan) })}>${t("models.keep_both")}<//>
          <${Button} small onClick=${() => change({ overwrite: true })}>${t("models.replace")}<//>`} />`)}
        <${Facts} plan=${plan} />
        <${Target} plan=${plan} wish=${wish} change=${change} />
        ${plan.notes?.length > 0 && html`<ul class="notes" lang="en">${plan.notes.map((/** @type {string} */ note) => html`<li>${note}</li>`)}</ul>`}
      </div>`}
    </div>
  <//>`;
}
