/** No workflow yet: three ways to one. */
import { html, useState } from "../../vendor/preact.js";
import { api } from "../../io/api.js";
import { go, online, openDraft, t, toastError } from "../../io/store.js";
import { Banner, Button, Empty, Skeleton } from "../../ui/basics.js";
import { useAnswer } from "../../ui/answer.js";
import { aboutFor, titledGraph, titleFor } from "../../ui/titles.js";

const PICKS = 3;
/** What most people begin with; templates of the user's own come before. */
const USUAL = ["text-to-image-sdxl", "text-to-image-flux", "image-to-image-sdxl", "upscale-image", "text-to-image-sd15"];

/** @param {any} one */
function rank(one) {
  const at = USUAL.indexOf(one.name);
  return (one.read_only ? 100 : 0) + (at < 0 ? USUAL.length : at);
}

/** @param {string} name @param {string} title */
async function start(name, title) {
  try {
    const whole = await api.get(`/ext/templates/${encodeURIComponent(name)}`);
    openDraft({ name: title, graph: titledGraph(whole.workflow), source: `template:${name}`, ui: whole.ui ?? undefined });
  } catch (error) {
    toastError(error);
  }
}

/** @param {{one: any}} props */
function Pick({ one }) {
  const [busy, setBusy] = useState(false);
  const open = async () => {
    setBusy(true);
    await start(one.name, titleFor(one));
    setBusy(false);
  };
  return html`<li>
    <button type="button" class="pick" aria-busy=${busy ? "true" : null} onClick=${open}>
      <strong>${titleFor(one)}</strong>
      <span class="muted">${aboutFor(one)}</span>
    </button>
  </li>`;
}

export function NoDraft() {
  const found = useAnswer(async (signal) => (await api.get("/ext/templates?kind=template", { signal })).items, String(online.value), null);
  const picks = (found ?? []).filter((/** @type {any} */ one) => !one.fault).sort((/** @type {any} */ a, /** @type {any} */ b) => rank(a) - rank(b)).slice(0, PICKS);
  return html`<section class="stack no-draft">
    <${Empty} icon="flow" title=${t("flow.empty_title")} text=${t("flow.empty_text")} />
    ${online.value
      ? html`<h3>${t("flow.start_template")}</h3>
          ${found === null ? html`<${Skeleton} lines=${2} cards=${PICKS} />` : html`<ul class="stack">${picks.map((/** @type {any} */ one) => html`<${Pick} key=${one.name} one=${one} />`)}</ul>`}`
      : html`<${Banner} title=${t("flow.templates_offline")} />`}
    <div class="row wrap">
      <${Button} icon="plus" onClick=${() => openDraft({ name: t("flow.untitled"), graph: {} })}>${t("flow.blank")}<//>
      <${Button} icon="library" onClick=${() => go("/library")}>${t("flow.open_library")}<//>
    </div>
  </section>`;
}
