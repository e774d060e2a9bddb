/** Library: everything that can be opened, from the device, from the server, from the desktop, from a file. */
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { filter } from "../core/search.js";
import { draft, drafts, go, locale, online, openDraft, server, t } from "../io/store.js";
import { Button, Chip, Empty, SearchBox, Skeleton } from "../ui/basics.js";
import { aboutFor, titleFor } from "../ui/titles.js";
import { DraftRow } from "./library/drafts.js";
import { exportFile, saveToServer } from "./library/keep.js";
import { importFile, loadRecent, opening, recent } from "./library/open.js";
import { ComfyRow, DesktopRow, RecentRow, ServerRow, TemplateRow } from "./library/rows.js";
import { loadComfy, loadShelf, loadShelves, shelves } from "./library/state.js";
import { Problem } from "./models/problem.js";

/** @typedef {import("./library/state.js").ShelfName} ShelfName */
/** @typedef {{id: string, title: string, items: any[], row: any, textOf: (item: any) => string, keyOf: (item: any) => string, prop: string, shelf?: ShelfName, empty?: string}} Group */

/** Of a group beside others; all of it once it is chosen. */
const FEW = 4;
const STEP = 40;
/** What carries a workflow: ComfyUI's own files, and the formats that its nodes save. */
const ACCEPT = ".json,.png,.webp,.jpg,.jpeg,.mp4,.webm,.flac,.ogg,.mp3,.svg,.glb,.safetensors,application/json,image/png,image/webp,video/mp4";

/** @returns {Group[]} */
function groups() {
  const { desktop, server: files, templates, comfy } = shelves;
  /** @type {Group[]} */
  const all = [
    { id: "drafts", title: t("library.group_drafts"), items: drafts.value, row: DraftRow, prop: "entry", textOf: (one) => one.name, keyOf: (one) => one.id },
    { id: "recent", title: t("library.group_recent"), items: recent.value, row: RecentRow, prop: "item", textOf: (one) => one.name, keyOf: (one) => one.source },
    { id: "server", title: t("library.group_server"), items: files.value.items, row: ServerRow, prop: "item", textOf: (one) => one.name, keyOf: (one) => one.path, shelf: "server", empty: t("library.server_empty") },
    { id: "desktop", title: t("library.group_desktop"), items: desktop.value.items, row: DesktopRow, prop: "item", textOf: (one) => one.label ?? "", keyOf: (one) => one.id, shelf: "desktop" },
    { id: "templates", title: t("library.group_templates"), items: templates.value.items, row: TemplateRow, prop: "item", shelf: "templates", keyOf: (one) => one.name,
      textOf: (one) => [titleFor(one), aboutFor(one), one.name, ...(one.tags ?? []), ...(one.base_models ?? [])].join(" ") },
    { id: "comfy", title: t("library.group_comfy"), items: comfy.value.items, row: ComfyRow, prop: "item", shelf: "comfy", keyOf: (one) => one.name,
      textOf: (one) => [one.title, one.name, one.description, one.category, ...(one.tags ?? []), ...(one.models ?? [])].join(" ") },
  ];
  return all.filter((one) => {
    if (!one.shelf) return one.items.length > 0;
    const { state, items } = shelves[one.shelf].value;
    if (state === "absent") return false;
    if (!items.length && !online.value && state !== "ready") return false;
    return items.length > 0 || state === "failed" || (state === "loading" && one.id !== "desktop") || Boolean(one.empty);
  });
}

