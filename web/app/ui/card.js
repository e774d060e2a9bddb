import { html } from "../vendor/preact.js";
import { go, t } from "../io/store.js";
import { Bar, Button, IconButton } from "./basics.js";
import { findingText, fixText } from "./findings.js";
import { Icon } from "./icons.js";

/** @typedef {import("../vendor/preact.js").ComponentChildren} Children */
/** @typedef {import("../core/types.js").Finding} Finding */

/** The first of a union has a colour more often than the union. @param {string} type */
const colour = (type) => `var(--port-${type.split(",")[0].replace(/[^\w-]/g, "_")}, var(--muted))`;

/** The colour of a type; always beside its name. @param {{type: string}} props */
export function Dot({ type }) {
  return html`<span class="dot" style=${{ background: colour(type) }} aria-hidden="true"></span>`;
}

/**
 * One end of a link: what it is, and where it leads.
 * @param {{type: string, name?: string, direction?: "in"|"out", target?: string|null, count?: number, missing?: boolean,
 *   onClick?: (event: Event) => void, onLong?: () => void, [rest: string]: unknown}} props
 *   `target`: what the other end is called, if there is one; `count`: how many there are
 */
export function PortChip({ type, name, direction = "out", target, count = 1, missing, onClick, onLong, ...rest }) {
  const shown = name && name.toUpperCase() !== type ? name : type;
  const where = count > 1 ? t("port.nodes", { count }) : target;
  const said = !where ? t("port.free", { name: shown }) : t(direction === "out" ? "port.leads_to" : "port.comes_from", { name: shown, node: where });
  return html`<button
    type="button"
    class="chip port"
    data-state=${missing ? "missing" : where ? "linked" : "free"}
    aria-label=${missing ? t("port.missing", { name: shown }) : said}
    title=${type}
    onClick=${onClick}
    onContextMenu=${onLong &&
    ((/** @type {Event} */ event) => {
      event.preventDefault();
      onLong();
    })}
    ...${rest}
  >
    <${Dot} type=${type} />
    <span class="chip-text"><span class="port-name">${shown}</span>${where && html` <span class="port-far">${direction === "out" ? "→" : "←"} ${where}</span>`}</span>
  </button>`;
}

/**
 * What is wrong, and the one tap that mends it.
 * @param {{finding: Finding, onFix?: (finding: Finding) => void, id?: string, nodeName?: (id: string) => string, busy?: boolean}} props
 */
export function FindingLine({ finding, onFix, id, nodeName, busy }) {
  const fix = onFix ? fixText(finding, nodeName) : null;
  const about = fix?.about ? ` ${fix.about}` : "";
  return html`<div class="finding" data-tone=${finding.severity === "error" ? "bad" : "warn"}>
    <p class="grow" id=${id}>${findingText(finding)}${about}</p>
    ${finding.code === "MODEL_FILE_MISSING" && html`<${Button} small icon="download" onClick=${() => go("/models?missing=1")}>${t("fix.get")}<//>`}
    ${fix && html`<${Button} small busy=${busy} aria-label=${fix.about ? `${fix.label}: ${fix.about}` : null} onClick=${() => onFix?.(finding)}>${fix.label}<//>`}
  </div>`;
}

/**
 * @typedef {object} CardProps
 * @property {string} id Of the node; also the end of the element's id, `node-ID`.
 * @property {string} title
 * @property {string} [subtitle] Such as "#3 · sampling".
 * @property {string|null} [state] idle, cached, queued, running, done, failed, invalid, bypassed: as `data-state`
 * @property {string|null} [said] What the state is in words; takes the subtitle's place.
 * @property {{value: number|null, max?: number, text?: string}|null} [progress]
 * @property {boolean} [line] One line, with *brief* in the place of fields.
 * @property {Children} [brief]
 * @property {boolean} [flash] It was just jumped to.
 * @property {() => void} [onMenu]
 * @property {() => void} [onToggle] Opens or closes it.
 * @property {Children} [children] Fields.
 * @property {Children} [ports]
 * @property {readonly Finding[]} [findings] Those of no one field.
 * @property {(finding: Finding) => void} [onFix]
 * @property {(id: string) => string} [nodeName]
 * @property {Children} [foot] Such as a preview image.
 */

/** A node as a card. @param {CardProps} props */
export function NodeCard({ id, title, subtitle, state = "idle", said, progress, line, brief, flash, onMenu, onToggle, children, ports, findings = [], onFix, nodeName, foot }) {
  const heading = `node-${id}-title`;
  return html`<article class="card" id=${`node-${id}`} tabindex="-1" aria-labelledby=${heading} data-state=${state} data-line=${line ? "true" : null} data-flash=${flash ? "true" : null}>
    <header class="card-head">
      <div class="grow card-names">
        <h2 id=${heading}>
          ${onToggle
            ? html`<button type="button" class="card-toggle" aria-expanded=${String(!line)} onClick=${onToggle}>${title}<${Icon} name=${line ? "right" : "down"} size=${16} /></button>`
            : title}
        </h2>
        <p class="card-sub">${said ?? subtitle}${line && brief && html`<span class="card-brief">${brief}</span>`}</p>
      </div>
      ${onMenu && html`<${IconButton} icon="more" label=${t("card.menu", { title })} aria-haspopup="dialog" onClick=${onMenu} />`}
    </header>
    ${progress && html`<${Bar} thin value=${progress.value} max=${progress.max} label=${t("card.progress", { title })} text=${progress.text} />`}
    ${findings.length > 0 && html`<div class="card-findings">${findings.map((one, n) => html`<${FindingLine} key=${`${one.code} ${one.input} ${n}`} finding=${one} onFix=${onFix} nodeName=${nodeName} />`)}</div>`}
    ${!line && html`<div class="card-body">${children}</div>`}
    ${!line && ports && html`<div class="card-ports chips" role="group" aria-label=${t("card.ports")}>${ports}</div>`}
    ${!line && foot}
  </article>`;
}
