import { html, signal, useEffect, useErrorBoundary, useId, useLayoutEffect, useRef } from "../vendor/preact.js";
import { pushBack, t } from "../io/store.js";
import { Broken, Button, IconButton } from "./basics.js";
import { placeMessages } from "./toast.js";

/** @typedef {import("../vendor/preact.js").ComponentChildren} Children */
/** @typedef {(result?: any) => void} Close */

/** @type {import("../vendor/preact.js").Signal<{id: number, render: (close: Close) => Children, close: Close}[]>} */
const open = signal([]);
let counter = 0;

/**
 * Shows what `render` gives (a Sheet, usually) on top of everything until `close` is called; resolves to what that was given.
 * @param {(close: Close) => Children} render
 * @returns {Promise<any>}
 */
export function openSheet(render) {
  return new Promise((resolve) => {
    const id = ++counter;
    const close = (/** @type {any} */ result) => {
      open.value = open.value.filter((one) => one.id !== id);
      resolve(result);
    };
    open.value = [...open.value, { id, render, close }];
  });
}

/** A sheet opened by openSheet does not outlive what it belongs to: used when the screen changes under it. */
export function closeSheets() {
  for (const one of [...open.value].reverse()) one.close();
}

/** @param {{render: (close: Close) => Children, close: Close}} props */
function Content({ render, close }) {
  return render(close);
}

/** What fails in a sheet does not take the page below it down. @param {{render: (close: Close) => Children, close: Close}} props */
function Entry({ render, close }) {
  const [error, again] = useErrorBoundary((caught) => console.error(caught));
  if (error) return html`<${Sheet} key="broken" open title=${t("ui.details")} onClose=${() => close()}><${Broken} error=${error} again=${again} /><//>`;
  return html`<${Content} render=${render} close=${close} />`;
}

/** Where sheets of openSheet appear; once in the page. */
export function Sheets() {
  return html`${open.value.map((one) => html`<${Entry} key=${one.id} render=${one.render} close=${one.close} />`)}`;
}

/**
 * Pulling the handle down closes the sheet; the close button and Escape do the same without a drag.
 * @param {import("../vendor/preact.js").Ref<HTMLDialogElement>} dialog
 * @param {() => void} close
 */
function dragHandlers(dialog, close) {
  let from = /** @type {number|null} */ (null);
  let by = 0;
  const shift = (/** @type {number} */ y) => {
    if (dialog.current) dialog.current.style.translate = y ? `0 ${y}px` : "";
  };
  return {
    onPointerDown: (/** @type {PointerEvent} */ event) => {
      if (/** @type {Element} */ (event.target).closest("button")) return;
      from = event.clientY;
      by = 0;
      /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
    },
    onPointerMove: (/** @type {PointerEvent} */ event) => {
      if (from === null) return;
      by = Math.max(0, event.clientY - from);
      shift(by);
    },
    onPointerUp: () => {
      if (from === null) return;
      from = null;
      shift(0);
      if (by > 90) close();
    },
    onPointerCancel: () => {
      from = null;
      shift(0);
    },
  };
}

/**
 * Opens a dialog over everything, and gives what to call when it goes: the focus returns to where it was.
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement | null} start Takes the focus.
 */
export function showModal(dialog, start) {
  const before = /** @type {HTMLElement|null} */ (document.activeElement);
  dialog.showModal();
  start?.focus({ preventScroll: true });
  placeMessages();
  return () => {
    dialog.close();
    placeMessages();
    // The card that was tapped may be gone or drawn anew: then to the page, not to nowhere.
    const next = before?.isConnected && before !== document.body ? before : document.getElementById("main");
    next?.focus({ preventScroll: true });
  };
}

/**
 * A modal sheet: from below on a phone, from the side on a wide screen.
 * @param {{open: boolean, onClose: () => void, title: string, children?: Children, footer?: Children, tall?: boolean,
 *   actions?: Children, role?: string}} props
 */
