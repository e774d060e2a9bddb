/** Installing the app: a button where the browser offers it, else the truth about why not and what helps. */
import { html } from "../../vendor/preact.js";
import { applyUpdate, install, installState, t, updateReady } from "../../io/store.js";
import { Banner, Button } from "../../ui/basics.js";

function Insecure() {
  const origin = location.origin;
  return html`<div class="stack">
    <p>${t("settings.install_insecure", { origin })}</p>
    <p class="hint">${t("settings.install_works")}</p>
    <h3>${t("settings.install_ways")}</h3>
    <ol class="ways">
      <li><strong>${t("settings.way_tls")}</strong><p>${t("settings.way_tls_text")}</p><pre tabindex="0">python main.py --listen --tls-keyfile key.pem --tls-certfile cert.pem</pre></li>
      <li><strong>${t("settings.way_vpn")}</strong><p>${t("settings.way_vpn_text")}</p><pre tabindex="0">tailscale serve ${location.port || "8188"}</pre></li>
      <li><strong>${t("settings.way_flag")}</strong><p>${t("settings.way_flag_text")}</p><pre tabindex="0">${`chrome://flags/#unsafely-treat-insecure-origin-as-secure\n${origin}`}</pre></li>
    </ol>
  </div>`;
}

export function Install() {
  const state = installState.value;
  return html`<section class="panel" aria-labelledby="set-install">
    <div class="panel-head"><h2 id="set-install">${t("settings.install")}</h2></div>
    ${updateReady.value && html`<${Banner} tone="info" title=${t("settings.update_ready")} actions=${html`<${Button} small onClick=${applyUpdate}>${t("settings.update")}<//>`} />`}
    ${state === "installed" && html`<p>${t("settings.installed")}</p>`}
    ${state === "ready" && html`<p>${t("settings.install_ready")}</p><${Button} tone="primary" icon="phone" onClick=${() => void install()}>${t("settings.install_action")}<//>`}
    ${state === "manual" && html`<p>${t("settings.install_manual")}</p>
      <ul class="ways"><li>${t("settings.install_ios")}</li><li>${t("settings.install_android")}</li><li>${t("settings.install_desktop")}</li></ul>`}
    ${state === "insecure" && html`<${Insecure} />`}
  </section>`;
}
