/**
 * Where each picture of the gallery stands: rows of equal height, as wide as the screen, in the order of time and
 * with a heading for each day. Known before any picture has come, so that nothing jumps. Pure.
 */

/** @typedef {{index: number, left: number, width: number}} Cell */
/**
 * @typedef {object} GridRow
 * @property {"heading" | "cells"} kind
 * @property {number} top
 * @property {number} height
 * @property {string} day
 * @property {Cell[]} cells
 */
/** @typedef {{height: number, rows: GridRow[]}} Grid */
/** @typedef {{ratio: number, day: string}} Tile */

const NARROWEST = 0.5;
const WIDEST = 2.6;

/**
 * Lay *tiles* out in rows about *target* pixels high.
 * @param {readonly Tile[]} tiles
 * @param {number} width
 * @param {{target: number, gap: number, heading: number}} sizes
 * @returns {Grid}
 */
export function layout(tiles, width, { target, gap, heading }) {
  /** @type {GridRow[]} */
  const rows = [];
  let top = 0;
  let start = 0;
  /** @type {(end: number, last: boolean) => void} */
  const close = (end, last) => {
    const shares = tiles.slice(start, end).map(shareOf);
    const room = width - gap * (shares.length - 1);
    const sum = shares.reduce((total, share) => total + share, 0);
    const full = room / sum;
    const height = Math.round(last ? Math.min(full, target) : full);
    let left = 0;
    const cells = shares.map((share, place) => {
      const wide = !last && place === shares.length - 1 ? width - left : Math.round(share * height);
      const cell = { index: start + place, left, width: Math.min(wide, width - left) };
      left += wide + gap;
      return cell;
    });
    rows.push({ kind: "cells", top, height, day: tiles[start].day, cells });
    top += height + gap;
    start = end;
  };
  let sum = 0;
  for (let index = 0; index < tiles.length; index += 1) {
    const { day } = tiles[index];
    if (index === 0 || tiles[index - 1].day !== day) {
      if (index > start) close(index, true);
      rows.push({ kind: "heading", top, height: heading, day, cells: [] });
      top += heading;
      sum = 0;
    }
    sum += shareOf(tiles[index]);
    if (sum * target + gap * (index - start) >= width) {
      close(index + 1, false);
      sum = 0;
    }
  }
  if (start < tiles.length) close(tiles.length, true);
  return { height: Math.max(0, top - gap), rows };
}

/**
 * Give the rows that touch the stretch from *from* to *to*, by halving: thousands of rows cost no more than ten looks.
 * @param {readonly GridRow[]} rows
 * @param {number} from
 * @param {number} to
 * @returns {GridRow[]}
 */
export function visible(rows, from, to) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height < from) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (end < rows.length && rows[end].top <= to) end += 1;
  return rows.slice(low, end);
}

/** @param {Tile} tile */
function shareOf(tile) {
  return Math.max(NARROWEST, Math.min(WIDEST, tile.ratio || 1));
}
