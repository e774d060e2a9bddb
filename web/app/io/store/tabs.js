/**
 * The app may be open in several tabs, which share what is kept on the device: each tells the others which draft it
 * saved. Where there is no BroadcastChannel, tabs do not know of each other.
 */
import { base } from "../api.js";

/** @typedef {import("./state.js").DraftEntry} DraftEntry */

/** @type {BroadcastChannel | null} */
let channel = null;

/** @param {DraftEntry} entry */
export function tellTabs(entry) {
  channel?.postMessage(entry);
}

/** Calls *told* with each draft that another tab saved. @param {(entry: DraftEntry) => void} told */
export function followTabs(told) {
  if (typeof BroadcastChannel === "undefined" || channel) return;
  channel = new BroadcastChannel(`backplane${base()}-drafts`);
  channel.onmessage = ({ data }) => told(data);
}
