import assert from "node:assert/strict";
import { test } from "node:test";
import { exactLimit, fromBig, isExact, parseExact } from "../../../web/app/core/exact.js";

test("whole numbers beyond 2^53 are read as text, and everything else as always", () => {
  assert.deepEqual(parseExact('{"seed": 18446744073709551615, "a": [-9007199254740993, 9007199254740991, 1e400, 1234567890123456.5]}'), {
    seed: "18446744073709551615",
    a: ["-9007199254740993", 9007199254740991, Infinity, 1234567890123456.5],
  });
});

test("digits inside texts and keys stay what they are", () => {
  const value = { 'a "18446744073709551615": 18446744073709551615': "18446744073709551615, \\", "18446744073709551615": "\\\"" };
  assert.deepEqual(parseExact(JSON.stringify(value)), value);
});

test("what is no JSON is refused", () => {
  for (const text of ["", "{", "18446744073709551615 1", "{18446744073709551615: 1}x"]) assert.throws(() => parseExact(text), SyntaxError);
});

test("a workflow that is only passed on keeps its seed", () => {
  const text = '{"3":{"class_type":"KSampler","inputs":{"seed":18446744073709551557}}}';
  assert.equal(JSON.stringify(parseExact(text)), text.replace("18446744073709551557", '"18446744073709551557"'));
});

test("4 MB of JSON are read in no time", () => {
  const text = JSON.stringify(Array.from({ length: 20_000 }, (_, at) => ({ name: `node ${at}`, text: "x".repeat(150), seed: 2 ** 60 })));
  const from = performance.now();
  assert.equal(parseExact(text).length, 20_000);
  assert.ok(performance.now() - from < 1500);
});

test("a limit of 2^64 is meant to be one less; others are as they are", () => {
  assert.equal(exactLimit(2 ** 64), 2n ** 64n - 1n);
  assert.equal(exactLimit(2 ** 63), 2n ** 63n - 1n);
  assert.equal(exactLimit("18446744073709551615"), 2n ** 64n - 1n);
  assert.equal(exactLimit(1125899906842624), 1125899906842624n);
  assert.equal(exactLimit(-5), -5n);
});

test("what is exact, and how it is written", () => {
  assert.ok(isExact("18446744073709551615") && isExact("-18446744073709551615"));
  for (const other of ["42", "9007199254740991", "000000000000000001", "1e30", "abc", 42, null]) assert.ok(!isExact(other), String(other));
  assert.equal(fromBig(42n), 42);
  assert.equal(fromBig(2n ** 53n), "9007199254740992");
});
