import assert from "node:assert/strict";
import { test } from "node:test";
import { amend, canRedo, canUndo, fresh, push, redo, undo } from "../../../web/app/core/history.js";

const graphs = Array.from({ length: 8 }, (_, at) => ({ 1: { class_type: "Any", inputs: { at } } }));
const now = (history) => history.steps[history.at].graph;

test("steps back and forth give the very same graphs", () => {
  let history = fresh(graphs[0]);
  assert.ok(!canUndo(history) && !canRedo(history));
  assert.equal(undo(history), history);
  for (let at = 1; at < 4; at += 1) history = push(history, graphs[at], { at: at * 10_000 });
  for (let at = 2; at >= 0; at -= 1) {
    history = undo(history);
    assert.equal(now(history), graphs[at]);
  }
  assert.ok(!canUndo(history) && canRedo(history));
  assert.equal(now(redo(redo(redo(redo(history))))), graphs[3]);
});

test("what was undone is gone after another change", () => {
  const history = push(undo(push(fresh(graphs[0]), graphs[1], { at: 1 })), graphs[2], { at: 2 });
  assert.ok(!canRedo(history));
  assert.deepEqual(history.steps.map((step) => step.graph), [graphs[0], graphs[2]]);
});

test("edits of one field in quick succession are one step", () => {
  let history = fresh(graphs[0]);
  for (const [at, when] of [[1, 1000], [2, 1700], [3, 2500], [4, 3301]]) history = push(history, graphs[at], { key: "3.cfg", at: when });
  assert.deepEqual(history.steps.map((step) => step.graph), [graphs[0], graphs[3], graphs[4]]);
  history = push(history, graphs[5], { key: "3.steps", at: 3302 });
  history = push(history, graphs[6], { at: 3303 });
  history = push(history, graphs[7], { at: 3304 });
  assert.equal(history.steps.length, 6);
});

test("a step that was gone back to is not overwritten", () => {
  let history = push(fresh(graphs[0]), graphs[1], { key: "a", at: 1 });
  history = undo(push(history, graphs[2], { key: "b", at: 2 }));
  history = push(history, graphs[3], { key: "a", at: 3 });
  assert.deepEqual(history.steps.map((step) => step.graph), [graphs[0], graphs[1], graphs[3]]);
});

test("no change is no step", () => {
  const history = fresh(graphs[0]);
  assert.equal(push(history, graphs[0], { at: 1 }), history);
});

test("a seed that a run changes is no step, neither back nor forth", () => {
  let history = push(push(fresh(graphs[0]), graphs[1], { at: 1 }), graphs[2], { at: 2 });
  history = amend(undo(history), graphs[5]);
  assert.equal(history.steps.length, 3);
  assert.equal(now(history), graphs[5]);
  assert.equal(now(redo(history)), graphs[2]);
  assert.equal(now(undo(history)), graphs[0]);
});

test("a hundred snapshots are kept, and are plain JSON", () => {
  let history = fresh(graphs[0]);
  for (let at = 1; at <= 250; at += 1) history = push(history, { 1: { class_type: "Any", inputs: { at } } }, { at: at * 1000 });
  assert.equal(history.steps.length, 100);
  assert.equal(now(history)[1].inputs.at, 250);
  assert.deepEqual(JSON.parse(JSON.stringify(history)), history);
});
