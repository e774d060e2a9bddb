import { html, useEffect, useLayoutEffect, useRef, useState } from "../../vendor/preact.js";
import { go, online, pushBack, t } from "../../io/store.js";
import { Button, IconButton } from "../../ui/basics.js";
import { announce } from "../../ui/toast.js";
import { openMenu, openSheet, showModal } from "../../ui/sheet.js";
import { canShare, loadWorkflow, share, usable, useAsInput } from "./actions.js";
import { FactsSheet } from "./facts.js";
import { EVERYTHING } from "./items.js";
import { useGestures } from "./gestures.js";
import { Other, Picture } from "./media.js";
import { current, filter, mark, offerUndo, remove, restore, take } from "./shelf.js";
import { addressOf, describe } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

/**
 * Shows results on the whole screen, beginning with *start*; resolves when it is left, to the item to compare with
 * another if that was asked for.
 * @param {readonly Item[]} items
 * @param {Item} start
 * @returns {Promise<Item | undefined>}
 */
export function openViewer(items, start) {
  take(items.map((item) => item.task));
  return openSheet((close) => html`<${Viewer} items=${items} start=${start} onClose=${close} />`);
}

/** @param {import("../../vendor/preact.js").Ref<HTMLDialogElement>} dialog @param {() => void} close */
function useDialog(dialog, close) {
  const latest = useRef(close);
  latest.current = close;
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    return showModal(element, element);
  }, []);
  useEffect(() => pushBack(() => latest.current()), []);
}

