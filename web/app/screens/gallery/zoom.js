/**
 * How a picture stands in the viewer: scale 1 fits the stage, x and y move its middle from the stage's. Pure.
 */

/** @typedef {{scale: number, x: number, y: number}} View */
/** @typedef {{width: number, height: number}} Size */
/** @typedef {{x: number, y: number}} Point From the middle of the stage. */

/** @type {View} */
export const FIT = { scale: 1, x: 0, y: 0 };

const CLOSEST = 8;

/**
 * Give the size that *picture* has at scale 1.
 * @param {Size} picture
 * @param {Size} stage
 * @returns {Size}
 */
export function fitted(picture, stage) {
  const factor = Math.min(stage.width / picture.width, stage.height / picture.height);
  return { width: picture.width * factor, height: picture.height * factor };
}

/**
 * Keep the picture on the stage: no edge of it comes further in than the stage's.
 * @param {View} view
 * @param {Size} shown The size at scale 1.
 * @param {Size} stage
 * @returns {View}
 */
export function held(view, shown, stage) {
  const scale = Math.max(1, Math.min(CLOSEST, view.scale));
  const spareX = Math.max(0, (shown.width * scale - stage.width) / 2);
  const spareY = Math.max(0, (shown.height * scale - stage.height) / 2);
  return {
    scale,
    x: Math.max(-spareX, Math.min(spareX, view.x)),
    y: Math.max(-spareY, Math.min(spareY, view.y)),
  };
}

/**
 * Scale by *factor* so that what lies under *at* stays there.
 * @param {View} view
 * @param {number} factor
 * @param {Point} at
 * @returns {View}
 */
export function scaled(view, factor, at) {
  const scale = Math.max(1, Math.min(CLOSEST, view.scale * factor));
  const real = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * real, y: at.y - (at.y - view.y) * real };
}

/**
 * Go where a double tap goes: near at *at*, or back to the whole.
 * @param {View} view
 * @param {Point} at
 * @param {number} near
 * @returns {View}
 */
export function toggled(view, at, near) {
  return view.scale > 1.01 ? FIT : scaled(view, near, at);
}

/**
 * Say where a swipe that ended leads: -1 to the one before, 1 to the next, 0 nowhere.
 * @param {number} moved In pixels, to the left negative.
 * @param {number} speed In pixels a millisecond.
 * @param {number} width
 * @returns {-1 | 0 | 1}
 */
export function swiped(moved, speed, width) {
  const far = Math.abs(moved) > width * 0.28;
  const quick = Math.abs(speed) > 0.35 && Math.abs(moved) > 24;
  if (!far && !quick) return 0;
  return moved < 0 ? 1 : -1;
}
