/** What this is, and the licences of what ships with it. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { server, t } from "../../io/store.js";
import { Banner, Button, Skeleton } from "../../ui/basics.js";
import { openSheet, Sheet } from "../../ui/sheet.js";
import { Fact } from "./facts.js";

const SHIPPED = [
  { name: "Preact", by: "Jason Miller", licence: "MIT", use: "settings.use_preact" },
  { name: "Preact Signals", by: "Preact Team", licence: "MIT", use: "settings.use_signals" },
  { name: "htm", by: "Jason Miller", licence: "Apache-2.0", use: "settings.use_htm" },
  { name: "idb-keyval", by: "Jake Archibald", licence: "Apache-2.0", use: "settings.use_idb" },
  { name: "Lucide", by: "Lucide Contributors", licence: "ISC", use: "settings.use_lucide" },
];

/** Of the page, what the licences want to be shown; not how the file was made. @param {string} page */
const licencesOf = (page) =>
  page
    .slice(Math.max(0, page.indexOf("## Licences")))
    .replace(/^(> ?|#+ )/gm, "")
    .trim();

/** The page of the folder itself, shown here: an installed app has no other tab to show it in. @param {{close: () => void}} props */
function Notices({ close }) {
  const [text, setText] = useState(/** @type {string | null} */ (null));
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    fetch(new URL("../../vendor/README.md", import.meta.url))
      .then((response) => (response.ok ? response.text() : Promise.reject(new Error(String(response.status)))))
      .then((page) => setText(licencesOf(page)))
      .catch(() => setFailed(true));
  }, []);
  return html`<${Sheet} open tall title=${t("settings.notices")} onClose=${close}>
    ${failed && html`<${Banner} tone="warn">${t("settings.notices_failed")}<//>`}
    ${!failed && text === null && html`<${Skeleton} lines=${8} />`}
    ${text !== null && html`<pre class="notices" lang="en" tabindex="0">${text}</pre>`}
  <//>`;
}

export function About() {
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
      <${Button} small icon="file" onClick=${() => openSheet((close) => html`<${Notices} close=${close} />`)}>${t("settings.notices")}<//>
    </details>
  </section>`;
}
