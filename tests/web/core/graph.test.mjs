import assert from "node:assert/strict";
import { test } from "node:test";
import { branches, inputsOf, isLink, linksInto, ordered, same, titleOf, users } from "../../../web/app/core/graph.js";
import { specs, textToImage } from "./shared.mjs";

const node = (inputs = {}, class_type = "Any") => ({ class_type, inputs });

test("a link is a list of a text and a whole number, and nothing else is", () => {
  for (const link of [["4", 0], ["4", -1], ["12:3", 2]]) assert.ok(isLink(link));
  for (const other of [["4", 0.5], ["4", true], [4, 0], ["4"], ["4", 0, 1], ["4", "0"], "4", null, { 0: "4", 1: 0, length: 2 }]) {
    assert.ok(!isLink(other), JSON.stringify(other));
  }
});

test("inputs and links of nodes that are out of shape are none", () => {
  for (const broken of [null, undefined, {}, { inputs: null }, { inputs: ["4", 0] }, { inputs: "x" }]) {
    assert.deepEqual(inputsOf(broken), {});
    assert.deepEqual(linksInto(broken), []);
  }
  assert.deepEqual(linksInto(node({ a: ["1", 2], b: 3, c: ["x", 0] })), [
    { name: "a", source: "1", slot: 2 },
    { name: "c", source: "x", slot: 0 },
  ]);
});

test("users of a node, in the order of the graph; worked out once for a graph", () => {
  const graph = textToImage();
  assert.deepEqual(users(graph).get("4"), [
    { target: "3", name: "model", slot: 0 },
    { target: "6", name: "clip", slot: 1 },
    { target: "7", name: "clip", slot: 1 },
    { target: "8", name: "vae", slot: 2 },
  ]);
  assert.equal(users(graph).get("9"), undefined);
  assert.equal(users(graph), users(graph));
});

test("loaders first, then each node after what it uses", () => {
  assert.deepEqual(ordered(textToImage()), ["4", "5", "6", "7", "3", "8", "9"]);
  const late = { ...textToImage(), 20: { class_type: "LoadImage", inputs: { image: "a.png" } } };
  assert.deepEqual(ordered(late), ["4", "5", "20", "6", "7", "3", "8", "9"]);
});

test("the order of other nodes is that of the graph, ids that are no numbers included", () => {
  assert.deepEqual(ordered({ z: node(), "12:3": node(), a: node({ x: ["z", 0] }), b: node({ x: ["12:3", 0] }) }), ["z", "12:3", "a", "b"]);
});

test("circles, links to nowhere and to itself lose no node", () => {
  const graph = { a: node({ x: ["b", 0] }), b: node({ x: ["a", 0] }), c: node({ x: ["gone", 0] }), d: node({ x: ["d", 0] }), e: null };
  assert.deepEqual(ordered(graph), ["c", "e", "a", "b", "d"]);
  assert.deepEqual(ordered({}), []);
  assert.deepEqual(branches(graph).flatMap((one) => one.ids).sort(), ["a", "b", "c", "d", "e"]);
});

test("1,000 nodes are in order within 20 ms", () => {
  const graph = {};
  for (let at = 0; at < 1000; at += 1) {
    const inputs = {};
    for (let back = 1; back <= 4 && at >= back * 7; back += 1) inputs[`in${back}`] = [`n${at - back * 7}`, 0];
    graph[`n${at}`] = node(inputs);
  }
  const reversed = Object.fromEntries(Object.entries(graph).reverse());
  ordered(graph);
  const times = [reversed, graph, reversed, graph, reversed].map((each) => {
    const from = performance.now();
    const order = ordered(each);
    const took = performance.now() - from;
    const place = new Map(order.map((id, at) => [id, at]));
    assert.equal(place.size, 1000);
    for (const [id, one] of Object.entries(each)) for (const { source } of linksInto(one)) assert.ok(place.get(source) < place.get(id));
    return took;
  });
  assert.ok(Math.min(...times) < 20, `${times} ms`);
});

test("a workflow with one end is one group, also with a preview beside it", () => {
  const graph = textToImage();
  assert.deepEqual(branches(graph), [{ label: null, fork: null, ids: ordered(graph) }]);
  const preview = { ...graph, 10: { class_type: "PreviewImage", inputs: { images: ["8", 0] } } };
  assert.deepEqual(branches(preview), [{ label: null, fork: null, ids: ordered(preview) }]);
  assert.deepEqual(branches({}), []);
});

test("what leads to one end alone is a branch, and comes after what is shared", () => {
  const graph = {
    ...textToImage(),
    10: { class_type: "KSampler", inputs: { ...textToImage()[3].inputs, steps: 8 } },
    11: { class_type: "VAEDecode", inputs: { samples: ["10", 0], vae: ["4", 2] } },
    12: { class_type: "SaveImage", inputs: { filename_prefix: "B", images: ["11", 0] } },
  };
  assert.deepEqual(branches(graph), [
    { label: null, fork: null, ids: ["4", "5", "6", "7"] },
    { label: "A", fork: 0, ids: ["3", "8", "9"] },
    { label: "B", fork: 0, ids: ["10", "11", "12"] },
  ]);
});

test("more branches than letters have names, too", () => {
  const graph = { s: node() };
  for (let at = 0; at < 28; at += 1) {
    graph[`a${at}`] = node({ x: ["s", 0] });
    graph[`b${at}`] = node({ x: [`a${at}`, 0] });
  }
  const labels = branches(graph).map((one) => one.label);
  assert.equal(labels.length, 29);
  assert.deepEqual(labels.slice(-3), ["Z", "AA", "AB"]);
});

test("a title is what a person gave, else the class's name, else the class", () => {
  const spec = specs.get("CheckpointLoaderSimple");
  assert.equal(titleOf({ ...node({}, spec.name), _meta: { title: "Mine" } }, spec), "Mine");
  assert.equal(titleOf({ ...node({}, spec.name), _meta: { title: "  " } }, spec), "Load Checkpoint");
  assert.equal(titleOf(node({}, "Gone")), "Gone");
});

test("values are the same whatever the order of their keys", () => {
  assert.ok(same({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }));
  assert.ok(same(NaN, NaN) && same(0, -0));
  for (const [one, other] of [[1, "1"], [[1], { 0: 1 }], [{ a: undefined }, { b: 1 }], [{}, null], [[1, 2], [1]], [true, 1], [{}, []], [{ toString: 1 }, {}]]) {
    assert.ok(!same(one, other), JSON.stringify([one, other]));
    assert.ok(!same(other, one));
  }
});
