/** Rows of the library's groups; what cannot be opened now is greyed, and says why. */
import { html, useState } from "../../vendor/preact.js";
import { ago } from "../../core/format.js";
import { api } from "../../io/api.js";
import { locale, online, t, toast, toastError } from "../../io/store.js";
import { Badge, IconButton } from "../../ui/basics.js";
import { Icon } from "../../ui/icons.js";
import { confirm } from "../../ui/sheet.js";
import { aboutFor, titleFor } from "../../ui/titles.js";
import { opening, openComfyTemplate, openDesktop, openRecent, openServerFile } from "./open.js";
import { hostUrl, keptSources, keptTemplates, loadShelf } from "./state.js";
import { openTemplate } from "./template.js";

/** @typedef {import("../../vendor/preact.js").ComponentChildren} Children */

/**
 * @param {{source: string, icon?: string, picture?: string | null, title: string, line?: Children, badges?: Children, onClick: () => void,
 *   kept?: boolean, menu?: Children}} props `kept`: it opens without the server too
 */
function Row({ source, icon = "file", picture, title, line, badges, onClick, kept, menu }) {
  const [broken, setBroken] = useState(false);
  const usable = online.value || kept || keptSources.value.has(source);
  const busy = opening.value === source;
  return html`<li class=${menu ? "with-menu" : null}>
    <button type="button" class="item" aria-disabled=${usable ? null : "true"} aria-busy=${busy ? "true" : null} onClick=${() => (usable ? onClick() : toast({ key: "library.not_kept", tone: "warn" }))}>
      <span class="item-icon" data-picture=${picture && !broken ? "true" : null}>${picture && !broken
        ? html`<img src=${picture} alt="" loading="lazy" decoding="async" width="56" height="56" onError=${() => setBroken(true)} />`
        : busy ? html`<span class="spinner" aria-hidden="true"></span>` : html`<${Icon} name=${icon} size=${20} />`}</span>
      <span class="item-main"><strong>${title}</strong>
        ${line && html`<small>${line}</small>`}
        ${!usable && html`<small class="why">${t("library.not_here")}</small>`}
        ${badges && html`<span class="badges">${badges}</span>`}</span>
    </button>
    ${menu}
  </li>`;
}

/** @param {{item: any}} props */
export function ServerRow({ item }) {
  const slash = item.name.lastIndexOf("/");
  const line = [slash > 0 ? item.name.slice(0, slash) : null, item.modified ? ago(item.modified, Date.now(), locale.value) : null].filter(Boolean).join(" · ");
  return html`<${Row} source=${`server:${item.path}`} icon="flow" title=${item.name.slice(slash + 1)} line=${line} onClick=${() => openServerFile(item)} />`;
}

/** @param {{item: any}} props */
export function TemplateRow({ item }) {
  const fault = item.fault && html`<${Badge} tone="bad">${t("library.faulty")}<//>`;
  return html`<${Row} source=${`template:${item.name}@${item.version}`} kept=${keptTemplates.value.has(item.name)} icon="sliders" title=${titleFor(item)} line=${aboutFor(item)}
    badges=${fault || (item.base_models?.length ? item.base_models.map((/** @type {string} */ one) => html`<${Badge} key=${one}>${one}<//>`) : null)}
    onClick=${() => openTemplate(item)} />`;
}

/** @param {{item: any}} props */
export function ComfyRow({ item }) {
  const picture = item.mediaType === "image" ? hostUrl(`/templates/${encodeURIComponent(item.name)}-1.${item.mediaSubtype ?? "webp"}`) : null;
  return html`<${Row} source=${`comfy:${item.name}`} icon=${item.mediaType === "audio" ? "audio" : item.mediaType === "video" ? "video" : "image"} picture=${picture}
    title=${item.title} line=${item.description} onClick=${() => openComfyTemplate(item)}
    badges=${html`${item.paid && html`<${Badge} tone="warn">${t("library.paid")}<//>`}${(item.models ?? []).slice(0, 2).map((/** @type {string} */ one) => html`<${Badge} key=${one}>${one}<//>`)}`} />`;
}

/** @param {{item: any}} props */
export function DesktopRow({ item }) {
  const name = item.label || t("library.unnamed");
  const remove = async () => {
    if (!(await confirm({ title: t("library.forget_title", { name }), text: t("library.forget_text"), action: t("library.delete"), tone: "danger" }))) return;
    try {
      await api.del(`/ext/workflow/sessions/${encodeURIComponent(item.id)}`);
      await loadShelf("desktop");
    } catch (error) {
      toastError(error);
    }
  };
  return html`<${Row} source=${`session:${item.id}`} icon="phone" title=${name} onClick=${() => (online.value ? openDesktop(item) : openRecent({ source: `session:${item.id}`, name, at: 0 }))}
    line=${[t("library.version", { version: item.version }), ago(item.updated_at, Date.now(), locale.value)].join(" · ")}
    menu=${html`<${IconButton} icon="trash" label=${t("library.forget_one", { name })} disabled=${!online.value} onClick=${remove} />`} />`;
}

const KINDS = {
  server: "library.group_server",
  template: "library.group_templates",
  comfy: "library.group_comfy",
  session: "library.group_desktop",
  file: "library.from_file",
};

/** @param {{item: import("./open.js").Recent}} props */
export function RecentRow({ item }) {
  const kind = /** @type {keyof typeof KINDS} */ (item.source.split(":")[0]);
  return html`<${Row} source=${item.source} icon="history" title=${item.name} line=${[KINDS[kind] && t(KINDS[kind]), ago(item.at, Date.now(), locale.value)].filter(Boolean).join(" · ")}
    onClick=${() => openRecent(item)} />`;
}

