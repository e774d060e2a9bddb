import { html, useMemo, useState } from "../vendor/preact.js";
import { optionLabel } from "../core/fields.js";
import { same } from "../core/graph.js";
import { filter } from "../core/search.js";
import { t } from "../io/store.js";
import { Button, SearchBox } from "./basics.js";
import { Icon } from "./icons.js";
import { openSheet, Sheet } from "./sheet.js";

/** @typedef {import("../vendor/preact.js").ComponentChildren} Children */

/** Shorter lists are read faster than searched. */
const SEARCH_FROM = 9;
/** As many rows are drawn at once; a search or a button brings the others. */
const PAGE = 150;

/** @param {unknown} option */
const labelOf = (option) => optionLabel(option);

/**
 * A list to choose from. The keyboard of a phone comes up only when the search box is tapped.
 * @param {{options: any[], value?: any, onPick: (value: any) => void, search?: boolean, textOf?: (option: any) => string,
 *   row?: (option: any) => Children, picked?: (option: any) => boolean, label: string, empty?: string}} props
 */
export function Picker({ options, value, onPick, search, textOf = labelOf, row, picked, label, empty }) {
  const [query, setQuery] = useState("");
  const [shown, setShown] = useState(PAGE);
  const found = useMemo(() => (query.trim() ? filter(options, query, textOf) : options), [options, query, textOf]);
  const isPicked = picked ?? ((/** @type {any} */ option) => same(option, value));
  return html`<div class="stack">
    ${(search ?? options.length >= SEARCH_FROM) && html`<div class="picker-search"><${SearchBox} label=${t("picker.search", { label })} value=${query} onInput=${setQuery} /></div>`}
    <ul class="picker" aria-label=${label}>
      ${found.slice(0, shown).map((option) => {
        const on = isPicked(option);
        return html`<li key=${textOf(option)}>
          <button type="button" class="picker-row" aria-pressed=${String(on)} onClick=${() => onPick(option)}>
            ${row ? row(option) : html`<span class="grow">${textOf(option)}</span>`}
            ${on && html`<${Icon} name="check" />`}
          </button>
        </li>`;
      })}
    </ul>
    ${found.length === 0 && html`<p class="muted center-text">${query ? t("picker.nothing", { query }) : (empty ?? t("picker.empty"))}</p>`}
    ${found.length > shown && html`<${Button} onClick=${() => setShown(shown + PAGE)}>${t("picker.more", { count: found.length - shown })}<//>`}
  </div>`;
}

/**
 * @param {{title: string, options: any[], value?: any}} given
 * @returns {Promise<{value: any}|undefined>}
 */
export function pick({ title, options, value }) {
  return openSheet(
    (close) => html`<${Sheet} open title=${title} tall=${options.length >= SEARCH_FROM} onClose=${() => close()}>
      <${Picker} label=${title} options=${options} value=${value} onPick=${(/** @type {any} */ chosen) => close({ value: chosen })} />
    <//>`,
  );
}

/** @param {{title: string, options: any[], value: any[], close: (result?: any) => void}} props */
function Several({ title, options, value, close }) {
  const [chosen, setChosen] = useState(value);
  const has = (/** @type {any} */ option) => chosen.some((one) => same(one, option));
  const toggle = (/** @type {any} */ option) => setChosen(has(option) ? chosen.filter((one) => !same(one, option)) : [...chosen, option]);
  return html`<${Sheet}
    open
    title=${title}
    tall=${options.length >= SEARCH_FROM}
    onClose=${() => close()}
    footer=${html`<${Button} tone="primary" onClick=${() => close({ value: chosen })}>${t("picker.use", { count: chosen.length })}<//>`}
  >
    <${Picker} label=${title} options=${options} picked=${has} onPick=${toggle} />
  <//>`;
}

/** @param {{title: string, options: any[], value: any[]}} given @returns {Promise<{value: any[]}|undefined>} */
function pickSeveral({ title, options, value }) {
  return openSheet((close) => html`<${Several} title=${title} options=${options} value=${value} close=${close} />`);
}

/**
 * What looks like a field and opens a sheet. A combobox, for a button has no value to be invalid; `label for` names it.
 * @param {{id: string, onClick: () => void, describedby?: string|null, invalid?: boolean, empty?: boolean, lead?: Children,
 *   children?: Children}} props
 */
export function PickButton({ id, onClick, describedby, invalid, empty, lead, children }) {
  return html`<button
    type="button"
    role="combobox"
    class="pick"
    id=${id}
    aria-haspopup="dialog"
    aria-expanded="false"
    aria-describedby=${describedby}
    aria-invalid=${invalid ? "true" : null}
    onClick=${onClick}
  >
    ${lead}
    <span class="pick-value" data-state=${empty ? "empty" : null}>${children}</span>
    <${Icon} name="right" size=${18} />
  </button>`;
}

/** @param {import("./numberfield.js").Editor} props */
export function PickField({ field, id, onChange, describedby, invalid }) {
  const options = field.options ?? [];
  const many = field.multiple === true;
  const list = Array.isArray(field.value) ? field.value : [];
  const open = async () => {
    const chosen = many
      ? await pickSeveral({ title: field.label, options, value: list })
      : await pick({ title: field.label, options, value: field.value });
    if (chosen) onChange(chosen.value);
  };
  const text = many ? list.map(labelOf).join(", ") : field.value === undefined || field.value === null ? "" : labelOf(field.value);
  return html`<${PickButton} id=${id} describedby=${describedby} invalid=${invalid} empty=${!text} onClick=${open}>
    ${text || t("field.choose")}
  <//>`;
}
