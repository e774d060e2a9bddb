import assert from "node:assert/strict";
import { test } from "node:test";
import { neighbour, resolved, swapped } from "../../../web/app/screens/flow/choices.js";
import { specs, textToImage } from "./shared.mjs";

const lora = (model, clip) => ({ class_type: "LoraLoader", inputs: { lora_name: "a", strength_model: 1, strength_clip: 1, model, clip } });
const through = { ...specs.get("LoraLoader"), name: "Shift", inputs: [{ name: "unet", type: "MODEL", required: true }], outputs: [{ name: "MODEL", type: "MODEL" }], params: [] };
const known = new Map([...specs, ["Shift", through]]);

/** Two LoRAs behind a checkpoint, and a node of another class that a model goes through. */
function chain() {
  const graph = textToImage();
  graph[10] = lora(["4", 0], ["4", 1]);
  graph[11] = lora(["10", 0], ["10", 1]);
  graph[12] = { class_type: "Shift", inputs: { unet: ["11", 0] } };
  graph[3].inputs.model = ["12", 0];
  graph[6].inputs.clip = ["11", 1];
  graph[7].inputs.clip = ["11", 1];
  return graph;
}

/** Does connect and disconnect operations. */
function done(graph, ops) {
  const next = structuredClone(graph);
  for (const { op, source_node_id, output, target_node_id, input } of ops) {
    if (op === "connect") next[target_node_id].inputs[input] = [source_node_id, output];
    else delete next[target_node_id].inputs[input];
  }
  return next;
}

test("a LoRA changes places with the one before or behind it, and back", () => {
  const graph = chain();
  assert.equal(neighbour(graph, known, "11", "earlier"), "10");
  assert.equal(neighbour(graph, known, "10", "later"), "11");
  assert.equal(neighbour(graph, known, "10", "earlier"), null);
  const moved = done(graph, swapped(graph, known, "10", "11"));
  assert.deepEqual([moved[11].inputs.model, moved[11].inputs.clip], [["4", 0], ["4", 1]]);
  assert.deepEqual([moved[10].inputs.model, moved[10].inputs.clip], [["11", 0], ["11", 1]]);
  assert.deepEqual([moved[12].inputs.unet, moved[6].inputs.clip, moved[7].inputs.clip], [["10", 0], ["10", 1], ["10", 1]]);
  assert.deepEqual(done(moved, swapped(moved, known, "11", "10")), graph);
});

test("so do nodes of different classes, of what goes through both", () => {
  const graph = chain();
  assert.equal(neighbour(graph, known, "12", "earlier"), "11");
  assert.equal(neighbour(graph, known, "12", "later"), null, "a sampler makes no model");
  const moved = done(graph, swapped(graph, known, "11", "12"));
  assert.deepEqual([moved[12].inputs.unet, moved[11].inputs.model, moved[3].inputs.model], [["10", 0], ["12", 0], ["11", 0]]);
  assert.deepEqual([moved[11].inputs.clip, moved[6].inputs.clip], [["10", 1], ["11", 1]]);
  assert.deepEqual(done(moved, swapped(moved, known, "12", "11")), graph);
});

test("what would go around in a circle does not move", () => {
  const graph = chain();
  graph[13] = { class_type: "Shift", inputs: { unet: ["10", 0] } };
  graph[11].inputs.model = ["13", 0];
  // The first LoRA leads to the second by way of 13 as well.
  assert.equal(neighbour(graph, known, "11", "earlier"), "13");
  assert.equal(neighbour(graph, known, "10", "later"), "13");
});

test("an answer to which output goes into which input of a new node", () => {
  const about = { graph: textToImage(), specs: known };
  const op = { op: "insert_node", class_type: "LoraLoader", target_node_id: "3", input: "model", inputs: { model: ["4", 0] } };
  const one = { node_id: "6", class_type: "CLIPTextEncode", slot: 1, type: "CLIP" };
  assert.deepEqual(resolved(op, one, { ...about, input: "clip" }).inputs, { model: ["4", 0], clip: ["6", 1] });
  assert.deepEqual(resolved({ op: "add_fragment", fragment: "x" }, one, { ...about, input: "clip" }), { op: "add_fragment", fragment: "x", inputs: { clip: ["6", 1] } });
  assert.deepEqual(resolved({ op: "insert_node", class_type: "X" }, one, about), { op: "insert_node", class_type: "X", source_node_id: "6", output: 1 });
});
