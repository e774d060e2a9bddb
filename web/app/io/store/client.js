/** Which device this is, for the server's turns between clients. */
import { randomId } from "../api.js";

const KEY = "backplane.client";
/** @type {string | null} */
let known = null;

/** The same for as long as the browser keeps it. @returns {string} */
export function clientId() {
  if (known) return known;
  try {
    known = localStorage.getItem(KEY);
  } catch {
    // A private window: one for each start.
  }
  if (!known) {
    known = `phone-${randomId(8)}`;
    try {
      localStorage.setItem(KEY, known);
    } catch {
      // As above.
    }
  }
  return known;
}
