/** Changes of prompts as texts: weights, and pieces put in. */

/** @typedef {{text: string, start: number, end: number}} Marked */

const WEIGHED = /^\(([^()]*):(-?\d*\.?\d+)\)$/s;

/** What is marked, or the word around the caret. @param {Marked} at @returns {[number, number]} */
function scope({ text, start, end }) {
  if (start !== end) return [start, end];
  // Inside "(word:1.2)": all of it.
  for (const found of text.matchAll(/\([^()]*:-?\d*\.?\d+\)/g)) {
    if (found.index <= start && start <= found.index + found[0].length) return [found.index, found.index + found[0].length];
  }
  const word = /[^\s,.;:()[\]{}，。；：（）]/;
  let from = start;
  let to = end;
  while (from > 0 && word.test(text[from - 1])) from -= 1;
  while (to < text.length && word.test(text[to])) to += 1;
  return [from, to];
}

/**
 * Gives a part of a prompt more or less weight, as ComfyUI writes it: `(word:1.1)`; 1 needs no brackets.
 * @param {Marked} at
 * @param {number} by
 * @returns {Marked} with what was weighed marked
 */
export function weigh(at, by) {
  const [start, end] = scope(at);
  const part = at.text.slice(start, end);
  if (!part.trim()) return at;
  const found = WEIGHED.exec(part);
  const weight = Math.round(((found ? Number(found[2]) : 1) + by) * 100) / 100;
  const inner = found ? found[1] : part;
  const next = weight === 1 ? inner : `(${inner}:${weight})`;
  return { text: at.text.slice(0, start) + next + at.text.slice(end), start, end: start + next.length };
}

/**
 * A text with a piece put in at a place: pieces of prompts are parted by commas.
 * @param {string} text @param {string} piece @param {number} [from] @param {number} [to] What is between is replaced.
 * @returns {{text: string, end: number}} *end*: behind the piece.
 */
export function inserted(text, piece, from = text.length, to = from) {
  const before = text.slice(0, from);
  const after = text.slice(to);
  const start = before.trim() === "" || /[,，\n]\s*$/.test(before) ? "" : ", ";
  const stop = after.trim() === "" || /^\s*[,，.。\n]/.test(after) ? "" : ", ";
  const lead = /[,，]$/.test(before) ? " " : start;
  const head = (start ? before.trimEnd() : before) + lead + piece;
  return { text: head + stop + (stop ? after.trimStart() : after), end: head.length };
}
