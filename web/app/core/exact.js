/**
 * Whole numbers beyond 2^53, which JavaScript's numbers cannot hold: seeds go up to 2^64. They are read as text, which
 * ComfyUI takes for a number as well, so a workflow that is only passed on runs with the seed that it came with.
 */

const LONGEST_SAFE = 15;
const LONG = /\d{16}/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const WHOLE = /^[+-]?\d+$/;

/** @param {string} digits */
const isUnsafe = (digits) => digits.length > LONGEST_SAFE && WHOLE.test(digits) && !Number.isSafeInteger(Number(digits));

/**
 * Reads JSON as `JSON.parse` does, but whole numbers beyond 2^53 as text.
 * @param {string} text
 * @returns {any}
 */
export function parseExact(text) {
  if (!LONG.test(text)) return JSON.parse(text);
  return JSON.parse(text.replace(TOKENS, (token) => (token[0] !== '"' && isUnsafe(token) ? `"${token}"` : token)));
}

/**
 * Whether a value is the text of a whole number beyond 2^53.
 * @param {unknown} value
 * @returns {value is string}
 */
export const isExact = (value) => typeof value === "string" && isUnsafe(value.trim());

/**
 * A whole number as a value: a number where one can hold it, else its text without a plus sign or leading zeros.
 * @param {bigint} value
 * @returns {number | string}
 */
export const fromBig = (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value));

/**
 * A declared limit, exactly. Definitions say 2^64 - 1, which as a number is 2^64: where a limit is such a power of two,
 * one less is meant.
 * @param {number | string} limit
 * @returns {bigint}
 */
export function exactLimit(limit) {
  if (typeof limit === "string") return BigInt(limit);
  const whole = BigInt(Math.trunc(limit));
  return whole >= 2n ** 53n && (whole & (whole - 1n)) === 0n ? whole - 1n : whole;
}
