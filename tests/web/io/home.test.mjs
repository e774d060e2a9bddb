import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

/** What the module gives when it is fetched from an address. */
async function homeAt(address) {
  const text = await readFile(new URL("../../../web/app/io/home.js", import.meta.url), "utf8");
  const code = text.replaceAll("import.meta.url", JSON.stringify(address));
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).home.href;
}

test("the page is above its release, whatever stands before it", async () => {
  const home = "https://host.test/comfy/ext/app/";
  assert.equal(await homeAt(`${home}io/home.js`), home);
  assert.equal(await homeAt(`${home}@0123456789ab/io/home.js`), home);
  assert.equal(await homeAt("https://host.test/@user/io/ext/app/@0123456789ab/io/home.js"), "https://host.test/@user/io/ext/app/");
});
