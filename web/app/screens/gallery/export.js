/** What people noted of results, as a file for training. */
import { html } from "../../vendor/preact.js";
import { t } from "../../io/store.js";
import { url } from "../../io/api.js";
import { Button } from "../../ui/basics.js";
import { openSheet, Sheet } from "../../ui/sheet.js";

const ADDRESS = "/ext/tasks/export?format=jsonl";

/** Links and not fetches: the file may be longer than a phone's memory. */
export const openExport = () =>
  openSheet(
    (close) => html`<${Sheet} open title=${t("gallery.export")} onClose=${() => close()}>
      <p class="muted">${t("gallery.export_text")}</p>
      <ul class="menu">
        ${[
          { query: "&pairs=1", icon: "compare", label: t("gallery.export_pairs"), hint: t("gallery.export_pairs_hint") },
          { query: "&rating=chosen", icon: "check", label: t("gallery.export_chosen") },
          { query: "&favourite=1", icon: "star", label: t("gallery.export_favourites") },
        ].map(
          ({ query, icon, label, hint }) => html`<li key=${query}>
            <${Button} tone="quiet" icon=${icon} href=${url(ADDRESS + query)} download="" data-menu="plain">${label}${hint && html`<small>${hint}</small>`}<//>
          </li>`,
        )}
      </ul>
    <//>`,
  );
