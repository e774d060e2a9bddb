/** Where the user stands in the page when the screen changes: the focus, and how far it is scrolled. */
import { useEffect, useLayoutEffect, useRef } from "../vendor/preact.js";

/** For how long a screen may grow before it is as long as when it was left. */
const GROWS_MS = 4000;

/** How far each place was scrolled when it was left. @type {Map<string, number>} */
const left = new Map();

/** Scrolls there as soon as the page is that long, unless the user or a jump to a card goes elsewhere first. @param {number} y @param {Element} content */
function scrollWhenLong(y, content) {
  const until = Date.now() + GROWS_MS;
  const stop = new AbortController();
  const watch = new ResizeObserver(() => {
    if (document.documentElement.scrollHeight - innerHeight < y && Date.now() < until) return;
    scrollTo({ top: y, behavior: "instant" });
    end();
  });
  const end = () => {
    watch.disconnect();
    stop.abort();
  };
  for (const act of ["wheel", "touchstart", "keydown", "pointerdown", "focusin"]) addEventListener(act, end, { once: true, passive: true, signal: stop.signal });
  watch.observe(content);
  setTimeout(end, GROWS_MS);
  return end;
}

/**
 * A screen that is come back to is as far down as it was; one that is new begins at its top. Either way the focus goes to
 * its content: else a keyboard or a screen reader would still stand on the link that was followed.
 * @param {import("../vendor/preact.js").Ref<HTMLElement>} content
 * @param {string} place Another one for each thing that has a page of its own.
 */
export function usePlace(content, place) {
  const before = useRef(place);
  useEffect(() => {
    const note = () => left.set(before.current, scrollY);
    addEventListener("scroll", note, { passive: true });
    return () => removeEventListener("scroll", note);
  }, []);
  useLayoutEffect(() => {
    if (before.current === place) return;
    before.current = place;
    const y = left.get(place) ?? 0;
    content.current?.focus({ preventScroll: true });
    scrollTo({ top: 0, behavior: "instant" });
    return y && content.current ? scrollWhenLong(y, content.current) : undefined;
  }, [place]);
}
