import { useEffect, useState } from "../vendor/preact.js";

/**
 * What an asynchronous question answered, asked anew when *key* changes; null while it is not known.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} ask
 * @param {string} key
 * @param {T} otherwise If it fails: these are suggestions, nothing depends on them.
 * @returns {T | null}
 */
export function useAnswer(ask, key, otherwise) {
  const [answer, setAnswer] = useState(/** @type {T | null} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    setAnswer(null);
    ask(stop.signal).then(
      (found) => stop.signal.aborted || setAnswer(found),
      () => stop.signal.aborted || setAnswer(otherwise),
    );
    return () => stop.abort();
  }, [key]);
  return answer;
}
