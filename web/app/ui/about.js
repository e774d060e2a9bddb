import { html, useState } from "../vendor/preact.js";
import { t } from "../io/store.js";
import { Icon } from "./icons.js";

/** @typedef {{button: any, text: any, id: string | null}} About Parts to be put where they belong; the id is the text's while it is shown. */

/**
 * What a field is for, behind an ⓘ: a tooltip asks for a mouse, this for a finger or a key.
 * @param {string} id Of the field.
 * @param {string} label
 * @param {string | undefined} tooltip
 * @returns {About}
 */
export function useAbout(id, label, tooltip) {
  const [open, setOpen] = useState(false);
  if (!tooltip) return { button: null, text: null, id: null };
  const own = `${id}-about`;
  return {
    button: html`<button type="button" class="about" aria-label=${t("field.about", { label })} aria-expanded=${String(open)} aria-controls=${open ? own : null} onClick=${() => setOpen(!open)}>
      <${Icon} name="info" size=${16} />
    </button>`,
    text: open ? html`<p class="hint about-text" id=${own}>${tooltip}</p>` : null,
    id: open ? own : null,
  };
}
