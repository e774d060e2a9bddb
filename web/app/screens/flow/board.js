/** The workflow as cards: what is edited, what runs, what is wrong. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { catalogFault, catalogState, go, loadCatalog, redo, t, toast, toastError, told, undo } from "../../io/store.js";
import { Banner, Button, Empty, SearchBox, Segmented, Skeleton } from "../../ui/basics.js";
import { runHandler, useTopbar } from "../../ui/shell.js";
import { LastRun, openChanges, RunStrip } from "./after.js";
import { openAdd } from "./add.js";
import { Cards } from "./cards.js";
import { changed } from "./live.js";
import { MissingModels } from "./missing.js";
import { openProblems, Problems, runOrTell } from "./problems.js";
import { SimpleView } from "./simpleview.js";
import { choose, found, lines, order, simple, words } from "./state.js";
import { Suggest } from "./suggest.js";
import { copyText } from "../../ui/copy.js";

/** Up to this many cards are found faster by looking. */
const FEW = 4;

function Tools() {
  const views = [
    { value: "simple", label: t("flow.view_simple") },
    { value: "cards", label: t("flow.view_cards") },
    { value: "lines", label: t("flow.view_lines") },
  ];
  const view = simple.value ? "simple" : lines.value ? "lines" : "cards";
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

/** The node classes could not be read: what went wrong, to try again or to be told to somebody who can help. */
function NoCatalog() {
  const [busy, setBusy] = useState(false);
  const { title, hint, code } = told(catalogFault.value);
  const again = async () => {
    setBusy(true);
    await loadCatalog().catch(toastError);
    setBusy(false);
  };
  const copy = () => {
    const fault = /** @type {any} */ (catalogFault.value);
    const text = JSON.stringify({ code, message: fault?.message, status: fault?.status, details: fault?.details, page: location.href, at: new Date().toISOString() }, null, 1);
    toast({ key: copyText(text) ? "flow.details_copied" : "flow.details_not_copied" });
  };
  const actions = html`<${Button} icon="retry" busy=${busy} onClick=${again}>${t("ui.try_again")}<//>
    <${Button} icon="copy" onClick=${copy}>${t("flow.copy_details")}<//>`;
  return html`<${Banner} tone="warn" title=${t("flow.no_catalog")} actions=${actions}>
    <p>${title}${hint ? ` ${hint}` : ""} <code>${code}</code></p>
    <p>${t("flow.no_catalog_text")}</p>
  <//>`;
}

function NoNodes() {
  return html`<${Empty}
    icon="flow"
    title=${t("flow.no_nodes")}
    text=${t("flow.no_nodes_text")}
    actions=${html`<${Button} tone="primary" icon="plus" onClick=${() => openAdd()}>${t("flow.add_node")}<//>
      <${Button} icon="library" onClick=${() => go("/library")}>${t("flow.open_library")}<//>`}
  />`;
}

function Draft() {
  if (!order.value.length) return html`<${NoNodes} />`;
  return html`<${Tools} />
    ${simple.value ? html`<${SimpleView} />` : html`<${Cards} />`}
    ${!simple.value && words.value.trim() === "" && html`<${Suggest} />`}
    <${LastRun} />`;
}

export default function Board() {
  useTopbar(
    {
      menu: [
        { id: "add", label: t("flow.add_node"), icon: "plus", onClick: () => openAdd() },
        { id: "problems", label: t("flow.problems"), icon: "alert", onClick: () => openProblems() },
        { id: "changes", label: t("flow.changed_title"), icon: "compare", disabled: !changed.value.length, onClick: openChanges },
      ],
    },
    [changed.value.length > 0, t("flow.add_node")],
  );
  useEffect(() => {
    const key = (/** @type {KeyboardEvent} */ event) => {
      const letter = event.key.toLowerCase();
      // In a text they are the text's own; over a sheet nobody sees what they do.
      const typing = event.target instanceof Element && event.target.closest("input:not([type=radio], [type=range]), textarea, select, dialog");
      if (!(event.ctrlKey || event.metaKey) || event.altKey || typing || document.querySelector("dialog[open]")) return;
      if (letter !== "z" && letter !== "y") return;
      event.preventDefault();
      if (letter === "y" || event.shiftKey) redo();
      else undo();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  useEffect(() => {
    runHandler.value = runOrTell;
    return () => {
      runHandler.value = null;
    };
  }, []);
  if (catalogState.value === "loading") return html`<div class="flow"><${Skeleton} cards=${3} lines=${4} /></div>`;
  return html`<div class="flow">
    <${RunStrip} />
    ${catalogState.value === "failed" && html`<${NoCatalog} />`}
    <${MissingModels} onShow=${() => openProblems()} />
    <${Problems} />
    <${Draft} />
  </div>`;
}
