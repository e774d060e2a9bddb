import assert from "node:assert/strict";
import { test } from "node:test";
import { filter, score } from "../../../web/app/core/search.js";

const find = (items, query) => filter(items, query, (item) => item);

test("all words have to be there, in any order", () => {
  assert.deepEqual(find(["Load Image", "Save Image", "Load VAE"], "image load"), ["Load Image"]);
  assert.equal(score("Load Image", "load x"), 0);
});

test("the beginning before the beginning of a word before anywhere; then the shorter", () => {
  assert.deepEqual(find(["Resample", "Add Sampler", "Sampler Custom", "Sampler", "downsample_x"], "sample"), [
    "Sampler",
    "Sampler Custom",
    "Add Sampler",
    "Resample",
    "downsample_x",
  ]);
});

test("words within CamelCase and between signs", () => {
  assert.ok(score("CLIPTextEncode", "text") > score("Context", "text"));
  assert.ok(score("sd_xl_base.safetensors", "base") > score("database", "base"));
  assert.ok(score("texttext_text", "text_t") > 0);
  assert.ok(score("aimage image", "image") > score("aimage", "image"));
});

test("case, accents and wide letters do not count", () => {
  for (const [text, query] of [["Modèle", "modele"], ["ＶＡＥ 解码", "vae"], ["Straße", "STRASSE".slice(0, 4)], ["modele", "MODÈLE"]]) {
    assert.ok(score(text, query) > 0, query);
  }
});

test("Chinese is found anywhere", () => {
  assert.deepEqual(find(["K采样器（高级）", "图像采样", "加载图像"], "采样"), ["图像采样", "K采样器（高级）"]);
  assert.deepEqual(find(["VAE 解码", "VAE 编码"], "vae 解码"), ["VAE 解码"]);
});

test("without a query everything, as it stands; equals keep their order", () => {
  const items = [{ name: "b1" }, { name: "b2" }];
  assert.deepEqual(filter(items, "  ", (item) => item.name), items);
  assert.deepEqual(filter(items, "b", (item) => item.name), items);
  assert.equal(score("anything", ""), 1);
});

test("signs of patterns are only signs", () => {
  assert.deepEqual(find(["a (b) [c] *", "abc"], "( [ *"), ["a (b) [c] *"]);
});

test("3,000 names are searched while a person types", () => {
  const items = Array.from({ length: 3000 }, (_, at) => `models/加载 Some Node Name ${at} WithCamelCase.safetensors`);
  const from = performance.now();
  assert.equal(find(items, "camel node").length, 3000);
  assert.ok(performance.now() - from < 300);
});
