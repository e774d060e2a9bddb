/** Flow: ways to begin a workflow, or the one that is open. Its cards are most of the app, and wait until there is one. */
import { html } from "../vendor/preact.js";
import { draft } from "../io/store.js";
import { Screen } from "../ui/shell.js";
import { NoDraft } from "./flow/empty.js";

const board = () => import("./flow/board.js");

export default function Flow() {
  return draft.value ? html`<${Screen} load=${board} />` : html`<div class="flow"><${NoDraft} /></div>`;
}
