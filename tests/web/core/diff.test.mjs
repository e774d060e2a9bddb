import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "../../../web/app/core/diff.js";
import { textToImage } from "./shared.mjs";

test("no difference, however the keys stand and whatever the titles", () => {
  const now = textToImage();
  now[3] = { _meta: { title: "Main" }, inputs: Object.fromEntries(Object.entries(now[3].inputs).reverse()), class_type: "KSampler" };
  assert.deepEqual(differences(textToImage(), now), []);
});

test("values, links, classes and nodes", () => {
  const old = textToImage();
  const { 9: _gone, ...now } = textToImage();
  now[3] = { ...now[3], inputs: { ...now[3].inputs, seed: 43, model: ["10", 0], steps: ["11", 0], extra: null }, _meta: { title: "Main" } };
  delete now[3].inputs.cfg;
  now[8] = { ...now[8], class_type: "VAEDecodeTiled" };
  now[10] = { class_type: "LoraLoader", inputs: {} };
  const main = { id: "3", class_type: "KSampler", title: "Main" };
  assert.deepEqual(differences(old, now), [
    { ...main, kind: "value_changed", input: "seed", old: 42, new: 43 },
    { ...main, kind: "link_changed", input: "steps", old: 20, new: ["11", 0] },
    { ...main, kind: "value_changed", input: "cfg", old: 8, new: undefined },
    { ...main, kind: "link_changed", input: "model", old: ["4", 0], new: ["10", 0] },
    { ...main, kind: "value_changed", input: "extra", old: undefined, new: null },
    { id: "8", class_type: "VAEDecodeTiled", title: undefined, kind: "class_changed", old: "VAEDecode", new: "VAEDecodeTiled" },
    { id: "10", class_type: "LoraLoader", title: undefined, kind: "node_added" },
    { id: "9", class_type: "SaveImage", title: undefined, kind: "node_removed" },
  ]);
});
