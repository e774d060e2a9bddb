import { useEffect, useRef, useState } from "../../vendor/preact.js";
import { headers, serverNow, url } from "../../io/api.js";

/** Give the server's time, anew each second while *on*. @param {boolean} on */
export function useNow(on) {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(serverNow()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}

const EVERY_MS = 700;

/**
 * Give the address of a running task's latest preview image, null until one came. *beat* changes with each newer one;
 * before the first there is nothing to ask for. Fetched and not left to `src`: the route's address never changes, and
 * the frame on show stays until the next one is whole.
 * @param {string} id
 * @param {unknown} beat
 * @returns {string | null}
 */
export function usePreview(id, beat) {
  const [shown, setShown] = useState(/** @type {string | null} */ (null));
  const last = useRef({ at: 0, address: /** @type {string | null} */ (null), busy: false, gone: false });

  useEffect(() => {
    if (!beat) return;
    const state = last.current;
    const wait = Math.max(0, state.at + EVERY_MS - Date.now());
    const timer = setTimeout(async () => {
      if (state.busy || document.hidden) return;
      state.busy = true;
      state.at = Date.now();
      try {
        const response = await fetch(url(`/ext/tasks/${id}/preview`), { headers: headers(), cache: "no-store" });
        if (response.ok && !state.gone) {
          const fresh = URL.createObjectURL(await response.blob());
          if (state.address) URL.revokeObjectURL(state.address);
          state.address = fresh;
          setShown(fresh);
        }
      } catch {
        // Without a network there is no newer frame; the store says that it is offline.
      } finally {
        state.busy = false;
      }
    }, wait);
    return () => clearTimeout(timer);
  }, [id, beat]);

  useEffect(() => {
    last.current.gone = false;
    return () => {
      last.current.gone = true;
      if (last.current.address) URL.revokeObjectURL(last.current.address);
      last.current.address = null;
    };
  }, [id]);

  return shown;
}
