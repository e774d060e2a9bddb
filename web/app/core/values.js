/**
 * Values between a workflow, a field and a person's fingers.
 *
 * @typedef {import("./types.js").Field} Field
 */
import { exactLimit, fromBig, parseExact } from "./exact.js";

/**
 * The list within `{"__value__": […]}`, which keeps it from being taken for a link; other values as they are.
 * @param {any} value
 * @returns {any}
 */
export const unwrap = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value) && Object.hasOwn(value, "__value__")
    ? value.__value__
    : value;

/**
 * A value as workflows hold it.
 * @param {any} value
 * @returns {any}
 */
export const wrap = (value) => (Array.isArray(value) ? { __value__: value } : value);

/**
 * What an option is called; options may be of any JSON type.
 * @param {any} option
 * @returns {string}
 */
export const optionLabel = (option) => (typeof option === "string" ? option : (JSON.stringify(option) ?? String(option)));

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const WHOLE = /^[+-]?\d+$/;

const THOUSANDS = /^[+-]?\d{1,3}(,\d{3})+$/;

/**
 * A number as people type it: digits of any width, a comma or a point before the decimals, gaps between thousands.
 * @param {string} text
 * @param {boolean} whole Whether a comma before three digits parts thousands.
 */
function plain(text, whole) {
  const narrow = text.normalize("NFKC").replace(/[\s_'’]/g, "").replace(/−/g, "-").replace(/。/g, ".");
  if (narrow.includes(".") || narrow.split(",").length > 2 || (whole && THOUSANDS.test(narrow))) return narrow.replace(/,/g, "");
  return narrow.replace(",", ".");
}

/**
 * Reads what a person typed. Limits are `clampValue`'s, but for whole numbers beyond 2^53: those come as text, within
 * the limits of the field.
 * @param {Field} field
 * @param {string} text
 * @returns {{value: any} | {error: string}} *error*: the key of a text.
 */
export function parseValue(field, text) {
  if (field.kind === "int" || field.kind === "seed" || field.kind === "float") {
    const digits = plain(text, field.kind !== "float");
    if (!DECIMAL.test(digits)) return { error: "field.not_a_number" };
    if (field.kind !== "float" && WHOLE.test(digits)) return { value: fromBig(withinLimits(field, BigInt(digits.replace("+", "")))) };
    const value = Number(digits);
    if (!Number.isFinite(value)) return { error: "field.not_a_number" };
    return { value: field.kind === "float" ? value : Math.round(value) };
  }
  if (field.kind === "color" && field.type === "INT") {
    const hex = hexOf(text) ?? hexOf(WHOLE.test(text.trim()) ? Number(text) : null);
    return hex ? { value: colored(field, hex) } : { error: "field.not_a_color" };
  }
  if (field.kind === "raw") {
    try {
      return { value: parseExact(text) };
    } catch {
      return { error: "field.not_json" };
    }
  }
  return { value: text };
}

/**
 * Numbers that fit are told by `clampValue` what they become, so that it can be said; the others have to fit now.
 * @param {Field} field
 * @param {bigint} value
 */
function withinLimits(field, value) {
  if (Number.isSafeInteger(Number(value))) return value;
  const max = exactLimit(field.limit ?? field.max ?? Number.MAX_SAFE_INTEGER);
  const min = exactLimit(field.min ?? Number.MIN_SAFE_INTEGER);
  if (value > max) return max;
  return value < min ? min : value;
}

/** Some nodes declare more than they accept: numpy takes 32 bits. What is drawn, every node accepts. */
const MOST_DRAWN = 2 ** 32 - 1;

/**
 * A seed by chance, from a source that is there on plain http, too.
 * @param {Pick<Field, "min" | "max">} field
 * @returns {number}
 */
export function drawSeed({ min = 0, max = MOST_DRAWN }) {
  const low = Math.max(0, min);
  const high = Math.max(low, Math.min(max, MOST_DRAWN));
  return low + (crypto.getRandomValues(new Uint32Array(1))[0] % (high - low + 1));
}

const HEX = /^#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i;

/**
 * A colour as `#rrggbb`; null for what is none, or is called by a name.
 * @param {any} value A text, or a number as 0xRRGGBB.
 * @returns {string | null}
 */
export function hexOf(value) {
  if (typeof value === "number") return value >= 0 && value <= 0xffffff ? `#${Math.round(value).toString(16).padStart(6, "0")}` : null;
  if (typeof value !== "string" || !HEX.test(value.trim())) return null;
  const digits = value.trim().slice(1).toLowerCase();
  return `#${digits.length < 6 ? [...digits.slice(0, 3)].map((one) => one + one).join("") : digits.slice(0, 6)}`;
}

/**
 * The value that a field has with a colour; how much shines through (`#rrggbbaa`) stays.
 * @param {Field} field
 * @param {string} hex `#rrggbb`
 * @returns {string | number}
 */
export function colored(field, hex) {
  if (typeof field.value === "number" || field.type === "INT") return parseInt(hex.slice(1), 16);
  return typeof field.value === "string" && /^#[0-9a-f]{8}$/i.test(field.value) ? hex + field.value.slice(7) : hex;
}

/**
 * A list of colours with one of them changed, added at the end, or taken out.
 * @param {readonly string[]} list
 * @param {number} at
 * @param {string | null} hex `#rrggbb`; null takes it out.
 * @returns {string[]}
 */
export function recolored(list, at, hex) {
  if (hex === null) return list.filter((_, n) => n !== at);
  const made = String(colored(/** @type {Field} */ ({ value: list[at] }), hex));
  return at < list.length ? list.map((one, n) => (n === at ? made : one)) : [...list, made];
}

/** More decimals than any node means; fewer than the noise of adding 0.1 ten times. */
const MOST_DECIMALS = 6;

/**
 * The nearest number that the field takes.
 * @param {Field} field
 * @param {number} value
 * @returns {number}
 */
export function clampValue(field, value) {
  const { min = -Infinity, max = Infinity } = field;
  const near = field.kind === "float" ? tidy(value, field.digits) : Math.round(value);
  return Math.min(max, Math.max(min, near));
}

/**
 * Takes the noise off a number; one that is smaller than its field's steps, and means it, stays.
 * @param {number} value
 * @param {number} [digits]
 */
function tidy(value, digits = 0) {
  const found = Number(value.toFixed(Math.max(digits, MOST_DECIMALS)));
  return found === 0 ? value : found;
}
