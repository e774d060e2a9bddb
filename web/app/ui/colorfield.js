import { html, useState } from "../vendor/preact.js";
import { colored, hexOf, parseValue } from "../core/fields.js";
import { t } from "../io/store.js";

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
