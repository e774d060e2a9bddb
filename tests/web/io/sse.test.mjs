import assert from "node:assert/strict";
import { test } from "node:test";
import { reader } from "../../../web/app/io/sse.js";

const TEXT = ": still here\n\nid: a-1\nevent: task.status\ndata: {\"a\":1}\n\nid: a-2\r\nevent: x\r\ndata: one\r\ndata:two\r\n\r\ndata: plain\r\rdata: lost";

/** @param {string[]} pieces */
function read(pieces) {
  /** @type {any[]} */
  const events = [];
  const feed = reader((event) => events.push(event));
  for (const piece of pieces) feed(piece);
  return events;
}

const EXPECTED = [
  { id: "a-1", name: "task.status", data: '{"a":1}' },
  { id: "a-2", name: "x", data: "one\ntwo" },
  { id: "a-2", name: "message", data: "plain" },
];

test("events are read, and what is not whole waits", () => {
  assert.deepEqual(read([TEXT]), EXPECTED);
});

test("it does not matter where the pieces are cut", () => {
  assert.deepEqual(read([...TEXT]), EXPECTED);
  for (let cut = 1; cut < TEXT.length; cut += 1) assert.deepEqual(read([TEXT.slice(0, cut), TEXT.slice(cut)]), EXPECTED);
});
