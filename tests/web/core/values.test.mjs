import assert from "node:assert/strict";
import { test } from "node:test";
import { clampValue, colored, drawSeed, hexOf, optionLabel, parseValue, recolored, unwrap, wrap } from "../../../web/app/core/fields.js";

const int = { kind: "int", min: 1, max: 10000, step: 1 };
const float = { kind: "float", min: 0, max: 100, step: 0.1, digits: 2 };
const seed = { kind: "seed", min: 0, max: Number.MAX_SAFE_INTEGER, limit: "18446744073709551615", step: 1 };
const read = (field, text) => parseValue(field, text).value;

test("lists are wrapped, and nothing else is", () => {
  for (const value of [[1, [2]], [], "x", 0, null, { a: 1 }]) assert.deepEqual(unwrap(wrap(value)), value);
  assert.deepEqual(wrap(["4", 0]), { __value__: ["4", 0] });
  assert.deepEqual(unwrap({ __value__: 5 }), 5);
  assert.deepEqual(unwrap([1]), [1]);
});

test("options by name", () => {
  assert.deepEqual(["a", 5, true, null, { a: 1 }].map(optionLabel), ["a", "5", "true", "null", '{"a":1}']);
});

test("whole numbers, as people type them", () => {
  for (const [text, value] of [[" 42 ", 42], ["+7", 7], ["-3", -3], ["−3", -3], ["１０２４", 1024], ["1,024", 1024], ["1 024", 1024], ["1’024", 1024], ["20.0", 20], ["20.6", 21], ["1e3", 1000]]) {
    assert.equal(read(int, text), value, text);
  }
});

test("numbers, with a comma or a point", () => {
  for (const [text, value] of [["0,5", 0.5], [".5", 0.5], ["5.", 5], ["０．５", 0.5], ["1,234.5", 1234.5], ["1,024", 1.024], ["1,000,000", 1e6], ["-1e-3", -0.001]]) {
    assert.equal(read(float, text), value, text);
  }
});

test("what is no number is said to be none", () => {
  for (const text of ["", " ", "abc", "1.2.3", "0x10", "Infinity", "NaN", "1e999", "--1", "1-2", "五"]) {
    assert.deepEqual(parseValue(float, text), { error: "field.not_a_number" }, text);
  }
});

test("seeds beyond 2^53 come as text, within the limits of the node", () => {
  assert.equal(read(seed, "9007199254740991"), 9007199254740991);
  assert.equal(read(seed, "9007199254740993"), "9007199254740993");
  assert.equal(read(seed, "18446744073709551615"), "18446744073709551615");
  assert.equal(read(seed, "18446744073709551616"), "18446744073709551615");
  assert.equal(read(seed, "-99999999999999999999"), 0);
  assert.equal(read({ kind: "int", max: 4294967295, min: 0 }, "99999999999999999999"), 4294967295);
  assert.equal(read({ kind: "int" }, "99999999999999999999"), Number.MAX_SAFE_INTEGER);
});

test("raw values are JSON", () => {
  assert.deepEqual(read({ kind: "raw" }, '{"a": [1, 18446744073709551615]}'), { a: [1, "18446744073709551615"] });
  assert.deepEqual(parseValue({ kind: "raw" }, "{a: 1}"), { error: "field.not_json" });
});

test("texts are what was typed", () => {
  assert.equal(read({ kind: "multiline" }, "  a\n"), "  a\n");
});

test("numbers are brought into the limits, whole where they have to be, without noise", () => {
  assert.equal(clampValue(int, 0), 1);
  assert.equal(clampValue(int, 99999), 10000);
  assert.equal(clampValue(int, 20.6), 21);
  assert.equal(clampValue(float, 0.1 + 0.2), 0.3);
  assert.equal(clampValue(float, -1), 0);
  assert.equal(clampValue({ kind: "float" }, 1e-9), 1e-9);
  assert.equal(clampValue({ kind: "int", max: 4294967295 }, 2 ** 40), 4294967295);
  assert.equal(clampValue({ kind: "float", max: 0.0000001 }, 1), 0.0000001);
});

test("colors, as texts and as numbers", () => {
  for (const [value, hex] of [["#fff", "#ffffff"], ["#0A1628", "#0a1628"], ["#12345678", "#123456"], ["#abcd", "#aabbcc"], [255, "#0000ff"], [0, "#000000"], ["red", null], ["", null], [-1, null], [2 ** 24, null], [null, null]]) {
    assert.equal(hexOf(value), hex, String(value));
  }
  assert.equal(colored({ kind: "color", type: "COLOR", value: "#000000" }, "#ff8800"), "#ff8800");
  assert.equal(colored({ kind: "color", type: "COLOR", value: "#00000080" }, "#ff8800"), "#ff880080");
  assert.equal(colored({ kind: "color", type: "INT", value: 0 }, "#ff8800"), 0xff8800);
  const number = { kind: "color", type: "INT", value: 0 };
  assert.deepEqual([parseValue(number, "#00f"), parseValue(number, "255"), parseValue(number, "blue")], [{ value: 255 }, { value: 255 }, { error: "field.not_a_color" }]);
  assert.deepEqual(parseValue({ kind: "color", type: "COLOR", value: "" }, "rebeccapurple"), { value: "rebeccapurple" });
});

test("a drawn seed is one that every node accepts", () => {
  for (let n = 0; n < 200; n += 1) {
    const wide = drawSeed({ min: 0, max: Number.MAX_SAFE_INTEGER });
    assert.ok(Number.isInteger(wide) && wide >= 0 && wide < 2 ** 32, String(wide));
    const narrow = drawSeed({ min: 5, max: 7 });
    assert.ok(narrow >= 5 && narrow <= 7, String(narrow));
  }
  assert.ok(drawSeed({ min: -10, max: 0 }) === 0);
  assert.equal(drawSeed({ min: 2 ** 40, max: 2 ** 50 }), 2 ** 40);
});

test("a list of colors changes one by one, and what shines through stays", () => {
  assert.deepEqual(recolored(["#000000", "#11111180"], 1, "#ff8800"), ["#000000", "#ff880080"]);
  assert.deepEqual(recolored([], 0, "#ff8800"), ["#ff8800"]);
  assert.deepEqual(recolored(["#000000", "#111111"], 0, null), ["#111111"]);
});
