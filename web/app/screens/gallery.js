import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { go, lastReached, online, route, serverNow, t, told } from "../io/store.js";
import { api } from "../io/api.js";
import { Banner, Button, Empty, IconButton, Skeleton } from "../ui/basics.js";
import { confirm } from "../ui/sheet.js";
import { useTopbar } from "../ui/shell.js";
import { openCompare } from "./gallery/compare.js";
import { openExport } from "./gallery/export.js";
import { Filters } from "./gallery/filters.js";
import { Grid } from "./gallery/grid.js";
import { EVERYTHING, itemsOf, narrows } from "./gallery/items.js";
import { cursor, failure, filter, follow, fromMemory, items, mark, readMore, refresh, removeWithUndo, shown, state } from "./gallery/shelf.js";
import { openViewer } from "./gallery/viewer.js";
import { clock } from "./tasks/words.js";

/** @typedef {import("./gallery/items.js").Item} Item */

/** More at once than this is asked about, though it can be undone. */
const MANY = 10;

/** @param {{selection: Item[], onDone: () => void}} props */
function Selected({ selection, onDone }) {
  const two = selection.length === 2 && selection.every((item) => item.group === "image");
  const remove = async () => {
    if (selection.length > MANY) {
      const sure = await confirm({
        title: t("gallery.delete_many", { count: selection.length }),
        text: t("gallery.delete_text"),
        action: t("gallery.delete"),
        tone: "danger",
      });
      if (!sure) return;
    }
    onDone();
    await removeWithUndo(selection);
  };
  const favour = () => {
    for (const item of selection) void mark(item, { favourite: true });
    onDone();
  };
  return html`<div class="grid-actions" role="toolbar" aria-label=${t("gallery.selection")}>
    <${IconButton} icon="close" label=${t("gallery.end_selection")} onClick=${onDone} />
    <span class="grow value">${t("gallery.selected", { count: selection.length })}</span>
    <${IconButton} icon="compare" label=${t("gallery.compare_two")} disabled=${!two} onClick=${() => openCompare(selection[0], selection[1])} />
    <${IconButton} icon="star" label=${t("gallery.favourite")} disabled=${!selection.length || !online.value} onClick=${favour} />
    <${IconButton} icon="trash" label=${t("gallery.delete")} disabled=${!selection.length || !online.value} onClick=${remove} />
  </div>`;
}

/** What stands where there is nothing to show. */
function Nothing() {
  if (state.value === "start") return html`<${Skeleton} cards=${4} lines=${2} />`;
  if (state.value === "failed") {
    const { title, hint } = told(failure.value);
    return html`<${Banner} tone="bad" title=${title} actions=${html`<${Button} icon="retry" onClick=${refresh}>${t("gallery.try_again")}<//>`}>${hint}<//>`;
  }
  if (!items.value.length) {
    return html`<${Empty} icon="gallery" title=${t("gallery.empty")} text=${t("gallery.empty_text")} actions=${html`<${Button} href="#/flow" icon="flow">${t("gallery.to_flow")}<//>`} />`;
  }
  if (cursor.value) return html`<${Skeleton} cards=${2} lines=${2} />`;
  return html`<${Empty}
    icon="filter"
    title=${t("gallery.no_match")}
    actions=${html`<${Button}
      onClick=${() => {
        filter.value = EVERYTHING;
      }}
    >${t("gallery.show_all")}<//>`}
  />`;
}

export default function Gallery() {
  const [selection, setSelection] = useState(/** @type {ReadonlyMap<string, Item> | null} */ (null));
  /** The one that the next tap is compared with. */
  const [partner, setPartner] = useState(/** @type {Item | null} */ (null));
  const list = shown.value;
  const now = useMemo(() => serverNow(), [list]);
  const selecting = selection !== null;

  useEffect(() => {
    const end = follow();
    return end;
  }, []);
  useEffect(() => {
    if (online.value || state.value === "start") void refresh();
  }, [online.value]);
  // A filter that leaves little of what is here asks for more, until there is enough or nothing is left.
  useEffect(() => {
    if (online.value && narrows(filter.value) && list.length < 60 && cursor.value && state.value === "ready") void readMore();
  }, [list.length, filter.value, state.value, online.value]);

  useTopbar(
    {
      actions: html`<${Button} tone="quiet" small onClick=${() => (selecting ? endSelection() : setSelection(new Map()))}>${t(selecting ? "gallery.end_selection" : "gallery.select")}<//>`,
      menu: [{ id: "export", label: t("gallery.export"), icon: "download", disabled: !online.value, onClick: () => void openExport() }],
    },
    [selecting, online.value, t("gallery.select")],
  );

  const endSelection = () => {
    setSelection(null);
    setPartner(null);
  };
  /** @param {Item} item */
  const pick = (item) => {
    if (partner && item.key !== partner.key && item.group === "image") {
      void openCompare(partner, item);
      return endSelection();
    }
    setPartner(null);
    setSelection((old) => {
      const next = new Map(old ?? []);
      if (!next.delete(item.key)) next.set(item.key, item);
      return next;
    });
  };
  /** @param {readonly Item[]} among @param {Item} item */
  const show = async (among, item) => {
    const other = await openViewer(among, item);
    if (!other) return;
    setSelection(new Map([[other.key, other]]));
    setPartner(other);
  };

  const { id, query } = route.value;
  useEffect(() => {
    if (route.value.screen !== "gallery" || !id) return;
    let here = true;
    api.get(`/ext/tasks/${encodeURIComponent(id)}`).then(
      async (task) => {
        if (!here) return;
        const all = itemsOf(task);
        await go("/gallery", { replace: true });
        const start = all.find((item) => String(item.n) === query.n) ?? all[0];
        if (start) void show(all, start);
      },
      () => here && void go("/gallery", { replace: true }),
    );
    return () => {
      here = false;
    };
  }, [id]);

  return html`<div class="gallery">
    <${Filters} />
    ${!online.value && items.value.length > 0 && html`<p class="muted as-of">${lastReached.value ? t("gallery.as_of", { time: clock(lastReached.value) }) : t("gallery.from_device")}</p>`}
    ${selecting && selection.size < 2 && html`<p class="muted">${t(selection.size === 1 ? "gallery.pick_second" : "gallery.pick")}</p>`}
    ${list.length
      ? html`<${Grid}
          items=${list}
          label=${t("gallery.results")}
          now=${now}
          selecting=${selecting}
          selection=${selection ?? new Set()}
          onOpen=${(/** @type {Item} */ item) => (selecting ? pick(item) : void show(list, item))}
          onHold=${(/** @type {Item} */ item) => pick(item)}
          onEnd=${() => online.value && !fromMemory.value && void readMore()}
        />`
      : html`<${Nothing} />`}
    ${state.value === "more" && list.length > 0 && html`<p class="grid-more" role="status"><span class="spinner" aria-hidden="true"></span><span class="sr-only">${t("gallery.loading")}</span></p>`}
    ${selecting && html`<${Selected} selection=${[...selection.values()]} onDone=${endSelection} />`}
  </div>`;
}
