import assert from "node:assert/strict";
import { test } from "node:test";
import { inserted, weigh } from "../../../web/app/core/prompts.js";

/** A text with its marks: `[` and `]`, or `|` for the caret. */
const at = (marked) => {
  const caret = marked.indexOf("|");
  if (caret >= 0) return { text: marked.replace("|", ""), start: caret, end: caret };
  return { text: marked.replace("[", "").replace("]", ""), start: marked.indexOf("["), end: marked.indexOf("]") - 1 };
};

test("a word, or what is marked, gets a weight and loses it again", () => {
  assert.equal(weigh(at("a red| boat"), 0.1).text, "a (red:1.1) boat");
  assert.equal(weigh(at("a [red boat] at sea"), 0.1).text, "a (red boat:1.1) at sea");
  assert.equal(weigh(at("a (re|d:1.1) boat"), 0.1).text, "a (red:1.2) boat");
  assert.equal(weigh(at("a (re|d:1.1) boat"), -0.1).text, "a red boat");
  assert.equal(weigh(at("一只猫|，海边"), 0.1).text, "(一只猫:1.1)，海边");
  const twice = weigh(weigh(at("a red| boat"), 0.1), 0.1);
  assert.deepEqual([twice.text, twice.text.slice(twice.start, twice.end)], ["a (red:1.2) boat", "(red:1.2)"]);
  assert.equal(weigh(at("a, | b"), 0.1).text, "a,  b");
});

test("a preset is put in between commas", () => {
  const put = (marked, piece) => {
    const { text, start, end } = at(marked);
    const found = inserted(text, piece, start, end);
    return `${found.text.slice(0, found.end)}|${found.text.slice(found.end)}`;
  };
  assert.equal(put("|", "oil painting"), "oil painting|");
  assert.equal(put("a boat|", "oil painting"), "a boat, oil painting|");
  assert.equal(put("a boat,|", "oil painting"), "a boat, oil painting|");
  assert.equal(put("a boat, |", "oil painting"), "a boat, oil painting|");
  assert.equal(put("a boat|, at sea", "oil painting"), "a boat, oil painting|, at sea");
  assert.equal(put("|a boat", "oil painting"), "oil painting|, a boat");
  assert.equal(put("a [red] boat", "blue"), "a, blue|, boat");
  assert.equal(put("a boat\n|", "oil painting"), "a boat\noil painting|");
  assert.equal(inserted("a boat", "oil painting").text, "a boat, oil painting");
});