export function Sheet({ open: shown, onClose, title, children, footer, tall, actions, role }) {
  const dialog = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const heading = useRef(/** @type {HTMLElement|null} */ (null));
  const latest = useRef(onClose);
  const handlers = useRef(/** @type {ReturnType<typeof dragHandlers>|null} */ (null));
  const body = useRef(/** @type {HTMLElement|null} */ (null));
  const id = useId();
  latest.current = onClose;
  handlers.current ??= dragHandlers(dialog, () => latest.current());

  useLayoutEffect(() => {
    const element = dialog.current;
    if (!shown || !element) return;
    // The title, not the close button or a search box: it is read out, and no keyboard pops up.
    return showModal(element, heading.current);
  }, [shown]);

  useEffect(() => {
    if (!shown) return;
    return pushBack(() => latest.current());
  }, [shown]);

  useEffect(() => {
    // Text alone has nothing for the Tab key to stop at: then the box does, so that the arrow keys scroll it.
    const stop = body.current?.querySelector("a, button, input, select, textarea, [tabindex]");
    if (stop) body.current?.removeAttribute("tabindex");
    else body.current?.setAttribute("tabindex", "0");
  });

  if (!shown) return null;
  return html`<dialog
    ref=${dialog}
    class="sheet"
    role=${role}
    data-tall=${tall ? "true" : null}
    aria-labelledby=${id}
    onCancel=${(/** @type {Event} */ event) => {
      // A file chooser inside the sheet fires a cancel that bubbles up to here.
      if (event.target !== dialog.current) return;
      event.preventDefault();
      latest.current();
    }}
    onClick=${(/** @type {MouseEvent} */ event) => {
      if (event.target === dialog.current) latest.current();
    }}
  >
    <div class="sheet-box">
      <header class="sheet-head" ...${handlers.current}>
        <span class="sheet-handle" aria-hidden="true"></span>
        <h2 id=${id} ref=${heading} tabindex="-1">${title}</h2>
        ${actions}
        <${IconButton} icon="close" label=${t("ui.close")} onClick=${() => latest.current()} />
      </header>
      <div class="sheet-body" ref=${body}>${children}</div>
      ${footer && html`<footer class="sheet-foot">${footer}</footer>`}
    </div>
  </dialog>`;
}

/**
 * Asks; true if the action was chosen. For what cannot be undone only: everything else has an Undo.
 * @param {{title: string, text?: Children, action: string, tone?: "primary"|"danger"}} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action, tone = "primary" }) {
  const answer = await openSheet(
    (close) => html`<${Sheet}
      open
      role="alertdialog"
      title=${title}
      onClose=${() => close(false)}
      footer=${html`<${Button} onClick=${() => close(false)}>${t("ui.cancel")}<//>
        <${Button} tone=${tone} onClick=${() => close(true)}>${action}<//>`}
    >${text && html`<p>${text}</p>`}<//>`,
  );
  return answer === true;
}

/**
 * A sheet with a list of things to do; resolves to the id of the one chosen.
 * @param {{title: string, items: {id: string, label: string, icon?: string, hint?: string, tone?: string, disabled?: boolean}[]}} menu
 * @returns {Promise<string|undefined>}
 */
export function openMenu({ title, items }) {
  return openSheet(
    (close) => html`<${Sheet} open title=${title} onClose=${() => close()}>
      <ul class="menu">
        ${items.map(
          (item) => html`<li key=${item.id}>
            <${MenuItem} ...${item} onClick=${() => close(item.id)} />
          </li>`,
        )}
      </ul>
    <//>`,
  );
}

/** @param {{label: string, icon?: string, hint?: string, tone?: string, disabled?: boolean, onClick: () => void}} props */
export function MenuItem({ label, icon, hint, tone, disabled, onClick }) {
  return html`<${Button} tone="quiet" icon=${icon} disabled=${disabled} onClick=${onClick} data-menu=${tone ?? "plain"}>
    ${label}${hint && html`<small>${hint}</small>`}
  <//>`;
}
