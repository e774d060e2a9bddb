/** The workflow as cards: what is edited, what runs, what is wrong. */
import { html, useEffect } from "../vendor/preact.js";
import { catalogState, draft, loadCatalog, t, toastError } from "../io/store.js";
import { Banner, Button, SearchBox, Segmented, Skeleton } from "../ui/basics.js";
import { runHandler, useTopbar } from "../ui/shell.js";
import { LastRun, openChanges, RunStrip } from "./flow/after.js";
import { openAdd } from "./flow/add.js";
import { Cards } from "./flow/cards.js";
import { NoDraft, NoNodes } from "./flow/empty.js";
import { changed } from "./flow/live.js";
import { MissingModels } from "./flow/missing.js";
import { openProblems, Problems, runOrTell } from "./flow/problems.js";
import { SimpleView } from "./flow/simpleview.js";
import { chooseLines, found, lines, order, simple, simpleChosen, words } from "./flow/state.js";
import { Suggest } from "./flow/suggest.js";

/** Up to this many cards are found faster by looking. */
const FEW = 4;

function Tools() {
  const views = [
    { value: "simple", label: t("flow.view_simple") },
    { value: "cards", label: t("flow.view_cards") },
    { value: "lines", label: t("flow.view_lines") },
  ];
  const view = simple.value ? "simple" : lines.value ? "lines" : "cards";
  const choose = (/** @type {string} */ next) => {
    simpleChosen.value = next === "simple";
    if (next !== "simple") chooseLines(next === "lines");
  };
  const narrow = words.value.trim() !== "";
  const count = found.value.size;
  return html`<div class="flow-tools">
    <${Segmented} hideLabel label=${t("flow.view")} options=${views} value=${view} onChange=${choose} />
    ${!simple.value &&
    order.value.length > FEW &&
    html`<${SearchBox} label=${t("flow.search_cards")} value=${words.value} narrowing=${narrow} onInput=${(/** @type {string} */ text) => (words.value = text)} />
      ${narrow && html`<p class="narrowing" role="status">${t("flow.narrowed", { count, all: order.value.length })}</p>`}`}
  </div>`;
}

function Draft() {
  if (!order.value.length) return html`<${NoNodes} />`;
  return html`<${Tools} />
    ${simple.value ? html`<${SimpleView} />` : html`<${Cards} />`}
    ${!simple.value && words.value.trim() === "" && html`<${Suggest} />`}
    <${LastRun} />`;
}

export default function Flow() {
  const open = draft.value !== null;
  useTopbar(
    {
      menu: open
        ? [
            { id: "add", label: t("flow.add_node"), icon: "plus", onClick: () => openAdd() },
            { id: "problems", label: t("flow.problems"), icon: "alert", onClick: () => openProblems() },
            { id: "changes", label: t("flow.changed_title"), icon: "compare", disabled: !changed.value.length, onClick: openChanges },
          ]
        : [],
    },
    [open, changed.value.length > 0, t("flow.add_node")],
  );
  useEffect(() => {
    runHandler.value = runOrTell;
    return () => {
      runHandler.value = null;
    };
  }, []);
  if (!open) return html`<div class="flow"><${NoDraft} /></div>`;
  if (catalogState.value === "loading") return html`<div class="flow"><${Skeleton} cards=${3} lines=${4} /></div>`;
  const again = html`<${Button} icon="retry" onClick=${() => loadCatalog().catch(toastError)}>${t("ui.try_again")}<//>`;
  return html`<div class="flow">
    <${RunStrip} />
    ${catalogState.value === "failed" && html`<${Banner} tone="warn" title=${t("flow.no_catalog")} actions=${again}>${t("flow.no_catalog_text")}<//>`}
    <${MissingModels} />
    <${Problems} />
    <${Draft} />
  </div>`;
}
