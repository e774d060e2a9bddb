/** Settings: how the app looks and speaks on this device, and what can be known of the server. */
import { html, useId, useState } from "../vendor/preact.js";
import { locale, saveSettings, settings, t, toast } from "../io/store.js";
import { Badge, Button, Segmented, Switch } from "../ui/basics.js";
import { About } from "./settings/about.js";
import { ServerFacts } from "./settings/facts.js";
import { Install } from "./settings/install.js";
import { Notifications } from "./settings/notify.js";
import { Storage } from "./settings/storage.js";

function Language() {
  const { language } = settings.value;
  // Languages are named in themselves: whoever chose the wrong one must find the way back.
  return html`<${Segmented} label=${t("settings.language")} value=${language === "qps" ? "auto" : language} onChange=${(/** @type {any} */ value) => saveSettings({ language: value })}
    options=${[
      { value: "auto", label: t("settings.auto") },
      { value: "en", label: "English", lang: "en" },
      { value: "zh", label: "简体中文", lang: "zh-CN" },
    ]} />`;
}

function Looks() {
  const { theme, textSize, density, haptics } = settings.value;
  const save = saveSettings;
  return html`<section class="panel" aria-labelledby="set-looks">
    <div class="panel-head"><h2 id="set-looks">${t("settings.looks")}</h2></div>
    <div class="stack">
      <${Language} />
      <${Segmented} label=${t("settings.theme")} value=${theme} onChange=${(/** @type {any} */ value) => save({ theme: value })}
        options=${[
          { value: "system", label: t("settings.theme_system") },
          { value: "light", label: t("settings.theme_light") },
          { value: "dark", label: t("settings.theme_dark") },
        ]} />
      <${Segmented} label=${t("settings.text_size")} value=${textSize} onChange=${(/** @type {any} */ value) => save({ textSize: value })}
        options=${[100, 115, 130].map((value) => ({ value, label: new Intl.NumberFormat(locale.value === "zh" ? "zh-CN" : "en", { style: "percent" }).format(value / 100) }))} />
      <${Segmented} label=${t("settings.density")} value=${density} onChange=${(/** @type {any} */ value) => save({ density: value })}
        options=${[
          { value: "auto", label: t("settings.auto") },
          { value: "cards", label: t("settings.density_cards") },
          { value: "lines", label: t("settings.density_lines") },
        ]} />
      ${"vibrate" in navigator && html`<${Switch} label=${t("settings.haptics")} hint=${t("settings.haptics_hint")} checked=${haptics} onChange=${(/** @type {boolean} */ on) => save({ haptics: on })} />`}
    </div>
  </section>`;
}

/** Write-only: the key is never shown again. */
function Key() {
  const id = useId();
  const [typed, setTyped] = useState("");
  const isSet = settings.value.apiKey !== "";
  const keep = () => {
    saveSettings({ apiKey: typed.trim() });
    setTyped("");
    toast({ key: "settings.key_saved", tone: "good" });
  };
  const forget = () => {
    saveSettings({ apiKey: "" });
    toast({ key: "settings.key_gone" });
  };
  return html`<section class="panel" aria-labelledby="set-key">
    <div class="panel-head"><h2 id="set-key">${t("settings.key")}</h2>${isSet && html`<${Badge} tone="good">${t("settings.key_set")}<//>`}</div>
    <form class="stack" onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      if (typed.trim()) keep();
    }}>
      <div class="field">
        <label class="label" for=${id}>${isSet ? t("settings.key_other") : t("settings.key_label")}</label>
        <input class="input" id=${id} type="password" autocomplete="off" autocapitalize="none" spellcheck=${false} aria-describedby=${`${id}-hint`} value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />
        <p class="hint" id=${`${id}-hint`}>${t("settings.key_hint")}</p>
      </div>
      <div class="row wrap">
        <${Button} type="submit" icon="key" disabled=${!typed.trim()}>${t("settings.key_save")}<//>
        ${isSet && html`<${Button} tone="quiet" icon="trash" onClick=${forget}>${t("settings.key_forget")}<//>`}
      </div>
    </form>
  </section>`;
}

export default function Settings() {
  return html`<${Looks} /><${Notifications} /><${Install} /><${Key} /><${ServerFacts} /><${Storage} /><${About} />`;
}
