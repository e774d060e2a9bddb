/** Models: what the server has, what the open workflow lacks, and links to get more. */
import { html, useEffect, useState } from "../vendor/preact.js";
import { bytes } from "../core/format.js";
import { filter } from "../core/search.js";
import { api } from "../io/api.js";
import { downloads, draft, drafts, FINISHED, go, lastReached, locale, models, online, refreshModels, route, t } from "../io/store.js";
import { Badge, Button, Chip, Empty, SearchBox, Skeleton } from "../ui/basics.js";
import { Icon } from "../ui/icons.js";
import { openDetails } from "./models/details.js";
import { Missing, useNeeds } from "./models/missing.js";
import { openPlan } from "./models/paste.js";
import { Problem } from "./models/problem.js";
import { DownloadRow } from "./models/progress.js";
import { baseName, loadFolder, loadSystem, pages, pieces, readDrafts, system, usedBy, uses } from "./models/state.js";

/** @typedef {import("./models/state.js").Model} Model */

const SEARCH_MS = 250;
/** Of all finds: more than anybody reads, few enough to draw at once. */
const MOST_FOUND = 200;
/** Ended downloads that stay in sight, beside those that failed. */
const ENDED = 3;

function Downloads() {
  const open = downloads.value.filter((task) => !FINISHED.has(task.status));
  const ended = downloads.value.filter((task) => FINISHED.has(task.status)).slice(0, ENDED);
  if (!open.length && !ended.length) return null;
  return html`<section class="panel" aria-labelledby="downloads-title">
    <div class="panel-head"><h2 id="downloads-title">${t("models.downloads")}</h2></div>
    <ul class="dls">${[...open, ...ended].map((task) => html`<${DownloadRow} key=${task.id} task=${task} />`)}</ul>
  </section>`;
}

/** @param {{model: Model, folder: string, showFolder?: boolean}} props */
function Row({ model, folder, showFolder }) {
  const [broken, setBroken] = useState(false);
  const used = uses(folder, model.name);
  const many = usedBy(folder, model.name).length;
  const slash = model.name.lastIndexOf("/");
  const facts = [showFolder ? folder : null, slash >= 0 ? model.name.slice(0, slash) : null, model.size === undefined ? null : bytes(model.size, locale.value), model.precision];
  return html`<li class="model">
    <button type="button" class="item" onClick=${() => openDetails({ ...model, folder })}>
      <span class="model-thumb">${model.preview && !broken
        ? html`<img src=${api.url(model.preview)} alt="" loading="lazy" decoding="async" width="48" height="48" onError=${() => setBroken(true)} />`
        : html`<${Icon} name="models" size=${22} />`}</span>
      <span class="item-main">
        <strong>${pieces(model.name.slice(slash + 1)).map((part) => html`${part}<wbr />`)}</strong>
        <small>${facts.filter(Boolean).join(" · ")}</small>
        ${(model.base_model || many > 0 || model.header === "damaged") && html`<span class="badges">
          ${model.base_model && html`<${Badge}>${baseName(model.base_model)}<//>`}
          ${used > 0 && html`<${Badge} tone="accent">${t("models.used_here")}<//>`}
          ${many > (used > 0 ? 1 : 0) && html`<${Badge}>${t("models.used_by", { count: many })}<//>`}
          ${model.header === "damaged" && html`<${Badge} tone="bad">${t("models.damaged")}<//>`}
        </span>`}
      </span>
      <${Icon} name="right" size=${18} />
    </button>
  </li>`;
}

