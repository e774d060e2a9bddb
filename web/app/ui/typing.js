import { html, useEffect, useState } from "../vendor/preact.js";
import { t } from "../io/store.js";
import { Button, IconButton } from "./basics.js";

const TEXT = 'textarea, input:not([type]), input[type="text"], input[type="search"], input[type="url"], input[type="password"], input[type="number"]';
const SMALL = "(max-width: 899px)";

/** The text fields of the page under a sheet, in order. */
function fields() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll(`main :is(${TEXT})`)].filter((one) => !(/** @type {any} */ (one).disabled)));
}

/** Puts the field where the keyboard does not cover it and what is above it still explains it. */
function lift(/** @type {HTMLElement} */ field) {
  const view = window.visualViewport;
  const height = view?.height ?? innerHeight;
  const above = field.getBoundingClientRect().top - (view?.offsetTop ?? 0);
  if (above > height / 3 || above < 70) scrollBy({ top: above - height / 3, behavior: "smooth" });
}

/**
 * Follows the keyboard on the screen: `--kb` is how much of the page it covers, and the answer is whether a text field
 * of the page has the focus on a small screen.
 */
export function useTyping() {
  const [typing, setTyping] = useState(false);
  useEffect(() => {
    const small = matchMedia(SMALL);
    const coarse = matchMedia("(pointer: coarse)");
    const enter = (/** @type {FocusEvent} */ event) => {
      const field = /** @type {HTMLElement} */ (event.target);
      const inBar = field.closest(".done-bar") !== null;
      const text = small.matches && field.matches(`main :is(${TEXT})`);
      setTyping(text || inBar);
      // After the keyboard has come up: before that there is nothing to be lifted over.
      if (text && coarse.matches) setTimeout(() => document.activeElement === field && lift(field), 300);
    };
    const leave = (/** @type {FocusEvent} */ event) => {
      if (!event.relatedTarget) setTyping(false);
    };
    const view = window.visualViewport;
    const inset = () => {
      const covered = view ? Math.max(0, innerHeight - view.height - view.offsetTop) : 0;
      // Less than this is a bar of the browser or a zoom, not a keyboard.
      document.documentElement.style.setProperty("--kb", covered > 60 ? `${Math.round(covered)}px` : "0px");
    };
    addEventListener("focusin", enter);
    addEventListener("focusout", leave);
    view?.addEventListener("resize", inset);
    view?.addEventListener("scroll", inset);
    return () => {
      removeEventListener("focusin", enter);
      removeEventListener("focusout", leave);
      view?.removeEventListener("resize", inset);
      view?.removeEventListener("scroll", inset);
    };
  }, []);
  return typing;
}

/** What stands in the dock's place while text is typed. */
export function DoneBar() {
  const move = (/** @type {number} */ by) => {
    const all = fields();
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    all[at + by]?.focus();
  };
  // Pressing a button must not take the focus, else the keyboard goes down before anything was chosen.
  const keep = (/** @type {Event} */ event) => event.preventDefault();
  return html`<section class="done-bar" aria-label=${t("ui.typing")} onPointerDown=${keep} onMouseDown=${keep}>
    <${IconButton} icon="up" label=${t("ui.previous_field")} onClick=${() => move(-1)} />
    <${IconButton} icon="down" label=${t("ui.next_field")} onClick=${() => move(1)} />
    <span class="grow"></span>
    <${Button} tone="primary" onClick=${() => /** @type {HTMLElement} */ (document.activeElement)?.blur()}>${t("ui.done")}<//>
  </section>`;
}