/** @param {{items: readonly Item[], start: Item, onClose: (other?: Item) => void}} props */
function Viewer({ items, start, onClose }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const stage = useRef(/** @type {HTMLElement | null} */ (null));
  const track = useRef(/** @type {HTMLElement | null} */ (null));
  const [key, setKey] = useState(start.key);
  const [place, setPlace] = useState(0);
  const [close, setClose] = useState(false);
  const [bars, setBars] = useState(true);
  const gone = useRef(/** @type {Item[]} */ ([]));
  const left = useRef(false);
  const [offered, setOffered] = useState(false);
  useDialog(dialog, () => onClose());

  const here = items.map(current).filter((item) => !item.output.deleted);
  const found = here.findIndex((item) => item.key === key);
  const at = found < 0 ? Math.min(place, here.length - 1) : found;
  const item = here[at];
  const zoomable = item?.group === "image";

  useEffect(() => {
    if (!item) return;
    if (item.key !== key) setKey(item.key);
    setPlace(at);
    hands.reset();
  }, [item?.key]);
  useEffect(() => {
    if (!here.length && !offered) onClose();
  }, [here.length, offered]);
  // Whoever closes the viewer can still have back what was deleted in it.
  useEffect(
    () => () => {
      left.current = true;
      offerUndo(gone.current);
    },
    [],
  );

  /** @param {number} step */
  const step = (step) => {
    const next = here[at + step];
    if (!next) return;
    setKey(next.key);
    setOffered(false);
    announce(t("gallery.place", { place: at + step + 1, count: here.length }));
  };
  const hands = useGestures(stage, {
    picture: () => (zoomable && item ? { width: item.output.width ?? 1000 * item.ratio, height: item.output.height ?? 1000 } : null),
    onView({ scale, x, y }, moving) {
      const element = /** @type {HTMLElement | null} */ (stage.current?.querySelector('[data-slide="now"] > *') ?? null);
      if (!element) return;
      element.style.transition = moving ? "none" : "";
      element.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
      setClose(scale > 1);
    },
    onDrag(x, y, moving) {
      const element = track.current;
      if (!element) return;
      const edge = (x > 0 && at === 0) || (x < 0 && at === here.length - 1);
      element.style.transition = moving ? "none" : "";
      element.style.transform = x || y ? `translate(${edge ? x / 3 : x}px, ${y}px)` : "";
      dialog.current?.style.setProperty("--fade", String(Math.max(0.3, 1 - y / 400)));
    },
    onStep: step,
    onClose: () => onClose(),
    onTap: () => setBars((on) => !on),
  });

  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /** @type {Element} */ (event.target).closest("video, audio, input, pre")) return;
    const near = hands.view().scale > 1;
    /** @type {Record<string, () => void>} */
    const does = {
      ArrowLeft: () => (near ? hands.pan(80, 0) : step(-1)),
      ArrowRight: () => (near ? hands.pan(-80, 0) : step(1)),
      ArrowUp: () => near && hands.pan(0, 80),
      ArrowDown: () => near && hands.pan(0, -80),
      Home: () => step(-at),
      End: () => step(here.length - 1 - at),
      "+": () => hands.zoom(1.5),
      "=": () => hands.zoom(1.5),
      "-": () => hands.zoom(1 / 1.5),
      0: () => hands.reset(),
      Delete: () => void discard(),
    };
    if (!does[event.key]) return;
    event.preventDefault();
    does[event.key]();
  };

  const discard = async () => {
    if (!item || !online.value) return;
    setOffered(true);
    const done = await remove([item]);
    if (left.current) return offerUndo(done);
    gone.current = [...gone.current, ...done];
    setOffered(gone.current.length > 0);
    if (done.length) announce(t("gallery.deleted", { count: gone.current.length }));
  };
  const undo = async () => {
    const back = gone.current;
    gone.current = [];
    await restore(back);
    const last = back.at(-1);
    if (last) setKey(last.key);
    setOffered(false);
  };
  const more = async () => {
    const chosen = await openMenu({
      title: t("gallery.more"),
      items: [
        { id: "input", label: t("gallery.use_as_input"), icon: "image", disabled: !usable(item) },
        { id: "load", label: t("gallery.load_workflow"), icon: "flow", disabled: !online.value },
        { id: "compare", label: t("gallery.compare_with"), icon: "compare", disabled: item.group !== "image" },
        { id: "same", label: t("gallery.of_run"), icon: "gallery" },
        { id: "run", label: t("gallery.open_run"), icon: "timer" },
      ],
    });
    if (chosen === "input") void useAsInput(item);
    if (chosen === "load") void loadWorkflow(item);
    if (chosen === "compare") onClose(item);
    if (chosen === "same") {
      filter.value = { ...EVERYTHING, run: item.task.id };
      void go("/gallery");
      onClose();
    }
    if (chosen === "run") void go(`/tasks/${item.task.id}`);
  };
  const facts = () => openSheet((done) => html`<${FactsSheet} item=${item} onClose=${() => done()} />`);

  const rating = item?.output.rating;
  /** @param {"chosen" | "rejected"} to */
  const rate = (to) => mark(item, { rating: rating === to ? null : to });

  return html`<dialog
    class="viewer"
    ref=${dialog}
    tabindex="-1"
    aria-label=${t("gallery.viewer")}
    data-bars=${bars ? "on" : "off"}
    onKeyDown=${keys}
    onCancel=${(/** @type {Event} */ event) => {
      if (event.target !== dialog.current) return;
      event.preventDefault();
      onClose();
    }}
  >
    <header class="view-bar" data-place="top">
      <${IconButton} icon="close" label=${t("ui.close")} onClick=${() => onClose()} />
      <p class="view-title">${item && html`<span>${item.name ?? item.output.filename ?? ""}</span><small>${t("gallery.place", { place: at + 1, count: here.length })}</small>`}</p>
      ${zoomable && html`<${IconButton} icon=${close ? "minus" : "plus"} label=${t(close ? "gallery.zoom_out" : "gallery.zoom_in")} onClick=${() => hands.toggle()} />`}
      ${item && html`<${IconButton} icon="info" label=${t("gallery.about")} onClick=${facts} aria-haspopup="dialog" />`}
    </header>
    <div class="view-stage" ref=${stage}>
      <div class="view-track" ref=${track}>
        ${[-1, 0, 1].map((side) => {
          const one = here[at + side];
          if (!one) return null;
          const now = side === 0;
          return html`<div class="view-slide" key=${one.key} data-slide=${now ? "now" : "near"} style=${{ "--side": side }} aria-hidden=${now ? null : "true"} inert=${!now}>
            ${one.group === "image" ? html`<${Picture} item=${one} close=${now && close} />` : now ? html`<${Other} item=${one} />` : null}
          </div>`;
        })}
      </div>
      ${at > 0 && html`<span class="view-step" data-side="left"><${IconButton} icon="left" label=${t("gallery.previous")} onClick=${() => step(-1)} /></span>`}
      ${at < here.length - 1 && html`<span class="view-step" data-side="right"><${IconButton} icon="right" label=${t("gallery.next")} onClick=${() => step(1)} /></span>`}
    </div>
    ${offered && html`<div class="view-undo"><span>${t("gallery.deleted", { count: Math.max(gone.current.length, 1) })}</span><${Button} small onClick=${undo}>${t("gallery.undo")}<//></div>`}
    ${item &&
    html`<footer class="view-bar" data-place="bottom" aria-label=${describe(item)}>
      <${IconButton} icon="star" label=${t("gallery.favourite")} pressed=${!!item.output.favourite} disabled=${!online.value} onClick=${() => mark(item, { favourite: !item.output.favourite })} />
      <${IconButton} icon="check" label=${t("gallery.choose")} pressed=${rating === "chosen"} disabled=${!online.value} onClick=${() => rate("chosen")} />
      <${IconButton} icon="bypass" label=${t("gallery.reject")} pressed=${rating === "rejected"} disabled=${!online.value} onClick=${() => rate("rejected")} />
      <span class="grow"></span>
      ${canShare() && html`<${IconButton} icon="share" label=${t("gallery.share")} onClick=${() => share(item)} />`}
      <${IconButton} icon="save" label=${t("gallery.save")} href=${addressOf(item)} download=${item.output.filename ?? ""} />
      <${IconButton} icon="trash" label=${t("gallery.delete")} disabled=${!online.value} onClick=${discard} />
      <${IconButton} icon="more" label=${t("gallery.more")} onClick=${more} aria-haspopup="dialog" />
    </footer>`}
  </dialog>`;
}
