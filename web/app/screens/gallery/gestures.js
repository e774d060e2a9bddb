import { useEffect, useRef } from "../../vendor/preact.js";
import { FIT, fitted, held, scaled, swiped, toggled } from "./zoom.js";

/** @typedef {import("./zoom.js").View} View */
/** @typedef {import("./zoom.js").Point} Point */

const TAP_MS = 260;
const TAP_PX = 12;
const CLOSE_PX = 110;
const NEAR = 2.5;

/**
 * What a viewer's stage tells of fingers, mouse and wheel. Written straight into the page: no component is drawn
 * anew while a finger moves.
 * @typedef {object} Hands
 * @property {() => {width: number, height: number} | null} picture The size of what can be zoomed; null if nothing can.
 * @property {(view: View, moving: boolean) => void} onView
 * @property {(x: number, y: number, moving: boolean) => void} [onDrag] How far it is dragged aside or down, unzoomed.
 * @property {(step: -1 | 1) => void} [onStep]
 * @property {() => void} [onClose] Dragged down far enough.
 * @property {() => void} [onTap]
 */

/**
 * @param {import("../../vendor/preact.js").Ref<HTMLElement>} stage
 * @param {Hands} hands
 * @returns {{reset: () => void, zoom: (factor: number) => void, toggle: () => void, pan: (x: number, y: number) => void, view: () => View}}
 */
export function useGestures(stage, hands) {
  const latest = useRef(hands);
  latest.current = hands;
  const machine = useRef(/** @type {ReturnType<typeof gestures> | null} */ (null));
  machine.current ??= gestures(() => stage.current, () => latest.current);
  useEffect(() => (stage.current ? machine.current?.listen(stage.current) : undefined), []);
  return machine.current;
}

/** @param {() => HTMLElement | null} stageOf @param {() => Hands} hands */
function gestures(stageOf, hands) {
  /** @type {Map<number, Point>} */
  const fingers = new Map();
  /** @type {View} */
  let view = FIT;
  let start = { x: 0, y: 0, at: 0, view: FIT, spread: 0 };
  let moved = 0;
  let lastTap = { x: 0, y: 0, at: 0 };
  let pinched = false;
  /** The first finger came down on a button, which hears of a tap itself. */
  let pressed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let tap;

  const size = () => {
    const box = stageOf()?.getBoundingClientRect();
    return { width: box?.width || 1, height: box?.height || 1, left: box?.left ?? 0, top: box?.top ?? 0 };
  };
  /** @param {{clientX: number, clientY: number}} event @returns {Point} */
  const point = ({ clientX, clientY }) => {
    const { left, top, width, height } = size();
    return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
  };
  /** @param {View} next @param {boolean} moving */
  const show = (next, moving) => {
    const picture = hands().picture();
    const stage = size();
    view = picture ? held(next, fitted(picture, stage), stage) : FIT;
    hands().onView(view, moving);
  };
  const middle = () => {
    const all = [...fingers.values()];
    const sum = all.reduce((a, b) => ({ x: a.x + b.x, y: a.y + b.y }));
    return { x: sum.x / all.length, y: sum.y / all.length };
  };
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  };
  const begin = () => {
    start = { ...middle(), at: performance.now(), view, spread: spread() };
  };

  /** @param {PointerEvent} event */
  const down = (event) => {
    const on = /** @type {Element} */ (event.target);
    const button = !!on.closest("button");
    // A finger may begin a swipe on a button that lies at the edge; a mouse that goes down on one means it.
    if (event.button > 0 || on.closest("a, input, video, audio, pre") || (button && event.pointerType !== "touch")) return;
    if (!button) stageOf()?.setPointerCapture(event.pointerId);
    if (!fingers.size) {
      moved = 0;
      pinched = false;
      pressed = button;
    }
    fingers.set(event.pointerId, point(event));
    if (fingers.size === 2) {
      pinched = true;
      hands().onDrag?.(0, 0, false);
    }
    begin();
  };
  /** @param {PointerEvent} event */
  const move = (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, point(event));
    const now = middle();
    const by = { x: now.x - start.x, y: now.y - start.y };
    moved = Math.max(moved, Math.hypot(by.x, by.y));
    if (fingers.size >= 2 && start.spread) {
      const grown = scaled(start.view, spread() / start.spread, start);
      show({ ...grown, x: grown.x + by.x, y: grown.y + by.y }, true);
    } else if (view.scale > 1) {
      show({ ...start.view, x: start.view.x + by.x, y: start.view.y + by.y }, true);
    } else if (!pinched && moved > TAP_PX) {
      const aside = Math.abs(by.x) >= Math.abs(by.y);
      hands().onDrag?.(aside ? by.x : 0, aside ? 0 : Math.max(0, by.y), true);
    }
  };
  /** @param {PointerEvent} event */
  const up = (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    fingers.delete(event.pointerId);
    if (fingers.size) {
      begin();
      return;
    }
    const by = { x: last.x - start.x, y: last.y - start.y };
    const took = performance.now() - start.at;
    if (event.type !== "pointercancel") {
      if (moved <= TAP_PX && !pinched && took < 500) return pressed ? undefined : tapped(last);
      if (view.scale <= 1 && !pinched) return released(by, took);
    }
    hands().onDrag?.(0, 0, false);
    show(view, false);
  };
  /** @param {Point} by @param {number} took */
  const released = (by, took) => {
    hands().onDrag?.(0, 0, false);
    if (Math.abs(by.x) >= Math.abs(by.y)) {
      const step = swiped(by.x, by.x / Math.max(1, took), size().width);
      if (step) hands().onStep?.(step);
    } else if (by.y > CLOSE_PX) hands().onClose?.();
  };
  /** @param {Point} at */
  const tapped = (at) => {
    const now = performance.now();
    const twice = now - lastTap.at < TAP_MS && Math.hypot(at.x - lastTap.x, at.y - lastTap.y) < 40;
    lastTap = { ...at, at: twice ? 0 : now };
    clearTimeout(tap);
    if (twice) show(toggled(view, at, NEAR), false);
    else if (hands().onTap) tap = setTimeout(() => hands().onTap?.(), TAP_MS);
  };
  /** @param {WheelEvent} event */
  const wheel = (event) => {
    if (!hands().picture()) return;
    event.preventDefault();
    show(scaled(view, Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), point(event)), false);
  };

  return {
    /** @param {HTMLElement} element */
    listen(element) {
      /** @type {[string, (event: any) => void][]} */
      const events = [
        ["pointerdown", down],
        ["pointermove", move],
        ["pointerup", up],
        ["pointercancel", up],
        ["wheel", wheel],
      ];
      for (const [name, handler] of events) element.addEventListener(name, handler, { passive: false });
      return () => {
        clearTimeout(tap);
        for (const [name, handler] of events) element.removeEventListener(name, handler);
      };
    },
    reset: () => show(FIT, false),
    /** @param {number} factor */
    zoom: (factor) => show(scaled(view, factor, { x: 0, y: 0 }), false),
    toggle: () => show(toggled(view, { x: 0, y: 0 }, NEAR), false),
    /** @param {number} x @param {number} y */
    pan: (x, y) => show({ ...view, x: view.x + x, y: view.y + y }, false),
    view: () => view,
  };
}
