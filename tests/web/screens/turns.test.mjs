import assert from "node:assert/strict";
import { test } from "node:test";
import { createTurns } from "../../../web/app/screens/gallery/turns.js";

/** Frames and timers that come when the test says so. */
function clock() {
  const frames = [];
  const timers = new Set();
  return {
    frame: (run) => frames.push(run),
    later: (run) => {
      timers.add(run);
      return run;
    },
    stop: (run) => timers.delete(run),
    /** Lets frames pass until nothing is planned. */
    frames(most = 50) {
      for (let n = 0; n < most && frames.length; n += 1) frames.splice(0).forEach((run) => run());
    },
    calm() {
      const due = [...timers];
      timers.clear();
      due.forEach((run) => run());
    },
  };
}

test("the nearest to the middle of the screen are asked for first, few in a frame", () => {
  const time = clock();
  const turns = createTurns(time);
  const begun = [];
  turns.moved(1000, 800, 0);
  for (const top of [0, 200, 1400, 3000, 1300, 1500, 2500]) turns.ask(top, () => begun.push(top));
  time.frames(1);
  assert.deepEqual(begun, [1400, 1300, 1500, 2500]);
  time.frames();
  assert.deepEqual(begun.slice(4), [200, 0, 3000]);
});

test("no more are on their way than a server is asked at once; the next begins when one has come", () => {
  const time = clock();
  const turns = createTurns(time);
  let begun = 0;
  const over = Array.from({ length: 30 }, (_, top) => turns.ask(top, () => (begun += 1)));
  time.frames();
  assert.equal(begun, 12);
  over[0]();
  over[0]();
  time.frames();
  assert.equal(begun, 13, "the same picture gives its place back once");
  over.slice(1).forEach((done) => done());
  time.frames();
  assert.equal(begun, 13, "what is no longer wanted does not begin");
});

test("while the list rushes by nothing is asked for; then what stands there", () => {
  const time = clock();
  const turns = createTurns(time);
  const begun = [];
  turns.moved(0, 800, 0);
  turns.moved(800, 800, 100);
  turns.ask(900, () => begun.push(900));
  time.frames();
  assert.deepEqual(begun, []);
  turns.moved(1600, 800, 200);
  time.calm();
  time.frames();
  assert.deepEqual(begun, [900]);
  turns.moved(1700, 800, 400);
  turns.ask(2000, () => begun.push(2000));
  time.frames();
  assert.deepEqual(begun, [900, 2000], "a slow scroll asks at once");
});
