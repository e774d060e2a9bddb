/** What this is, and the licences of what ships with it. */
import { html } from "../../vendor/preact.js";
import { server, t } from "../../io/store.js";
import { Fact } from "./facts.js";

const SHIPPED = [
  { name: "Preact", by: "Jason Miller", licence: "MIT", use: "settings.use_preact" },
  { name: "Preact Signals", by: "Preact Team", licence: "MIT", use: "settings.use_signals" },
  { name: "htm", by: "Jason Miller", licence: "Apache-2.0", use: "settings.use_htm" },
  { name: "idb-keyval", by: "Jake Archibald", licence: "Apache-2.0", use: "settings.use_idb" },
  { name: "Lucide", by: "Lucide Contributors", licence: "ISC", use: "settings.use_lucide" },
];

export function About() {
  const notices = new URL("../../vendor/README.md", import.meta.url).href;
  return html`<section class="panel" aria-labelledby="set-about">
    <div class="panel-head"><h2 id="set-about">${t("settings.about")}</h2></div>
    <p>${t("settings.about_text")}</p>
    <dl class="fact-list">
      <${Fact} label=${t("settings.version")}>${server.value?.version ?? t("settings.unknown")}<//>
      <${Fact} label=${t("settings.licence")}>MIT<//>
    </dl>
    <details class="details">
      <summary>${t("settings.licences")}</summary>
      <ul class="licences">${SHIPPED.map((one) => html`<li key=${one.name}><strong>${one.name}</strong> <span>${one.licence} · ${one.by}</span><small>${t(one.use)}</small></li>`)}</ul>
      <p><a href=${notices} target="_blank" rel="noopener">${t("settings.notices")}</a></p>
    </details>
  </section>`;
}
