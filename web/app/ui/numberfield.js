import { html, useState } from "../vendor/preact.js";
import { clampValue, drawSeed, parseValue } from "../core/fields.js";
import { t } from "../io/store.js";
import { IconButton, Select, Stepper } from "./basics.js";

/** @typedef {import("../core/types.js").Field} Field */
/** @typedef {{key: string, params?: Record<string, unknown>}|null} Note */
/**
 * What every editor of a field gets.
 * @typedef {object} Editor
 * @property {Field} field
 * @property {string} id Of the control, for its label.
 * @property {(value: any) => void} onChange
 * @property {(note: Note) => void} onNote Told what was done to what was typed.
 * @property {string|null} describedby
 * @property {boolean} invalid
 * @property {SeedTools} [seed]
 */
/** @typedef {"fixed"|"randomize"|"increment"|"decrement"} SeedMode */
/** @typedef {{mode: SeedMode, onMode: (mode: SeedMode) => void, last?: unknown}} SeedTools */

/** @param {Editor} props */
export function NumberField({ field, id, onChange, onNote, describedby, invalid }) {
  const { min, max, step = 1, label } = field;
  const value = Number(field.value ?? field.default ?? 0);
  const stepper = html`<${Stepper}
    id=${id}
    label=${label}
    value=${field.digits === undefined ? value : Number(value.toFixed(Math.max(field.digits, 0)))}
    min=${min}
    max=${max}
    step=${step}
    integer=${field.kind === "int"}
    read=${(/** @type {string} */ text) => {
      const read = parseValue(field, text);
      return "value" in read ? Number(read.value) : NaN;
    }}
    describedby=${describedby}
    invalid=${invalid}
    onChange=${onChange}
    onNote=${onNote}
  />`;
  if (!field.slider || min === undefined || max === undefined) return stepper;
  const part = `${max > min ? ((value - min) / (max - min)) * 100 : 0}%`;
  return html`<div class="with-slider">
    <input
      class="slider"
      type="range"
      aria-label=${label}
      min=${min}
      max=${max}
      step=${step}
      value=${value}
      style=${{ "--part": part }}
      onInput=${(/** @type {any} */ event) => {
        onNote(null);
        onChange(Number(event.target.value));
      }}
    />
    ${stepper}
  </div>`;
}


const MODES = /** @type {const} */ (["fixed", "randomize", "increment", "decrement"]);

/** @param {Editor} props */
export function SeedField({ field, id, onChange, onNote, describedby, invalid, seed }) {
  const [typed, setTyped] = useState(/** @type {string|null} */ (null));
  const set = (/** @type {any} */ value) => {
    setTyped(null);
    onNote(null);
    onChange(value);
  };
  const commit = () => {
    if (typed === null) return;
    setTyped(null);
    const read = parseValue(field, typed);
    if (!("value" in read)) return onNote({ key: "field.not_a_number" });
    // A number that is too long for JavaScript comes as text, and is within the limits.
    const fit = typeof read.value === "number" ? clampValue(field, read.value) : read.value;
    onNote(fit === read.value ? null : { key: "field.clamped", params: { value: fit } });
    onChange(fit);
  };
  const last = seed?.last;
  const usable = (typeof last === "number" || typeof last === "string") && last !== field.value;
  return html`<div class="row">
      <input
        class="input value grow"
        id=${id}
        type="text"
        inputmode="numeric"
        autocomplete="off"
        enterkeyhint="done"
        aria-describedby=${describedby}
        aria-invalid=${invalid ? "true" : null}
        value=${typed ?? String(field.value ?? "")}
        onInput=${(/** @type {any} */ event) => setTyped(event.target.value)}
        onBlur=${commit}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && commit()}
      />
      <${IconButton} icon="dice" label=${t("field.draw", { label: field.label })} onClick=${() => set(drawSeed(field))} />
    </div>
    ${seed &&
    html`<div class="row wrap">
      <${Select}
        label=${t("field.after_run")}
        options=${MODES.map((mode) => ({ value: mode, label: t(`field.seed_${mode}`) }))}
        value=${seed.mode}
        onChange=${seed.onMode}
      />
      ${usable && html`<button type="button" class="chip" onClick=${() => set(last)}>${t("field.use_last", { value: String(last) })}</button>`}
    </div>`}`;
}
