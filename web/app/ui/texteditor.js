import { html, useRef, useState } from "../vendor/preact.js";
import { t } from "../io/store.js";
import { Button } from "./basics.js";
import { openSheet, Sheet } from "./sheet.js";

/** @typedef {{text: string, start: number, end: number}} Marked */

const WEIGHED = /^\(([^()]*):(-?\d*\.?\d+)\)$/s;

/** What is marked, or the word around the caret. @param {Marked} at @returns {[number, number]} */
function scope({ text, start, end }) {
  if (start !== end) return [start, end];
  // Inside "(word:1.2)": all of it.
  for (const found of text.matchAll(/\([^()]*:-?\d*\.?\d+\)/g)) {
    if (found.index <= start && start <= found.index + found[0].length) return [found.index, found.index + found[0].length];
  }
  const word = /[^\s,.;:()[\]{}，。；：（）]/;
  let from = start;
  let to = end;
  while (from > 0 && word.test(text[from - 1])) from -= 1;
  while (to < text.length && word.test(text[to])) to += 1;
  return [from, to];
}

/**
 * Gives a part of a prompt more or less weight, as ComfyUI writes it: `(word:1.1)`; 1 needs no brackets.
 * @param {Marked} at
 * @param {number} by
 * @returns {Marked} with what was weighed marked
 */
export function weigh(at, by) {
  const [start, end] = scope(at);
  const part = at.text.slice(start, end);
  if (!part.trim()) return at;
  const found = WEIGHED.exec(part);
  const weight = Math.round(((found ? Number(found[2]) : 1) + by) * 100) / 100;
  const inner = found ? found[1] : part;
  const next = weight === 1 ? inner : `(${inner}:${weight})`;
  return { text: at.text.slice(0, start) + next + at.text.slice(end), start, end: start + next.length };
}

/** @param {{title: string, value: string, close: (text?: string) => void}} props */
function Editor({ title, value, close }) {
  const [text, setText] = useState(value);
  const box = useRef(/** @type {HTMLTextAreaElement|null} */ (null));
  const change = (/** @type {number} */ by) => {
    const area = box.current;
    if (!area) return;
    const next = weigh({ text: area.value, start: area.selectionStart, end: area.selectionEnd }, by);
    area.focus();
    area.setSelectionRange(0, area.value.length);
    // Unlike setting the value, this can be taken back by the browser's own undo.
    if (!document.execCommand("insertText", false, next.text)) area.value = next.text;
    area.setSelectionRange(next.start, next.end);
    setText(area.value);
  };
  const keep = (/** @type {Event} */ event) => event.preventDefault();
  const words = text.trim() ? text.trim().split(/\s+/).length : 0;
  return html`<${Sheet}
    open
    tall
    title=${title}
    onClose=${() => close(text)}
    footer=${html`<${Button} onClick=${() => close()}>${t("field.discard")}<//>
      <${Button} tone="primary" icon="check" onClick=${() => close(text)}>${t("ui.done")}<//>`}
  >
    <div class="row wrap" role="toolbar" aria-label=${t("field.text_tools")} onMouseDown=${keep}>
      <${Button} small icon="minus" onClick=${() => change(-0.1)}>${t("field.weaker")}<//>
      <${Button} small icon="plus" onClick=${() => change(0.1)}>${t("field.stronger")}<//>
      <span class="grow"></span>
      <${Button} small icon="trash" disabled=${!text} onClick=${() => setText("")}>${t("field.clear")}<//>
    </div>
    <textarea
      ref=${box}
      class="input editor"
      aria-label=${title}
      value=${text}
      onInput=${(/** @type {any} */ event) => setText(event.target.value)}
    ></textarea>
    <p class="hint">${t("field.words", { count: words })}</p>
  <//>`;
}

/**
 * Edits a long text in the whole window.
 * @param {{title: string, value: string}} given
 * @returns {Promise<string|undefined>} undefined if the changes were thrown away
 */
export function editText({ title, value }) {
  return openSheet((close) => html`<${Editor} title=${title} value=${value} close=${close} />`);
}
