import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeWindow, pause } from "./fakes.mjs";

const { history, location } = fakeWindow("#/flow");
const { followRoute, go, parseRoute, pushBack, route, sharedLink } = await import("../../../web/app/io/store/route.js");
followRoute();

test("addresses are read", () => {
  assert.deepEqual(parseRoute(""), { screen: "flow", id: null, query: {} });
  assert.deepEqual(parseRoute("#/tasks"), { screen: "tasks", id: null, query: {} });
  assert.deepEqual(parseRoute("#/models/loras%2Fa%20b?q=x&tab=2"), { screen: "models", id: "loras/a b", query: { q: "x", tab: "2" } });
  assert.deepEqual(parseRoute("#/models/100%"), { screen: "models", id: "100%", query: {} });
});

test("a link that was shared is found where the other app put it", () => {
  const link = "https://civitai.com/models/1?modelVersionId=2";
  assert.equal(sharedLink(`?link=${encodeURIComponent(link)}`), link);
  assert.equal(sharedLink(`?title=Boats&text=${encodeURIComponent(`Look: ${link}`)}`), link);
  assert.equal(sharedLink("?text=boats"), null);
  assert.equal(sharedLink(""), null);
});

test("going somewhere is a step to go back", async () => {
  await go("/tasks/abc?x=1");
  await pause(5);
  assert.deepEqual(route.value, { screen: "tasks", id: "abc", query: { x: "1" } });
  history.back();
  await pause(5);
  assert.equal(route.value.screen, "flow");
});

test("the back button closes what lies over the screen, one after another", async () => {
  /** @type {string[]} */
  const closed = [];
  const before = history.place;
  pushBack(() => closed.push("sheet"));
  pushBack(() => closed.push("picker"));
  await pause(5);
  assert.equal(history.place, before + 2);
  history.back();
  await pause(5);
  assert.deepEqual(closed, ["picker"]);
  history.back();
  await pause(5);
  assert.deepEqual(closed, ["picker", "sheet"]);
  assert.equal(route.value.screen, "flow");
});

test("what is closed by its own button leaves no step behind", async () => {
  const before = history.place;
  let closed = 0;
  const release = pushBack(() => (closed += 1));
  await pause(5);
  release();
  release();
  await pause(5);
  assert.equal(history.place, before);
  assert.equal(closed, 0);
});

test("a sheet that is opened while another one closes has its own step", async () => {
  const before = history.place;
  const release = pushBack(() => {});
  await pause(5);
  release();
  let closed = 0;
  pushBack(() => (closed += 1));
  await pause(10);
  assert.equal(history.place, before + 1);
  history.back();
  await pause(5);
  assert.equal(closed, 1);
  assert.equal(history.place, before);
});

test("a sheet that is opened and closed at once leaves no step behind", async () => {
  const before = history.place;
  pushBack(() => {})();
  await pause(10);
  assert.equal(history.place, before);
});

test("going on from a sheet closes it and leaves no step of it", async () => {
  let closed = 0;
  const before = history.place;
  pushBack(() => (closed += 1));
  pushBack(() => (closed += 1));
  await pause(5);
  await go("/gallery");
  await pause(5);
  assert.equal(closed, 2);
  assert.equal(route.value.screen, "gallery");
  assert.equal(history.place, before + 1);
  history.back();
  await pause(5);
  assert.equal(route.value.screen, "flow");
  assert.equal(history.place, before);
});

test("forward into a sheet that is gone shows the screen", async () => {
  const before = history.place;
  pushBack(() => {});
  await pause(5);
  history.back();
  await pause(5);
  history.go(1);
  await pause(15);
  assert.equal(history.place, before);
});

test("a place can stand in for the present one", async () => {
  const before = history.place;
  await go("/models", { replace: true });
  assert.equal(route.value.screen, "models");
  assert.equal(location.hash, "#/models");
  assert.equal(history.place, before);
});
