import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { parseExact } from "../core/exact.js";
import { inserted } from "../core/prompts.js";
import { t } from "../io/store.js";
import { Button } from "./basics.js";
import { pickPreset } from "./presets.js";
import { editText } from "./texteditor.js";

/** @typedef {import("./numberfield.js").Editor} Editor */

/** @param {Editor} props */
export function TextField({ field, id, onChange, describedby, invalid }) {
  return html`<input
    class="input"
    id=${id}
    type="text"
    autocomplete="off"
    enterkeyhint="done"
    placeholder=${field.placeholder}
    aria-describedby=${describedby}
    aria-invalid=${invalid ? "true" : null}
    value=${field.value ?? ""}
    onInput=${(/** @type {any} */ event) => onChange(event.target.value)}
  />`;
}

/** Grows with its text where the browser does not do that itself. @param {HTMLTextAreaElement|null} box */
function grow(box) {
  if (!box || CSS.supports("field-sizing", "content")) return;
  box.style.blockSize = "auto";
  box.style.blockSize = `${box.scrollHeight + 2}px`;
}

/** @param {Editor} props */
export function MultilineField({ field, id, onChange, describedby, invalid }) {
  const box = useRef(/** @type {HTMLTextAreaElement|null} */ (null));
  useEffect(() => grow(box.current), [field.value]);
  return html`<textarea
    ref=${box}
    class="input"
    id=${id}
    rows="3"
    placeholder=${field.placeholder}
    aria-describedby=${describedby}
    aria-invalid=${invalid ? "true" : null}
    value=${field.value ?? ""}
    onInput=${(/** @type {any} */ event) => onChange(event.target.value)}
  ></textarea>`;
}

/** The buttons of a long text: its presets, and the whole window for it. @param {{field: Editor["field"], onChange: Editor["onChange"]}} props */
export function TextTools({ field, onChange }) {
  const now = String(field.value ?? "");
  const edit = () => editText({ title: field.label, value: now, onText: onChange });
  const add = async () => {
    const piece = await pickPreset(now);
    if (piece !== undefined) onChange(inserted(now, piece).text);
  };
  return html`<${Button} tone="quiet" small icon="star" aria-label=${t("preset.of", { label: field.label })} onClick=${add} />
    <${Button} tone="quiet" small icon="expand" aria-label=${t("field.enlarge", { label: field.label })} onClick=${edit} />`;
}

/** On one line where it fits. @param {any} value */
function jsonText(value) {
  const flat = value === undefined ? "" : JSON.stringify(value);
  return flat.length <= 60 ? flat : JSON.stringify(value, null, 1);
}

/** What no other editor knows: its JSON. Nothing is stored before it can be read. @param {Editor} props */
export function RawField({ field, id, onChange, onNote, describedby, invalid }) {
  const [typed, setTyped] = useState(/** @type {string|null} */ (null));
  const [bad, setBad] = useState(false);
  const shown = typed ?? jsonText(field.value);
  const commit = () => {
    if (typed === null) return;
    try {
      const value = typed.trim() === "" ? undefined : parseExact(typed);
      setTyped(null);
      setBad(false);
      onNote(null);
      onChange(value);
    } catch {
      // What was typed stays in the box, to be mended there.
      setBad(true);
      onNote({ key: "field.not_json" });
    }
  };
  return html`<textarea
    class="input value raw"
    id=${id}
    rows="1"
    autocapitalize="none"
    spellcheck=${false}
    aria-describedby=${describedby}
    aria-invalid=${invalid || bad ? "true" : null}
    value=${shown}
    onInput=${(/** @type {any} */ event) => setTyped(event.target.value)}
    onBlur=${commit}
  ></textarea>`;
}