/** @param {{folder: string}} props */
function Folder({ folder }) {
  const names = models.value[folder];
  const page = pages.value.get(folder);
  const reached = online.value;
  useEffect(() => {
    void loadFolder(folder);
  }, [folder, names, reached]);
  if (!page || (page.state === "loading" && !page.items.length && names?.length)) return html`<${Skeleton} lines=${2} cards=${3} />`;
  return html`<div class="stack">
    ${page.state === "failed" && html`<${Problem} error=${page.error} actions=${html`<${Button} small icon="retry" onClick=${() => loadFolder(folder)}>${t("ui.try_again")}<//>`} />`}
    ${page.items.length
      ? html`<ul class="rows boxed">${page.items.map((model) => html`<${Row} key=${model.name} model=${model} folder=${folder} />`)}</ul>`
      : page.state !== "failed" && html`<${Empty} icon="folder" title=${t("models.folder_empty", { folder })} text=${t("models.folder_empty_text", { folder })}
          actions=${html`<${Button} icon="link" disabled=${!online.value} onClick=${() => openPlan({ type: folder })}>${t("models.paste")}<//>`} />`}
    ${page.next && html`<${Button} busy=${page.state === "loading"} disabled=${!online.value} onClick=${() => loadFolder(folder, { more: true })}>
      ${t("models.show_more", { count: Math.max(0, (names?.length ?? 0) - page.items.length) })}<//>`}
  </div>`;
}

/** @param {{words: string}} props Over all folders: by the server, or by names alone where it is away. */
function Found({ words }) {
  const [state, setState] = useState(/** @type {{items: Model[] | null, error: unknown}} */ ({ items: null, error: null }));
  const reached = online.value;
  useEffect(() => {
    if (!reached) {
      const all = Object.entries(models.value).flatMap(([folder, names]) => names.map((name) => ({ name, folder })));
      setState({ items: filter(all, words, (one) => `${one.name} ${one.folder}`), error: null });
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      api.get(`/ext/models?detail=1&q=${encodeURIComponent(words)}`, { signal: stop.signal }).then(
        (found) => setState({ items: Object.entries(found).flatMap(([folder, list]) => /** @type {Model[]} */ (list).map((one) => ({ ...one, folder }))), error: null }),
        (error) => stop.signal.aborted || setState({ items: [], error }),
      );
    }, SEARCH_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [words, reached, models.value]);
  if (state.error) return html`<${Problem} error=${state.error} />`;
  if (!state.items) return html`<${Skeleton} lines=${2} cards=${2} />`;
  if (!state.items.length) return html`<${Empty} icon="search" title=${t("models.nothing_found", { words })} text=${t("models.nothing_found_text")} />`;
  return html`<div class="stack">
    <p class="hint">${t("models.found", { count: state.items.length })}</p>
    <ul class="rows boxed">${state.items.slice(0, MOST_FOUND).map((model) => html`<${Row} key=${`${model.folder}/${model.name}`} model=${model} folder=${model.folder ?? ""} showFolder />`)}</ul>
  </div>`;
}

/** Folders with files first, each group by name. @param {Record<string, string[]>} all */
function ordered(all) {
  return Object.keys(all).sort((a, b) => Number(!all[a].length) - Number(!all[b].length) || a.localeCompare(b));
}

/** @param {{all: Record<string, string[]>, chosen: string | null, choose: (folder: string) => void}} props */
function Folders({ all, chosen, choose }) {
  const [open, setOpen] = useState(false);
  const names = ordered(all);
  const empty = names.filter((name) => !all[name].length);
  const shown = names.filter((name) => open || all[name].length || name === chosen);
  return html`<div class="chips" role="group" aria-label=${t("models.folders")}>
    ${shown.map((name) => html`<${Chip} key=${name} pressed=${name === chosen} count=${all[name].length} onClick=${() => choose(name)}>${name}<//>`)}
    ${empty.length > 0 && html`<${Chip} icon=${open ? "up" : "down"} aria-expanded=${String(open)} onClick=${() => setOpen(!open)}>${t(open ? "models.hide_empty" : "models.show_empty", { count: empty.length })}<//>`}
  </div>`;
}

function Disk() {
  const { disk_free: free, disk_total: total } = system.value ?? {};
  if (!free) return null;
  return html`<p class="hint">${t("models.disk", { free: bytes(free, locale.value), total: bytes(total, locale.value) })}</p>`;
}

export default function Models() {
  const [words, setWords] = useState("");
  const [folder, setFolder] = useState(/** @type {string | null} */ (null));
  const all = models.value;
  const reached = online.value;
  const { query } = route.value;
  useNeeds();
  const kept = drafts.value;
  useEffect(() => void readDrafts(), [kept]);
  useEffect(() => {
    if (reached) void refreshModels();
  }, [reached]);
  // Files that came or went change the room on the disk.
  useEffect(() => {
    if (reached) void loadSystem();
  }, [reached, all]);
  useEffect(() => {
    // A link to `#/models?link=…`, such as one that was shared with the installed app.
    const { link } = query;
    if (link) void go("/models", { replace: true }).then(() => openPlan({ url: link }));
  }, [query.link]);
  const chosen = folder && folder in all ? folder : (ordered(all)[0] ?? null);
  return html`
    <div class="tools">
      <div class="grow"><${SearchBox} label=${t("models.search")} value=${words} onInput=${setWords} /></div>
      <${Button} tone="primary" icon="link" disabled=${!reached} onClick=${() => openPlan()}>${t("models.paste")}<//>
    </div>
    ${!reached && html`<p class="hint">${lastReached.value
      ? t("models.as_of", { time: new Intl.DateTimeFormat(locale.value === "zh" ? "zh-CN" : "en", { hour: "2-digit", minute: "2-digit" }).format(lastReached.value) })
      : t("models.downloads_wait")}</p>`}
    ${draft.value && html`<${Missing} />`}
    <${Downloads} />
    ${words.trim()
      ? html`<${Found} words=${words.trim()} />`
      : html`<section class="stack" aria-labelledby="on-server">
          <div class="panel-head"><h2 id="on-server">${t("models.on_server")}</h2><${Disk} /></div>
          ${chosen
            ? html`<${Folders} all=${all} chosen=${chosen} choose=${setFolder} /><${Folder} key=${chosen} folder=${chosen} />`
            : reached ? html`<${Skeleton} lines=${2} cards=${3} />` : html`<${Empty} icon="offline" title=${t("models.none_kept")} text=${t("models.none_kept_text")} />`}
        </section>`}
  `;
}
