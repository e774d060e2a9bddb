import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { api } from "../io/api.js";
import { t } from "../io/store.js";
import { Icon } from "./icons.js";

/** @typedef {import("../core/types.js").Task} Task */

/** @type {Record<string, string>} */
const ICONS = { image: "image", video: "video", audio: "audio", text: "file", json: "file" };

/** Where a small picture of an output is. @param {string} id @param {number} n @param {number} [width] */
export const thumbUrl = (id, n, width = 384) => api.url(`/ext/tasks/${encodeURIComponent(id)}/outputs/${n}?width=${width}&format=webp`);

/**
 * An output's picture in a box of its own shape, so that nothing moves when it comes. Broken: a button to try again.
 * @param {{task: Task|undefined, n: number, alt?: string, square?: boolean, width?: number, eager?: boolean, retry?: boolean,
 *   inTurn?: (run: () => void) => () => void}} props
 *   `retry`: offer the button; leave it out where the thumbnail stands in a button or link itself. `inTurn`: calls back when
 *   the picture may be asked for, and gives what to call once it is there or no longer wanted
 */
export function Thumb({ task, n, alt, square, width, eager, retry, inTurn }) {
  const [begun, setBegun] = useState(!inTurn);
  const over = useRef(() => {});
  useEffect(() => {
    if (!inTurn) return;
    over.current = inTurn(() => setBegun(true));
    return () => over.current();
  }, []);
  const [state, setState] = useState("loading");
  const [attempt, setAttempt] = useState(0);
  const output = task?.outputs?.[n];
  if (!task || !output) return html`<span class="thumb" data-state="gone"><${Icon} name="image" /></span>`;
  const ratio = !square && output.width && output.height ? `${output.width} / ${output.height}` : "1";
  const name = alt ?? t("thumb.of", { name: output.filename ?? output.name });
  if (output.kind !== "image") {
    return html`<span class="thumb" data-kind=${output.kind} style=${{ aspectRatio: ratio }}>
      <${Icon} name=${ICONS[output.kind] ?? "file"} size=${28} />${name && html`<span class="sr-only">${name}</span>`}
    </span>`;
  }
  if (state === "broken") {
    return html`<span class="thumb" data-state="broken" style=${{ aspectRatio: ratio }}>
      ${retry
        ? html`<button
            type="button"
            class="icon-button"
            aria-label=${t("thumb.retry")}
            onClick=${() => {
              setState("loading");
              setAttempt(attempt + 1);
            }}
          ><${Icon} name="retry" /></button>`
        : html`<${Icon} name="image" /><span class="sr-only">${name || t("thumb.broken")}</span>`}
    </span>`;
  }
  const ended = (/** @type {string} */ how) => {
    over.current();
    // Of hundreds in a scroll, none is drawn twice for having come.
    if (!inTurn || how !== "ready") setState(how);
  };
  // Another fragment makes the browser ask again; the server never sees it.
  const again = attempt ? `#again=${attempt}` : "";
  return html`<span class="thumb" data-state=${inTurn ? "ready" : state} style=${{ aspectRatio: ratio }}>
    ${begun &&
    html`<img
      src=${thumbUrl(task.id, n, width) + again}
      alt=${name}
      loading=${eager || inTurn ? "eager" : "lazy"}
      decoding="async"
      onLoad=${() => ended("ready")}
      onError=${() => ended("broken")}
    />`}
  </span>`;
}
