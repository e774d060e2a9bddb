/** Pieces of prompts that are used again: kept on this device, put in where the caret is. */
import { html, useState } from "../vendor/preact.js";
import { filter } from "../core/search.js";
import { keepPresets as keep, loadPresets, presets, t, toast } from "../io/store.js";
import { Button, Empty, IconButton, SearchBox } from "./basics.js";
import { openSheet, Sheet } from "./sheet.js";

/** Fewer are read faster than searched. */
const MANY = 8;

/** @param {{title: string, text: string, close: (piece?: string) => void}} props */
function PresetSheet({ title, text, close }) {
  const [query, setQuery] = useState("");
  const now = text.trim();
  const all = presets.value;
  const found = query.trim() ? filter(all, query, String) : all;
  const use = (/** @type {string} */ one) => {
    keep([one, ...all.filter((each) => each !== one)]);
    close(one);
  };
  const remove = (/** @type {string} */ one) => {
    const before = presets.value;
    keep(before.filter((each) => each !== one));
    toast({ key: "preset.removed", action: { key: "edit.undo", run: () => keep(before) } });
  };
  const save = html`<${Button} icon="save" disabled=${!now || all.includes(now)} onClick=${() => keep([now, ...all])}>${t("preset.save")}<//>`;
  return html`<${Sheet} open tall title=${title} onClose=${() => close()} footer=${save}>
    ${all.length > MANY && html`<${SearchBox} label=${t("preset.search")} value=${query} onInput=${setQuery} />`}
    <ul class="menu presets" aria-label=${t("preset.title")}>
      ${found.map(
        (one) => html`<li key=${one} class="row">
          <button type="button" class="picker-row grow" onClick=${() => use(one)}><span class="grow preset-text">${one}</span></button>
          <${IconButton} icon="trash" label=${t("preset.remove", { text: one.slice(0, 40) })} onClick=${() => remove(one)} />
        </li>`,
      )}
    </ul>
    ${!all.length && html`<${Empty} icon="star" title=${t("preset.none")} text=${t("preset.none_text")} />`}
    ${all.length > 0 && !found.length && html`<p class="muted center-text">${t("picker.nothing", { query })}</p>`}
  <//>`;
}

/**
 * Lets a preset be chosen, and what is written now be kept as one.
 * @param {string} text What is written now.
 * @returns {Promise<string|undefined>}
 */
export async function pickPreset(text) {
  await loadPresets();
  return openSheet((close) => html`<${PresetSheet} title=${t("preset.title")} text=${text} close=${close} />`);
}
