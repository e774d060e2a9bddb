/** Finds words in short texts: node names, files, workflows. */

const ASCII = /^[\x00-\x7f]*$/;
/** Where words begin in `CLIPTextEncode`. */
const HUMPS = /(?<=\p{Ll}|\d)(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu;

/**
 * Neither case nor accents nor the width of letters count.
 * @param {string} text
 */
const folded = (text) =>
  ASCII.test(text) ? text.toLowerCase() : text.normalize("NFKD").replace(/\p{Diacritic}/gu, "").toLowerCase();

/**
 * How well *text* fits *query*; 0 if a word of it is missing. The beginning of the text counts most, then the beginning
 * of a word, then anywhere: Chinese has no gaps between words. Of two texts that fit alike the shorter is better.
 * @param {string} text
 * @param {string} query
 */
export const score = (text, query) => fit(text, wordsOf(query));

/** @param {string} query */
const wordsOf = (query) => folded(query).split(/\s+/u).filter(Boolean);

/**
 * @param {string} text
 * @param {readonly string[]} words
 */
function fit(text, words) {
  if (!words.length) return 1;
  const whole = folded(text);
  const spaced = folded(text.replace(HUMPS, " "));
  let sum = 0;
  for (const word of words) {
    const found = wordFit(whole, spaced, word);
    if (!found) return 0;
    sum += found;
  }
  return sum / words.length + 1 / (1 + whole.length);
}

/**
 * @param {string} whole
 * @param {string} spaced With gaps in `CamelCase`.
 * @param {string} word
 */
function wordFit(whole, spaced, word) {
  if (whole === word) return 5;
  if (whole.startsWith(word)) return 4;
  for (let at = spaced.indexOf(word); at >= 0; at = spaced.indexOf(word, at + 1)) {
    if (at > 0 && !/[\p{L}\p{N}]/u.test(spaced[at - 1])) return 3;
  }
  return whole.includes(word) ? 2 : 0;
}

/**
 * The items that fit, the best first; all as they are without a query.
 * @template T
 * @param {readonly T[]} items
 * @param {string} query
 * @param {(item: T) => string} textOf
 * @returns {T[]}
 */
export function filter(items, query, textOf) {
  const words = wordsOf(query);
  if (!words.length) return [...items];
  return items
    .map((item, at) => ({ item, at, good: fit(textOf(item), words) }))
    .filter(({ good }) => good > 0)
    .sort((a, b) => b.good - a.good || a.at - b.at)
    .map(({ item }) => item);
}
