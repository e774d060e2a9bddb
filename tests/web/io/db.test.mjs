import assert from "node:assert/strict";
import { test } from "node:test";
import { drop, kept, list, load, save } from "../../../web/app/io/db.js";

test("without IndexedDB, things are kept until the page is closed, and the app can tell", async () => {
  await save("drafts/a", { name: "A" });
  await save("drafts/b", { name: "B" });
  await save("current", "a");
  assert.deepEqual(await load("drafts/a"), { name: "A" });
  assert.equal(await load("kv/current"), "a");
  assert.equal(await load("cache/catalog"), undefined);
  assert.deepEqual(await list("drafts"), [
    ["a", { name: "A" }],
    ["b", { name: "B" }],
  ]);
  await drop("drafts/a");
  assert.equal(await load("drafts/a"), undefined);
  assert.equal(kept(), false);
  await assert.rejects(load("nowhere/x"));
});
