import { h, render } from "./vendor/preact.js";
import { boot, settings } from "./io/store.js";
import { Shell } from "./ui/shell.js";

const screens = {
  flow: () => import("./screens/flow.js"),
  tasks: () => import("./screens/tasks.js"),
  gallery: () => import("./screens/gallery.js"),
  models: () => import("./screens/models.js"),
  library: () => import("./screens/library.js"),
  settings: () => import("./screens/settings.js"),
};

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
// Texts and settings come first: without them every label would be its key for a moment.
await boot();
render(h(Shell, { screens }), root);
// Who has notifications on wants them whichever screen is open.
if (/** @type {any} */ (settings.value).notify) (await import("./screens/settings/notify.js")).followRuns();
