import assert from "node:assert/strict";
import { test } from "node:test";
import { simpleFields } from "../../../web/app/core/simple.js";
import { specs, textToImage } from "./shared.mjs";

const names = (graph, appMode) => simpleFields(graph, specs, appMode).map(({ id, field }) => `${id}.${field.name}`);

test("the prompt, what to avoid, size, seed and model", () => {
  const swapped = textToImage();
  swapped[3].inputs.positive = ["7", 0];
  swapped[3].inputs.negative = ["6", 0];
  const rest = ["5.width", "5.height", "5.batch_size", "3.seed", "4.ckpt_name"];
  assert.deepEqual(names(textToImage()), ["6.text", "7.text", ...rest]);
  assert.deepEqual(names(swapped), ["7.text", "6.text", ...rest]);
});

test("files come before sizes; nodes that nothing uses, linked values and what is hidden do not come", () => {
  const graph = {
    ...textToImage(),
    10: { class_type: "LoadImage", inputs: { image: "a.png" } },
    11: { class_type: "PreviewImage", inputs: { images: ["10", 0] } },
    12: { class_type: "CLIPTextEncode", inputs: { text: "nobody's" } },
    13: { class_type: "Painter", inputs: { mask: "m.png", image: ["10", 0] } },
    14: { class_type: "PreviewImage", inputs: { images: ["13", 0] } },
  };
  graph[3].inputs.seed = ["99", 0];
  assert.deepEqual(names(graph), ["6.text", "7.text", "10.image", "13.mask", "5.width", "5.height", "5.batch_size", "4.ckpt_name"]);
});

test("a prompt that goes both ways is one to show", () => {
  const graph = textToImage();
  graph[3].inputs.negative = ["6", 0];
  assert.deepEqual(names(graph).slice(0, 1), ["6.text"]);
});

test("what App mode declares, in its order; what is gone is left out", () => {
  const appMode = { inputs: [[3, "steps"], ["6", "text", { height: 3 }], ["77", "x"], ["3", "nothing"], null] };
  assert.deepEqual(names(textToImage(), appMode), ["3.steps", "6.text"]);
  assert.deepEqual(names(textToImage(), { inputs: [["77", "x"]] }).length, 7);
});

test("circles and classes that are gone do no harm", () => {
  assert.deepEqual(names({ a: { class_type: "Gone", inputs: { x: ["b", 0] } }, b: { class_type: "Gone", inputs: { x: ["a", 0], text: "x" } }, c: null }), []);
});
