import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { follow } from "../../../web/app/io/stream.js";
import { eventStream, fakeFetch, pause, until } from "./fakes.mjs";

/** @type {() => void} */
let stop = () => {};
afterEach(() => stop());

/** @param {(asked: import("./fakes.mjs").Asked) => any} answer @param {string[]} [ids] */
function following(answer, ids = []) {
  /** @type {any[]} */
  const events = [];
  /** @type {string[]} */
  const states = [];
  const asked = fakeFetch(answer);
  stop = follow((event) => events.push(event), (state) => states.push(state), { ids: () => ids });
  return { events, states, asked };
}

test("events come as they are sent", async () => {
  /** @type {ReturnType<typeof eventStream>} */
  let open;
  const { events, states } = following(({ signal }) => (open = eventStream(signal)).response);
  await until(() => open);
  open.send("state", { queue: { length: 0 } }, "e-1");
  open.send("task.status", { task_id: "1", status: "running" }, "e-2");
  await until(() => events.length === 2);
  assert.deepEqual(events[1], { name: "task.status", data: { task_id: "1", status: "running" }, id: "e-2" });
  assert.deepEqual(states, ["connecting", "open"]);
});

test("a stream that broke goes on where it stopped", async () => {
  /** @type {ReturnType<typeof eventStream>[]} */
  const opened = [];
  const { events, states, asked } = following(({ signal }) => {
    const made = eventStream(signal);
    opened.push(made);
    return made.response;
  });
  await until(() => opened.length === 1);
  opened[0].send("state", {}, "e-7");
  await until(() => events.length === 1);
  opened[0].cut();
  await until(() => opened.length === 2);
  assert.equal(asked[0].headers.get("Last-Event-ID"), null);
  assert.equal(asked[1].headers.get("Last-Event-ID"), "e-7");
  await until(() => states.length === 4);
  assert.deepEqual(states, ["connecting", "open", "lost", "open"]);
  opened[1].send("task.status", { task_id: "1", status: "succeeded" }, "e-8");
  await until(() => events.length === 2);
});

test("a stream that the server ends is opened again", async () => {
  let count = 0;
  following(({ signal }) => {
    count += 1;
    const made = eventStream(signal);
    made.send("state", {}, "e-1");
    if (count === 1) made.end();
    return made.response;
  });
  await until(() => count === 2);
});

test("where streams fail, tasks are polled, until one opens", async () => {
  let streams = 0;
  /** @type {ReturnType<typeof eventStream> | null} */
  let open = null;
  const { events, states, asked } = following(
    ({ path, signal }) => {
      if (path === "/ext/queue") return { paused: false, length: 3 };
      if (path.startsWith("/ext/tasks")) return { items: [{ id: "a b", status: "running" }], next_cursor: null };
      streams += 1;
      if (streams < 4) throw new TypeError("no streams here");
      open = eventStream(signal);
      return open.response;
    },
    ["a b"],
  );
  await until(() => states.includes("polling"));
  assert.ok(asked.some(({ path }) => path === "/ext/tasks?ids=a%20b"));
  assert.deepEqual(events[0], { name: "polled", data: { items: [{ id: "a b", status: "running" }], asked: ["a b"] }, id: null });
  assert.equal(events[1].name, "queue.changed");
  await until(() => open, 6000);
  /** @type {any} */ (open).send("state", {}, "e-1");
  await until(() => states.at(-1) === "open");
});

test("where nothing answers, that is said", async () => {
  const { states, events } = following(() => {
    throw new TypeError("Failed to fetch");
  });
  await until(() => states.filter((one) => one === "lost").length >= 3, 5000);
  assert.deepEqual(events, []);
  assert.ok(!states.includes("open") && !states.includes("polling"));
});

test("after its end nothing is asked any more", async () => {
  const { asked } = following(() => {
    throw new TypeError("Failed to fetch");
  });
  await until(() => asked.length === 1);
  stop();
  await pause(900);
  assert.equal(asked.length, 1);
});

test("a phone that wakes up does not wait for the next try", async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  Object.assign(globalThis, { document: page, window: new EventTarget() });
  let streams = 0;
  let polls = 0;
  following(({ path }) => {
    if (path === "/ext/events") streams += 1;
    else polls += 1;
    throw new TypeError("Failed to fetch");
  });
  await until(() => streams === 3, 5000);
  const before = Date.now();
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  await pause(30);
  assert.equal(streams, 3);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  await until(() => streams === 4);
  assert.ok(Date.now() - before < 500);
  assert.ok(polls > 0);
  Reflect.deleteProperty(globalThis, "document");
  Reflect.deleteProperty(globalThis, "window");
});

test("of a long queue as many are polled as can be asked for, and no other counts as gone", async () => {
  const ids = Array.from({ length: 250 }, (_, at) => `t${at}`);
  const { events } = following(({ path }) => {
    if (path === "/ext/events") throw new TypeError("no streams here");
    return path === "/ext/queue" ? { paused: false, length: 250 } : { items: [], next_cursor: null };
  }, ids);
  await until(() => events.length, 5000);
  assert.deepEqual(events[0].data.asked, ids.slice(0, 200));
});
