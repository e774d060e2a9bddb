/** The picture that a run sends while it works. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { headers, url } from "../../io/api.js";

/**
 * Fetched, not named in an <img>: its address stays the same, and it needs the key where there is one.
 * @param {{path: string, beat: string, alt: string}} props *beat* changes with each new picture
 */
export function Preview({ path, beat, alt }) {
  const [source, setSource] = useState(/** @type {string | null} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    fetch(url(path), { headers: headers(), cache: "no-store", signal: stop.signal })
      .then((answer) => (answer.ok ? answer.blob() : null))
      .then((picture) => picture && !stop.signal.aborted && setSource(URL.createObjectURL(picture)))
      // The next one comes soon.
      .catch(() => {});
    return () => stop.abort();
  }, [path, beat]);
  useEffect(() => (source ? () => URL.revokeObjectURL(source) : undefined), [source]);
  return source ? html`<img class="card-preview" src=${source} alt=${alt} />` : null;
}
