import assert from "node:assert/strict";
import { test } from "node:test";
import { ports } from "../../../web/app/core/fields.js";
import { specs, textToImage } from "./shared.mjs";

const graph = textToImage();
const of = (id, all = graph, known = undefined) => ports(specs.get(all[id].class_type), all[id], all, id, known);

test("sockets with their links, outputs with who uses them", () => {
  const { inputs, outputs, params } = of("3");
  assert.deepEqual(
    inputs.map((one) => [one.name, one.type, one.required, one.link]),
    [
      ["model", "MODEL", true, { node: "4", slot: 0 }],
      ["positive", "CONDITIONING", true, { node: "6", slot: 0 }],
      ["negative", "CONDITIONING", true, { node: "7", slot: 0 }],
      ["latent_image", "LATENT", true, { node: "5", slot: 0 }],
    ],
  );
  assert.deepEqual(outputs, [{ slot: 0, name: "LATENT", type: "LATENT", list: false, targets: [{ id: "8", name: "samples" }] }]);
  assert.deepEqual(params.map((one) => one.name), ["seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"]);
  assert.deepEqual(of("4").outputs[1].targets, [{ id: "6", name: "clip" }, { id: "7", name: "clip" }]);
});

test("the id is found where it is not said", () => {
  assert.deepEqual(ports(specs.get("KSampler"), graph[3], graph), of("3"));
});

test("a widget that may be linked, with the types it takes", () => {
  const linked = { ...graph, 3: { ...graph[3], inputs: { ...graph[3].inputs, steps: ["10", 0] } } };
  const { inputs, params } = of("3", linked);
  assert.deepEqual(params.find((one) => one.name === "steps").link, { node: "10", slot: 0 });
  assert.ok(!inputs.some((one) => one.name === "steps"));
  const audio = { 1: { class_type: "LTXVEmptyLatentAudio", inputs: {} } };
  assert.equal(of("1", audio).params.find((one) => one.name === "frame_rate").type, "FLOAT,INT");
});

test("an input that grows: what is linked or needed, and one more", () => {
  const batch = (inputs) => of("1", { 1: { class_type: "BatchImagesNode", inputs } }).inputs;
  assert.deepEqual(batch({}).map((one) => [one.name, one.label, one.required]), [["images.image0", "image0", true]]);
  const found = batch({ "images.image0": ["2", 0], "images.image2": ["2", 0] });
  assert.deepEqual(found.map((one) => one.name), ["images.image0", "images.image1", "images.image2", "images.image3"]);
  assert.deepEqual(found.map((one) => one.required), [true, false, false, false]);
  const full = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`images.image${at}`, ["2", 0]]));
  assert.equal(batch(full).length, 50);
});

test("sockets that a dynamic combo brings", () => {
  const resize = { 1: { class_type: "ResizeImageMaskNode", inputs: { resize_type: "match size" } } };
  assert.deepEqual(of("1", resize).inputs.map((one) => one.name), ["input", "resize_type.match"]);
});

test("ports of a match type have the type that is linked, also through others of the kind", () => {
  const all = {
    ...graph,
    20: { class_type: "ComfySwitchNode", inputs: { switch: true, on_true: ["8", 0] } },
    21: { class_type: "ComfySwitchNode", inputs: { switch: true, on_false: ["20", 0] } },
  };
  const { inputs, outputs } = of("21", all, specs);
  assert.deepEqual([...inputs, ...outputs].map((one) => one.type), ["IMAGE", "IMAGE", "IMAGE"]);
  assert.equal(of("21", all).outputs[0].type, "*");
  const circle = { 1: { class_type: "ComfySwitchNode", inputs: { on_true: ["1", 0] } } };
  assert.equal(of("1", circle, specs).outputs[0].type, "*");
});

test("links that the class does not know are there, too", () => {
  const odd = { 1: { class_type: "VAEDecode", inputs: { samples: ["2", 0], other: ["2", 0] } }, 2: { class_type: "Gone", inputs: { a: ["1", 7] } } };
  const { inputs, outputs } = of("1", odd);
  assert.deepEqual(inputs.filter((one) => one.unknown).map((one) => [one.name, one.type]), [["other", "*"]]);
  assert.deepEqual(outputs.map((one) => [one.slot, one.name, one.type, one.targets.length]), [[0, "IMAGE", "IMAGE", 0], [7, "", "*", 1]]);
  const gone = of("2", odd);
  assert.deepEqual(gone.inputs.map((one) => [one.name, one.link]), [["a", { node: "1", slot: 7 }]]);
  assert.deepEqual(gone.outputs[0].targets, [{ id: "1", name: "samples" }, { id: "1", name: "other" }]);
});

test("a slot with a number of any size is one port", () => {
  const odd = { 1: { class_type: "VAEDecode", inputs: {} }, 2: { class_type: "SaveImage", inputs: { images: ["1", 2 ** 40] }, other: 1 } };
  assert.equal(of("1", odd).outputs.length, 2);
});
