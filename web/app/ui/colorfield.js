import { html, useState } from "../vendor/preact.js";
import { colored, hexOf, parseValue, recolored } from "../core/fields.js";
import { t } from "../io/store.js";
import { IconButton } from "./basics.js";

/** A colour: its swatch opens the device's own choice, and beside it it can be typed. @param {import("./numberfield.js").Editor} props */
export function ColorField({ field, id, onChange, onNote, describedby, invalid }) {
  const [typed, setTyped] = useState(/** @type {string|null} */ (null));
  const hex = hexOf(field.value);
  const shown = typed ?? (typeof field.value === "number" ? (hex ?? String(field.value)) : (field.value ?? ""));
  const commit = () => {
    if (typed === null) return;
    setTyped(null);
    const read = parseValue(field, typed);
    onNote("value" in read ? null : { key: read.error });
    if ("value" in read) onChange(read.value);
  };
  return html`<div class="row color-row">
    <span class="swatch" data-state=${hex ? null : "unknown"}>
      <input
        type="color"
        aria-label=${t("field.pick_color", { label: field.label })}
        value=${hex ?? "#000000"}
        onInput=${(/** @type {any} */ event) => {
          setTyped(null);
          onNote(null);
          onChange(colored(field, event.target.value));
        }}
      />
    </span>
    <input
      class="input value grow"
      id=${id}
      type="text"
      autocomplete="off"
      autocapitalize="none"
      spellcheck=${false}
      enterkeyhint="done"
      aria-describedby=${describedby}
      aria-invalid=${invalid ? "true" : null}
      value=${shown}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)}
      onBlur=${commit}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && commit()}
    />
  </div>`;
}

const FIRST = "#ffffff";

/** A list of colours: a swatch for each, and one more on demand. @param {import("./numberfield.js").Editor} props */
export function ColorsField({ field, id, onChange, describedby }) {
  /** @type {string[]} */
  const list = field.value ?? [];
  const { label } = field;
  return html`<ul class="colors">
    ${list.map(
      (one, n) => html`<li key=${n}>
        <span class="swatch" data-state=${hexOf(one) ? null : "unknown"} title=${one}>
          <input
            type="color"
            aria-label=${t("field.color_n", { label, n: n + 1 })}
            value=${hexOf(one) ?? "#000000"}
            onInput=${(/** @type {any} */ event) => onChange(recolored(list, n, event.target.value))}
          />
        </span>
        <${IconButton} icon="close" label=${t("field.color_remove", { label, n: n + 1 })} onClick=${() => onChange(recolored(list, n, null))} />
      </li>`,
    )}
    <li><${IconButton} id=${id} icon="plus" label=${t("field.color_add", { label })} aria-describedby=${describedby} onClick=${() => onChange(recolored(list, list.length, hexOf(list.at(-1)) ?? FIRST))} /></li>
  </ul>`;
}
