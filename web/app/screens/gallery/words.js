/** What results are called, and where they lie. */
import { t } from "../../io/store.js";
import { url } from "../../io/api.js";
import { thumbUrl } from "../../ui/thumb.js";
import { tag } from "../tasks/words.js";

/** @typedef {import("./items.js").Item} Item */

/** @param {Item} item @returns {string} */
export const addressOf = ({ task, n, output }) => url(output.url ?? `/ext/tasks/${task.id}/outputs/${n}`);

/** @param {Item} item @param {number} [width] @returns {string} A smaller copy of an image; by itself the one in the grid. */
export const smallOf = ({ task, n }, width) => thumbUrl(task.id, n, width);

const GROUP = { image: "gallery.kind_image", video: "gallery.kind_video", audio: "gallery.kind_audio", text: "gallery.kind_text", file: "gallery.kind_file" };
export const ICON = { image: "image", video: "video", audio: "audio", text: "edit", file: "file" };

/** @param {import("./items.js").Group} group */
export const groupName = (group) => t(GROUP[group]);

/** Making one takes longer than drawing a picture's frame. @type {Map<string, Intl.DateTimeFormat>} */
const moments = new Map();

/** @param {string} at @returns {string} What a picture is called to who does not see it. */
function moment(at) {
  let format = moments.get(tag());
  if (!format) moments.set(tag(), (format = new Intl.DateTimeFormat(tag(), { dateStyle: "medium", timeStyle: "short" })));
  return format.format(new Date(at));
}

/** @param {Item} item @returns {string} "Image from Portrait, 3 May 2026, 14:02" */
export function describe({ group, name, at }) {
  const params = { kind: groupName(group), name, when: at ? moment(at) : "" };
  return t(name ? "gallery.item_of" : "gallery.item", params);
}

/** @param {string} at @returns {string} The day, so that two times of one day are equal. */
export function dayOf(at) {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "" : `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

/** @param {string} at @param {number} now @returns {string} "Today", "Yesterday", "3 May 2026" */
export function dayName(at, now) {
  const day = dayOf(at);
  if (!day) return t("gallery.some_day");
  const relative = new Intl.RelativeTimeFormat(tag(), { numeric: "auto" });
  for (const back of [0, 1]) {
    if (day === dayOf(new Date(now - back * 86_400_000).toISOString())) return capital(relative.format(-back, "day"));
  }
  return new Intl.DateTimeFormat(tag(), { dateStyle: "long" }).format(new Date(at));
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {unknown} value @returns {string} */
export const textOf = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
