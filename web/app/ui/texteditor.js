import { html, useRef, useState } from "../vendor/preact.js";
import { inserted, weigh } from "../core/prompts.js";
import { t } from "../io/store.js";
import { Button } from "./basics.js";
import { pickPreset } from "./presets.js";
import { openSheet, Sheet } from "./sheet.js";

/** @param {{title: string, value: string, onText: (text: string) => void, close: () => void}} props */
function Editor({ title, value, onText, close }) {
  const [text, show] = useState(value);
  const setText = (/** @type {string} */ next) => {
    show(next);
    onText(next);
  };
  const box = useRef(/** @type {HTMLTextAreaElement|null} */ (null));
  /** @param {(at: import("../core/prompts.js").Marked) => import("../core/prompts.js").Marked} edit */
  const change = (edit) => {
    const area = box.current;
    if (!area) return;
    const next = edit({ text: area.value, start: area.selectionStart, end: area.selectionEnd });
    area.focus();
    area.setSelectionRange(0, area.value.length);
    // Unlike setting the value, this can be taken back by the browser's own undo.
    if (!document.execCommand("insertText", false, next.text)) area.value = next.text;
    area.setSelectionRange(next.start, next.end);
    setText(area.value);
  };
  const add = async () => {
    const piece = await pickPreset(text);
    if (piece === undefined) return;
    change((at) => {
      const next = inserted(at.text, piece, at.start, at.end);
      return { text: next.text, start: next.end, end: next.end };
    });
  };
  const keep = (/** @type {Event} */ event) => event.preventDefault();
  const words = text.trim() ? text.trim().split(/\s+/).length : 0;
  return html`<${Sheet}
    open
    tall
    title=${title}
    onClose=${close}
    footer=${html`<${Button}
        onClick=${() => {
          onText(value);
          close();
        }}
      >${t("field.discard")}<//>
      <${Button} tone="primary" icon="check" onClick=${close}>${t("ui.done")}<//>`}
  >
    <div class="row wrap" role="toolbar" aria-label=${t("field.text_tools")} onMouseDown=${keep}>
      <${Button} small icon="minus" onClick=${() => change((at) => weigh(at, -0.1))}>${t("field.weaker")}<//>
      <${Button} small icon="plus" onClick=${() => change((at) => weigh(at, 0.1))}>${t("field.stronger")}<//>
      <${Button} small icon="star" onClick=${add}>${t("preset.title")}<//>
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
 * Edits a long text in the whole window. Each change is told at once: a phone may throw the page away under it.
 * @param {{title: string, value: string, onText: (text: string) => void}} given
 */
export function editText(given) {
  void openSheet((close) => html`<${Editor} ...${given} close=${() => close()} />`);
}
