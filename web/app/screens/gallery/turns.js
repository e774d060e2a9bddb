/**
 * Pictures are asked for in turn: those nearest to the middle of the screen first, a few in a frame, and none while the
 * results rush by. Asking is what costs a phone most in a scroll, more than drawing does.
 */

/** Begun in one frame. */
const AT_ONCE = 4;
/** On their way at a time: as many as a browser asks of one server, twice. */
const UNDERWAY = 12;
/** Faster than so many screens a second nobody looks at a picture. */
const RUSH = 4;
const CALM_MS = 90;

/** @typedef {{top: number, run: () => void}} Waiting */

/**
 * @param {{frame?: (run: () => void) => unknown, later?: (run: () => void, ms: number) => any, stop?: (timer: any) => void}} [clock] For tests.
 */
export function createTurns({ frame = requestAnimationFrame, later = setTimeout, stop = clearTimeout } = {}) {
  /** @type {Set<Waiting>} */
  const waiting = new Set();
  let underway = 0;
  let middle = 0;
  let rushing = false;
  let planned = false;
  /** @type {any} */
  let timer;
  /** @type {{top: number, at: number} | undefined} */
  let last;

  function plan() {
    if (planned || rushing || !waiting.size || underway >= UNDERWAY) return;
    planned = true;
    frame(serve);
  }

  function serve() {
    planned = false;
    if (rushing) return;
    const room = Math.min(AT_ONCE, UNDERWAY - underway);
    const nearest = [...waiting].sort((a, b) => Math.abs(a.top - middle) - Math.abs(b.top - middle)).slice(0, room);
    for (const one of nearest) {
      waiting.delete(one);
      underway += 1;
      one.run();
    }
    plan();
  }

  return {
    /**
     * Waits for a turn.
     * @param {number} top Where it stands in the list, in pixels.
     * @param {() => void} run
     * @returns {() => void} To be called when the picture is there, broken, or no longer wanted.
     */
    ask(top, run) {
      const mine = { top, run };
      waiting.add(mine);
      plan();
      let over = false;
      return () => {
        if (over) return;
        over = true;
        if (!waiting.delete(mine)) underway -= 1;
        plan();
      };
    },

    /**
     * Tells where the screen stands.
     * @param {number} top Of the screen within the list, in pixels.
     * @param {number} height Of the screen.
     * @param {number} at In milliseconds.
     */
    moved(top, height, at) {
      middle = top + height / 2;
      const speed = last && at > last.at ? Math.abs(top - last.top) / (at - last.at) : 0;
      last = { top, at };
      rushing = speed * 1000 > RUSH * height;
      stop(timer);
      if (!rushing) return plan();
      timer = later(() => {
        rushing = false;
        plan();
      }, CALM_MS);
    },
  };
}
