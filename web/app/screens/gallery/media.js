import { html, useEffect, useState } from "../../vendor/preact.js";
import { t } from "../../io/store.js";
import { headers } from "../../io/api.js";
import { Button } from "../../ui/basics.js";
import { Icon } from "../../ui/icons.js";
import { addressOf, describe, groupName, ICON, smallOf, textOf } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

const WIDTHS = [640, 1080, 1600, 2048];
const LONGEST = 200_000;
/** A number or a word stands in the middle, and large. */
const SHORT = 40;

/** @param {Item} item @param {number} width In real pixels. @returns {string} No more bytes than the screen shows. */
function fitting(item, width) {
  const enough = WIDTHS.find((one) => one >= width);
  const own = item.output.width ?? Infinity;
  return enough && enough < own ? smallOf(item, enough) : addressOf(item);
}

/**
 * @param {{item: Item, close: boolean}} props *close*: it is zoomed, and deserves its own pixels.
 */
export function Picture({ item, close }) {
  const [state, setState] = useState(/** @type {"coming" | "here" | "failed"} */ ("coming"));
  const [attempt, setAttempt] = useState(0);
  const width = Math.min(innerWidth, innerHeight * item.ratio) * (devicePixelRatio || 1);
  if (state === "failed") {
    return html`<div class="view-broken">
      <${Icon} name="alert" size=${28} />
      <p>${t("gallery.cannot_show")}</p>
      <${Button}
        icon="retry"
        onClick=${() => {
          setState("coming");
          setAttempt((n) => n + 1);
        }}
      >${t("gallery.try_again")}<//>
    </div>`;
  }
  return html`<img
    key=${attempt}
    class="view-image"
    data-state=${state}
    src=${close ? addressOf(item) : fitting(item, width)}
    style=${state === "here" ? null : { backgroundImage: `url("${smallOf(item)}")` }}
    width=${item.output.width ?? null}
    height=${item.output.height ?? null}
    alt=${describe(item)}
    draggable=${false}
    decoding="async"
    onLoad=${() => setState("here")}
    onError=${() => setState("failed")}
  />`;
}

/** @param {{item: Item}} props */
function Text({ item }) {
  const { value } = item.output;
  const [text, setText] = useState(value === undefined || value === null ? null : textOf(value));
  useEffect(() => {
    if (text !== null) return;
    let here = true;
    fetch(addressOf(item), { headers: headers() })
      .then((response) => (response.ok ? response.text() : Promise.reject(new Error(response.statusText))))
      .then((found) => here && setText(found.slice(0, LONGEST)))
      .catch(() => here && setText(t("gallery.cannot_show")));
    return () => {
      here = false;
    };
  }, [item.key]);
  return html`<pre class="view-text" tabindex="0" data-short=${(text?.length ?? 0) < SHORT ? "true" : null}>${text ?? t("gallery.loading")}</pre>`;
}

/** @param {{item: Item}} props What is neither image nor text, or an image that cannot be zoomed. */
export function Other({ item }) {
  const name = item.output.filename ?? groupName(item.group);
  if (item.group === "text") return html`<${Text} item=${item} />`;
  if (item.group === "video") return html`<video class="view-video" src=${addressOf(item)} controls playsinline loop preload="metadata" aria-label=${describe(item)}></video>`;
  const inner = html`<${Icon} name=${ICON[item.group]} size=${40} /><p>${name}</p>`;
  if (item.group === "audio") return html`<div class="view-file">${inner}<audio src=${addressOf(item)} controls preload="metadata" aria-label=${describe(item)}></audio></div>`;
  return html`<div class="view-file">${inner}<p class="muted">${t("gallery.no_view")}</p></div>`;
}
