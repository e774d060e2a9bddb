import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { memo } from "../../ui/memo.js";
import { layout, visible } from "./layout.js";
import { Tile } from "./tile.js";
import { createTurns } from "./turns.js";
import { dayName, dayOf } from "./words.js";

/** @typedef {import("./items.js").Item} Item */

const GAP = 4;
const HEADING = 44;
/** So much beyond the screen is drawn ahead, in screens. */
const AHEAD = 1;

/**
 * @param {import("../../vendor/preact.js").Ref<HTMLElement>} box
 * @param {ReturnType<typeof createTurns>} turns
 * @returns {{width: number, from: number, to: number}}
 */
function useWindow(box, turns) {
  const [view, setView] = useState({ width: 0, from: 0, to: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    let frame = 0;
    const look = () => {
      frame = 0;
      const { top, width } = element.getBoundingClientRect();
      turns.moved(-top, innerHeight, performance.now());
      // In steps of half a screen, so that most frames of a scroll draw nothing anew.
      const step = Math.max(200, innerHeight / 2);
      const from = Math.floor((-top - innerHeight * AHEAD) / step) * step;
      const to = Math.ceil((-top + innerHeight * (1 + AHEAD)) / step) * step;
      setView((old) => (old.width === width && old.from === from && old.to === to ? old : { width, from, to }));
    };
    const soon = () => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    // Whatever scrolls, the window or a part of it: heard on its way down.
    document.addEventListener("scroll", soon, { capture: true, passive: true });
    const sizes = new ResizeObserver(soon);
    sizes.observe(element);
    addEventListener("resize", soon);
    return () => {
      cancelAnimationFrame(frame);
      document.removeEventListener("scroll", soon, { capture: true });
      removeEventListener("resize", soon);
      sizes.disconnect();
    };
  }, []);
  return view;
}

/**
 * One row. Drawn anew only if it is another, or what is selected in it: a scroll draws what comes, and nothing else.
 * @type {(props: {row: import("./layout.js").GridRow, items: readonly Item[], selecting: boolean, picked: string,
 *   turns: ReturnType<typeof createTurns>, onOpen: (item: Item) => void, onHold: (item: Item) => void,
 *   onFocus: (index: number) => void}) => any}
 */
const Row = memo(
  ({ row, items, selecting, picked, turns, onOpen, onHold, onFocus }) => {
    const on = new Set(picked.split(","));
    const inTurn = (/** @type {() => void} */ run) => turns.ask(row.top, run);
    return row.cells.map((/** @type {import("./layout.js").Cell} */ cell) => {
      const item = items[cell.index];
      return html`<li
        key=${item.key}
        aria-setsize=${items.length}
        aria-posinset=${cell.index + 1}
        style=${{ insetBlockStart: `${row.top}px`, insetInlineStart: `${cell.left}px`, inlineSize: `${cell.width}px`, blockSize: `${row.height}px` }}
        onFocusIn=${() => onFocus(cell.index)}
      >
        <${Tile} item=${item} selecting=${selecting} selected=${on.has(String(cell.index))} inTurn=${inTurn} onOpen=${onOpen} onHold=${onHold} />
      </li>`;
    });
  },
  ["row", "items", "selecting", "picked"],
);

/**
 * Results in rows. Only those near the screen are in the page; the box is as high as all of them from the start.
 * @param {{items: readonly Item[], label: string, now: number, selecting: boolean, selection: ReadonlySet<string>,
 *   onOpen: (item: Item) => void, onHold: (item: Item) => void, onEnd?: () => void}} props
 */
export function Grid({ items, label, now, selecting, selection, onOpen, onHold, onEnd }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const turns = useMemo(createTurns, []);
  const { width, from, to } = useWindow(box, turns);
  const [focused, setFocused] = useState(-1);
  const tiles = useMemo(() => items.map(({ ratio, at }) => ({ ratio, day: dayOf(at) })), [items]);
  const grid = useMemo(() => {
    const target = width < 500 ? 128 : 176;
    return width > 0 ? layout(tiles, width, { target, gap: GAP, heading: HEADING }) : { height: 0, rows: [] };
  }, [tiles, width]);
  const rows = visible(grid.rows, from, to);
  // The row with the focus stays in the page, else scrolling would throw it back to the start.
  const kept = focused < 0 ? undefined : grid.rows.find((row) => row.cells.some((cell) => cell.index === focused));
  const drawn = kept && !rows.includes(kept) ? [...rows, kept] : rows;
  const near = width > 0 && to >= grid.height;

  useEffect(() => {
    if (near) onEnd?.();
  }, [near, items.length]);

  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || focused < 0) return;
    const next = items[focused + step];
    const target = next && box.current?.querySelector(`[data-key="${CSS.escape(next.key)}"]`);
    if (!target) return;
    event.preventDefault();
    /** @type {HTMLElement} */ (target).focus();
  };

  return html`<div class="grid-box" ref=${box} style=${{ blockSize: `${grid.height}px` }}>
    ${drawn.map((row) =>
      row.kind === "heading"
        ? html`<h2 class="grid-day" key=${`day ${row.day}`} style=${{ insetBlockStart: `${row.top}px`, blockSize: `${row.height}px` }}>
            ${dayName(items[dayStart(grid.rows, row)].at, now)}
          </h2>`
        : null,
    )}
    <ul class="grid-cells" aria-label=${label} onKeyDown=${keys} onFocusOut=${() => setFocused(-1)}>
      ${drawn.map((row) =>
        row.kind === "cells"
          ? html`<${Row}
              key=${items[row.cells[0].index].key}
              row=${row}
              items=${items}
              selecting=${selecting}
              picked=${selecting ? row.cells.map((cell) => (selection.has(items[cell.index].key) ? cell.index : "")).join() : ""}
              turns=${turns}
              onOpen=${onOpen}
              onHold=${onHold}
              onFocus=${setFocused}
            />`
          : null,
      )}
    </ul>
  </div>`;
}

/** @param {readonly import("./layout.js").GridRow[]} rows @param {import("./layout.js").GridRow} heading @returns {number} */
function dayStart(rows, heading) {
  return rows[rows.indexOf(heading) + 1].cells[0].index;
}