/** @param {{group: Group, alone: boolean, words: string, choose: (id: string) => void}} props */
function Section({ group, alone, words, choose }) {
  const [more, setMore] = useState(STEP);
  const { state, error } = group.shelf ? shelves[group.shelf].value : { state: "ready", error: undefined };
  const found = words ? filter(group.items, words, group.textOf) : group.items;
  const shown = found.slice(0, alone ? more : words ? FEW * 2 : FEW);
  if (words && !found.length) return null;
  const title = `group-${group.id}`;
  return html`<section class="stack" aria-labelledby=${title}>
    <div class="panel-head">
      <h2 id=${title}>${group.title}</h2>
      ${!alone && found.length > shown.length && html`<${Button} small tone="quiet" aria-label=${t("library.show_all_of", { title: group.title, count: found.length })} onClick=${() => choose(group.id)}>${t("library.show_all", { count: found.length })}<//>`}
    </div>
    ${state === "failed" && online.value && html`<${Problem} tone="warn" error=${error} actions=${html`<${Button} small icon="retry" onClick=${() => group.shelf && loadShelf(group.shelf)}>${t("ui.try_again")}<//>`} />`}
    ${state === "loading" && !group.items.length && html`<${Skeleton} lines=${2} />`}
    ${state === "ready" && !group.items.length && html`<p class="hint">${group.empty}</p>`}
    ${shown.length > 0 && html`<ul class="rows boxed">${shown.map((item) => html`<${group.row} key=${group.keyOf(item)} ...${{ [group.prop]: item }} />`)}</ul>`}
    ${alone && found.length > shown.length && html`<${Button} onClick=${() => setMore(more + STEP)}>${t("library.show_more", { count: found.length - shown.length })}<//>`}
  </section>`;
}

/** The workflow that is open, and keeping it. */
function OpenNow() {
  const now = draft.value;
  if (!now) return null;
  return html`<section class="panel" aria-labelledby="open-now">
    <div class="panel-head"><h2 id="open-now">${now.name}</h2><small>${t("library.open_now")}</small></div>
    <div class="row wrap">
      ${shelves.server.value.state !== "absent" && html`<${Button} small icon="save" disabled=${!online.value} onClick=${saveToServer}>${t("library.save")}<//>`}
      <${Button} small icon="download" onClick=${exportFile}>${t("library.export")}<//>
    </div>
  </section>`;
}

function Import() {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  /** @param {any} event */
  const chosen = async (event) => {
    const file = event.target.files?.[0];
    event.target.value = "";
    if (file) await importFile(file);
  };
  return html`<${Button} icon="upload" busy=${opening.value === "file:"} onClick=${() => input.current?.click()}>${t("library.import")}<//>
    <input ref=${input} type="file" hidden accept=${ACCEPT} aria-label=${t("library.import")} onChange=${chosen} />`;
}

export default function Library() {
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState(/** @type {string | null} */ (null));
  const reached = online.value;
  const language = locale.value;
  useEffect(() => {
    void loadRecent();
    void loadShelves();
  }, [reached]);
  useEffect(loadComfy, [reached, language]);
  const all = groups();
  const one = all.find((group) => group.id === chosen);
  const shown = one ? [one] : all;
  const text = words.trim();
  const found = text ? shown.filter((group) => filter(group.items, text, group.textOf).length) : shown;
  const blank = () => {
    openDraft({ name: t("library.new_name"), graph: {} });
    void go("/flow");
  };
  return html`
    <div class="tools library">
      <div class="grow"><${SearchBox} label=${t("library.search")} value=${words} onInput=${setWords} /></div>
      <${Import} />
      ${server.value?.locked !== true && html`<${Button} icon="plus" onClick=${blank}>${t("library.blank")}<//>`}
    </div>
    ${!reached && html`<p class="hint">${t("library.offline")}</p>`}
    ${!text && !one && html`<${OpenNow} />`}
    <div class="chips scroll" role="group" aria-label=${t("library.groups")}>
      <${Chip} pressed=${!one} onClick=${() => setChosen(null)}>${t("library.all")}<//>
      ${all.map((group) => html`<${Chip} key=${group.id} pressed=${group.id === chosen} count=${group.items.length} onClick=${() => setChosen(group.id)}>${group.title}<//>`)}
    </div>
    ${found.length
      ? found.map((group) => html`<${Section} key=${group.id} group=${group} alone=${Boolean(one)} words=${text} choose=${setChosen} />`)
      : html`<${Empty} icon=${text ? "search" : "library"} title=${text ? t("library.nothing_found", { words: text }) : t("library.empty")} text=${text ? t("library.nothing_found_text") : t("library.empty_text")} />`}
  `;
}
