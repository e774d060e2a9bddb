import { html } from "../../vendor/preact.js";
import { t } from "../../io/store.js";
import { Chip, SearchBox } from "../../ui/basics.js";
import { openMenu } from "../../ui/sheet.js";
import { groupsOf, namesOf } from "./items.js";
import { filter, items } from "./shelf.js";
import { groupName, ICON } from "./words.js";

/** @param {Partial<import("./items.js").Filter>} part */
const set = (part) => {
  filter.value = { ...filter.value, ...part };
};

export function Filters() {
  const { group, name, favourites, rating, run, text } = filter.value;
  const groups = groupsOf(items.value);
  const names = namesOf(items.value);
  const chooseName = async () => {
    const chosen = await openMenu({
      title: t("gallery.workflow"),
      items: [{ id: "", label: t("gallery.all_workflows"), icon: name ? undefined : "check" }, ...names.map((one) => ({ id: one, label: one, icon: one === name ? "check" : undefined }))],
    });
    if (chosen !== undefined) set({ name: chosen || null });
  };
  return html`<div class="gallery-filters">
    <${SearchBox} label=${t("gallery.search")} value=${text} onInput=${(/** @type {string} */ value) => set({ text: value })} />
    <div class="chips" role="group" aria-label=${t("gallery.filters")}>
      ${run && html`<${Chip} icon="timer" pressed onClick=${() => set({ run: null })}>${t("gallery.one_run")}<//>`}
      <${Chip} icon="star" pressed=${favourites} onClick=${() => set({ favourites: !favourites })}>${t("gallery.favourites")}<//>
      ${names.length > 0 && html`<${Chip} icon="flow" pressed=${!!name} onClick=${chooseName} aria-haspopup="dialog">${name ?? t("gallery.workflow")}<//>`}
      ${groups.length > 1 && groups.map((one) => html`<${Chip} key=${one} icon=${ICON[one]} pressed=${group === one} onClick=${() => set({ group: group === one ? null : one })}>${groupName(one)}<//>`)}
      <${Chip} icon="check" pressed=${rating === "chosen"} onClick=${() => set({ rating: rating === "chosen" ? null : "chosen" })}>${t("gallery.chosen")}<//>
      <${Chip} icon="bypass" pressed=${rating === "rejected"} onClick=${() => set({ rating: rating === "rejected" ? null : "rejected" })}>${t("gallery.rejected")}<//>
    </div>
  </div>`;
}
