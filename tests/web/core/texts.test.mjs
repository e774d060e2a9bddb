import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, percent, remaining, seconds, speed } from "../../../web/app/core/format.js";
import { negotiate, pseudo, translator } from "../../../web/app/core/i18n.js";

test("placeholders are filled, and only those that are given", () => {
  const t = translator("en", { a: "Add {name} to {place}" });
  assert.equal(t("a", { name: "{place}", place: "$&" }), "Add {place} to $&");
  assert.equal(t("a", { name: 0 }), "Add 0 to {place}");
  assert.equal(t("a", { name: false, place: null }), "Add false to {place}");
  assert.equal(translator("en", { b: "{toString}" })("b"), "{toString}");
});

test("plural forms are those of the language", () => {
  const message = { one: "{count} node", other: "{count} nodes" };
  const t = translator("en", { a: message });
  assert.deepEqual([t("a", { count: 1 }), t("a", { count: 0 }), t("a", { count: 1234 })], ["1 node", "0 nodes", "1,234 nodes"]);
  assert.equal(translator("zh", { a: { other: "{count} 个节点" } })("a", { count: 1 }), "1 个节点");
  assert.equal(translator("zh", {}, { a: message })("a", { count: 1 }), "1 node");
  assert.equal(translator("qps", { a: message })("a", { count: 1 }), "1 node");
});

test("numbers that are no counts are not written as such", () => {
  assert.equal(translator("en", { a: "Seed {seed}" })("a", { seed: 1234567 }), "Seed 1234567");
});

test("what one language lacks comes from the other, what both lack is its key", () => {
  const t = translator("zh", { a: "甲" }, { a: "A", b: "B" });
  assert.deepEqual(["a", "b", "c", "constructor"].map((key) => t(key)), ["甲", "B", "c", "constructor"]);
});

test("the first language that there is", () => {
  for (const [wishes, language] of [[["zh-CN", "en"], "zh"], [["zh-Hans"], "zh"], [["ZH_tw"], "zh"], [["fr", "en-GB", "zh"], "en"], [["fr"], "en"], [[], "en"], [["zha", "enm"], "en"]]) {
    assert.equal(negotiate(wishes), language, String(wishes));
  }
});

test("the pseudo-language is longer, and keeps placeholders and forms", () => {
  const found = pseudo({ a: "Add {count} nodes", b: { one: "x", other: "y" } });
  assert.equal(found.a, "[Aðð {count} ñóðéš~~~~~~]");
  assert.deepEqual(Object.keys(found.b), ["one", "other"]);
});

test("sizes, as disks and hubs count", () => {
  const sizes = [[0, "0 B"], [999, "999 B"], [1000, "1 kB"], [999_600, "1 MB"], [1_500_000, "1.5 MB"], [6_938_040_682, "6.9 GB"], [99_960_000, "100 MB"], [123_456_789, "123 MB"], [999_960_000, "1 GB"], [2e15, "2,000 TB"], [-5, "0 B"], [NaN, "0 B"]];
  for (const [size, text] of sizes) assert.equal(bytes(size, "en"), text);
  assert.equal(bytes(6_938_040_682, "zh"), "6.9 GB");
  assert.equal(speed(12_300_000, "qps"), "12.3 MB/s");
});

test("durations", () => {
  const times = [[0, "0.0 s", "0.0 秒"], [6.34, "6.3 s", "6.3 秒"], [59.94, "59.9 s", "59.9 秒"], [59.96, "1 min", "1 分"], [125, "2 min 5 s", "2 分 5 秒"], [3600, "1 h", "1 小时"], [4200.4, "1 h 10 min", "1 小时 10 分"], [-1, "0.0 s", "0.0 秒"], [NaN, "0.0 s", "0.0 秒"]];
  for (const [value, en, zh] of times) assert.deepEqual([seconds(value, "en"), seconds(value, "zh")], [en, zh]);
});

test("how long ago", () => {
  const now = Date.UTC(2026, 0, 31, 12);
  for (const [before, text] of [[3, "now"], [59.7, "1 minute ago"], [300, "5 minutes ago"], [7200, "2 hours ago"], [86_400, "yesterday"], [20 * 86_400, "3 weeks ago"], [800 * 86_400, "2 years ago"]]) {
    assert.equal(ago(now - before * 1000, now, "en"), text);
  }
  assert.equal(ago(new Date(now - 300_000).toISOString(), new Date(now), "zh"), "5分钟前");
  assert.equal(ago("never", now, "en"), "");
});

test("percents never say that something is done before it is", () => {
  assert.deepEqual([0, 0.55, 0.999, 0.29, 1].map((part) => percent(part, "en")), ["0%", "55%", "99%", "29%", "100%"]);
});

test("what remains is an estimate, and reads like one", () => {
  const said = [0.2, 35.2, 59.5, 125, 601, 7000].map((value) => remaining(value, "en"));
  assert.deepEqual(said, ["1 s", "36 s", "1 min", "2 min 5 s", "11 min", "1 h 57 min"]);
  assert.equal(remaining(35.2, "zh"), "36 秒");
});
