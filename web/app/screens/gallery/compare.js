import { html, useRef, useState } from "../../vendor/preact.js";
import { t } from "../../io/store.js";
import { Button, IconButton, Segmented } from "../../ui/basics.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { ChangesSheet } from "../tasks/changes.js";
import { useGestures } from "./gestures.js";
import { addressOf, describe } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

/** @param {Item} one @param {Item} other */
export const openCompare = (one, other) =>
  openSheet((close) => html`<${Compare} one=${one} other=${other} onClose=${() => close()} />`);

/** @param {{one: Item, other: Item, onClose: () => void}} props Two images over or beside each other, zoomed as one. */
function Compare({ one, other, onClose }) {
  const [mode, setMode] = useState(/** @type {"over" | "beside"} */ ("over"));
  const [edge, setEdge] = useState(50);
  const [near, setNear] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const before = useRef(/** @type {number | null} */ (null));
  const hands = useGestures(box, {
    picture: () => ({ width: one.output.width ?? 1000 * one.ratio, height: one.output.height ?? 1000 }),
    onView({ scale, x, y }) {
      setNear(scale > 1);
      for (const image of box.current?.querySelectorAll("img") ?? []) image.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
    },
    onDrag(x, _, moving) {
      if (mode !== "over") return;
      before.current = moving ? (before.current ?? edge) : null;
      const width = box.current?.clientWidth ?? 1;
      if (before.current !== null) setEdge(Math.max(0, Math.min(100, before.current + (x / width) * 100)));
    },
  });
  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    /** @type {Record<string, () => void>} */
    const does = {
      ArrowLeft: () => hands.pan(60, 0),
      ArrowRight: () => hands.pan(-60, 0),
      ArrowUp: () => hands.pan(0, 60),
      ArrowDown: () => hands.pan(0, -60),
      "+": () => hands.zoom(1.5),
      "-": () => hands.zoom(1 / 1.5),
      0: () => hands.reset(),
    };
    if (!does[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does[event.key]();
  };
  const differ = () => openSheet((close) => html`<${ChangesSheet} task=${other.task} before=${one.task} onClose=${() => close()} />`);
  return html`<${Sheet}
    open
    tall
    title=${t("gallery.compare")}
    onClose=${onClose}
    footer=${one.task.id === other.task.id ? null : html`<${Button} icon="sliders" onClick=${differ}>${t("gallery.what_differs")}<//>`}
  >
    <div class="compare" data-mode=${mode}>
      <div class="row">
        <div class="grow">
          <${Segmented}
            label=${t("gallery.compare_mode")}
            hideLabel
            value=${mode}
            options=${[
              { value: "over", label: t("gallery.compare_over") },
              { value: "beside", label: t("gallery.compare_beside") },
            ]}
            onChange=${(/** @type {"over" | "beside"} */ to) => {
              hands.reset();
              setMode(to);
            }}
          />
        </div>
        <${IconButton} icon=${near ? "minus" : "plus"} label=${t(near ? "gallery.zoom_out" : "gallery.zoom_in")} onClick=${() => hands.toggle()} />
      </div>
      <div class="compare-box" role="group" aria-label=${t("gallery.compare")} tabindex="0" onKeyDown=${keys} ref=${box} style=${{ "--edge": `${edge}%`, aspectRatio: mode === "over" ? one.ratio : one.ratio * 2 }}>
        <figure class="compare-one" data-side="a"><img src=${addressOf(one)} alt=${t("gallery.side_a", { what: describe(one) })} draggable=${false} /><figcaption>A</figcaption></figure>
        <figure class="compare-one" data-side="b"><img src=${addressOf(other)} alt=${t("gallery.side_b", { what: describe(other) })} draggable=${false} /><figcaption>B</figcaption></figure>
        ${mode === "over" && html`<span class="compare-line" aria-hidden="true"></span>`}
      </div>
      ${mode === "over" &&
      html`<label class="compare-edge"><span class="sr-only">${t("gallery.compare_edge")}</span>
        <input type="range" class="slider" style=${{ "--part": `${edge}%` }} min="0" max="100" value=${edge} onInput=${(/** @type {any} */ event) => setEdge(Number(event.target.value))} />
      </label>`}
    </div>
  <//>`;
}
