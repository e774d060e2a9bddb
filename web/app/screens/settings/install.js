/** Installing the app: a button where the browser offers it, else the truth about why not and what helps. */
import { html } from "../../vendor/preact.js";
import { applyUpdate, install, installState, startsAlone, t, toast, updateReady } from "../../io/store.js";
import { Banner, Button, IconButton } from "../../ui/basics.js";
import { copyText } from "../../ui/copy.js";

/** Something to be typed elsewhere, or copied. @param {{text: string}} props */
function Line({ text }) {
  const copy = () => toast({ key: copyText(text) ? "models.copied" : "models.copy_failed", params: { text } });
  return html`<div class="copy-line"><pre tabindex="0">${text}</pre><${IconButton} icon="copy" label=${t("models.copy_one", { text })} onClick=${copy} /></div>`;
}

function Insecure() {
  const origin = location.origin;
  return html`<div class="stack">
    <p>${t("settings.install_insecure", { origin })}</p>
    <p class="hint">${t("settings.install_works")}</p>
    <h3>${t("settings.install_ways")}</h3>
    <ol class="ways">
      <li><strong>${t("settings.way_tls")}</strong><p>${t("settings.way_tls_text")}</p><${Line} text="python main.py --listen --tls-keyfile key.pem --tls-certfile cert.pem" /></li>
      <li><strong>${t("settings.way_vpn")}</strong><p>${t("settings.way_vpn_text")}</p><${Line} text=${`tailscale serve ${location.port || "8188"}`} /></li>
      <li><strong>${t("settings.way_flag")}</strong><p>${t("settings.way_flag_text")}</p><${Line} text="chrome://flags/#unsafely-treat-insecure-origin-as-secure" /><${Line} text=${origin} /></li>
    </ol>
  </div>`;
}

export function Install() {
  const state = installState.value;
  const refused = startsAlone.value === "refused";
  return html`<section class="panel" aria-labelledby="set-install">
    <div class="panel-head"><h2 id="set-install">${t("settings.install")}</h2></div>
    ${updateReady.value && html`<${Banner} tone="info" title=${t("settings.update_ready")} actions=${html`<${Button} small onClick=${applyUpdate}>${t("settings.update")}<//>`} />`}
    ${refused && html`<${Banner} tone="warn" title=${t("settings.keeps_nothing")}>${t("settings.keeps_nothing_text")}<//>`}
    ${state === "installed" && !refused && html`<p>${t("settings.installed")}</p>`}
    ${state === "ready" && html`<p>${t("settings.install_ready")}</p><${Button} tone="primary" icon="phone" onClick=${() => void install()}>${t("settings.install_action")}<//>`}
    ${state === "manual" && html`<p>${t("settings.install_manual")}</p>
      <ul class="ways"><li>${t("settings.install_ios")}</li><li>${t("settings.install_android")}</li><li>${t("settings.install_desktop")}</li></ul>`}
    ${state === "insecure" && html`<${Insecure} />`}
  </section>`;
}
