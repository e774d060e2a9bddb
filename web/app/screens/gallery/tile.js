import { html } from "../../vendor/preact.js";
import { t } from "../../io/store.js";
import { Icon } from "../../ui/icons.js";
import { Thumb } from "../../ui/thumb.js";
import { describe, groupName, ICON, textOf } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

/** @param {{item: Item, inTurn?: (run: () => void) => () => void}} props What a result looks like when it is small. */
export function Face({ item, inTurn }) {
  const { group, output } = item;
  if (group === "image") return html`<${Thumb} task=${item.task} n=${item.n} alt="" inTurn=${inTurn} />`;
  if (group === "text" && output.value !== undefined && output.value !== null) {
    return html`<span class="tile-text">${textOf(output.value).slice(0, 240)}</span>`;
  }
  return html`<span class="tile-file">
    <${Icon} name=${ICON[group]} size=${26} />
    <span>${output.filename ?? groupName(group)}</span>
  </span>`;
}

/**
 * @param {{item: Item, selected?: boolean, selecting?: boolean, inTurn?: (run: () => void) => () => void,
 *   onOpen: (item: Item) => void, onHold?: (item: Item) => void}} props
 */
export function Tile({ item, selected, selecting, inTurn, onOpen, onHold }) {
  const { favourite, rating } = item.output;
  const marks = [favourite && t("gallery.is_favourite"), rating === "chosen" && t("gallery.is_chosen"), rating === "rejected" && t("gallery.is_rejected")];
  return html`<button
    type="button"
    class="tile"
    data-key=${item.key}
    data-rating=${rating ?? null}
    aria-label=${[describe(item), ...marks.filter(Boolean)].join(", ")}
    aria-pressed=${selecting ? String(!!selected) : null}
    onClick=${() => onOpen(item)}
    onContextMenu=${(/** @type {Event} */ event) => {
      if (!onHold) return;
      event.preventDefault();
      onHold(item);
    }}
  >
    <${Face} item=${item} inTurn=${inTurn} />
    ${item.group === "video" && html`<span class="tile-kind"><${Icon} name="play" size=${16} /></span>`}
    ${(favourite || rating) &&
    html`<span class="tile-marks">${favourite && html`<${Icon} name="star" size=${14} />`}${rating && html`<${Icon} name=${rating === "chosen" ? "check" : "bypass"} size=${14} />`}</span>`}
    ${selecting && html`<span class="tile-pick" data-state=${selected ? "on" : "off"}>${selected && html`<${Icon} name="check" size=${16} />`}</span>`}
  </button>`;
}
