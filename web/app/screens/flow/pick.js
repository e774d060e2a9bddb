/** Choosing a node class: what fits, what was used last, a search, and categories. */
import { html, useMemo, useState } from "../../vendor/preact.js";
import { filter } from "../../core/search.js";
import { api } from "../../io/api.js";
import { catalog, catalogState, t } from "../../io/store.js";
import { Chip, SearchBox, Skeleton } from "../../ui/basics.js";
import { MenuItem } from "../../ui/sheet.js";
import { classNameOf, recent } from "./state.js";

/** @typedef {import("../../core/types.js").NodeSpec} NodeSpec */

/**
 * A class that fits somewhere.
 * @typedef {object} Fit
 * @property {string} name
 * @property {string} [hint]
 * @property {any} [at] Where; whoever asked knows what it is.
 */

/** How many of a list are shown before "more". */
const FIRST = 6;
const FOUND = 40;

/**
 * What `GET /ext/catalog/{class}/next` or `/previous` answers.
 * @param {string} type
 * @param {"next" | "previous"} way
 * @param {string | number} port
 * @param {{limit?: number, signal?: AbortSignal}} [options]
 * @returns {Promise<any[]>}
 */
export async function suggestions(type, way, port, { limit = 12, signal } = {}) {
  const query = `${way === "next" ? "output" : "input"}=${encodeURIComponent(port)}&limit=${limit}`;
  const answer = await api.get(`/ext/catalog/${encodeURIComponent(type)}/${way}?${query}`, { signal });
  return answer.items;
}

/** @param {NodeSpec} spec */
const wordsOf = (spec) => [spec.display_name, spec.name, spec.category, ...(spec.search_aliases ?? [])].join(" ");

/** @param {{fit: Fit, onPick: (name: string, fit?: Fit) => void}} props */
function Item({ fit, onPick }) {
  const spec = catalog.value.get(fit.name);
  return html`<li>
    <${MenuItem} label=${classNameOf(fit.name)} hint=${fit.hint ?? spec?.category} onClick=${() => onPick(fit.name, fit)} />
  </li>`;
}

/** @param {{title: string, fits: Fit[], onPick: (name: string, fit?: Fit) => void, first?: number}} props */
function Fits({ title, fits, onPick, first = FIRST }) {
  const [all, setAll] = useState(false);
  const shown = all ? fits : fits.slice(0, first);
  return html`<section>
    <h3>${title}</h3>
    <ul class="menu">
      ${shown.map((fit) => html`<${Item} key=${fit.name} fit=${fit} onPick=${onPick} />`)}
    </ul>
    ${shown.length < fits.length && html`<${Chip} onClick=${() => setAll(true)}>${t("flow.show_more", { count: fits.length - shown.length })}<//>`}
  </section>`;
}

/** @param {{specs: NodeSpec[], onPick: (name: string) => void}} props */
function Categories({ specs, onPick }) {
  const groups = useMemo(() => {
    /** @type {Map<string, NodeSpec[]>} */
    const by = new Map();
    for (const spec of specs) {
      const top = spec.category.split("/")[0] || t("flow.no_category");
      by.set(top, [...(by.get(top) ?? []), spec]);
    }
    return [...by].sort(([a], [b]) => a.localeCompare(b));
  }, [specs]);
  return html`<section>
    <h3>${t("flow.categories")}</h3>
    ${groups.map(
      ([name, inside]) => html`<details class="category" key=${name}>
        <summary>${name}<span class="muted">${inside.length}</span></summary>
        <ul class="menu">
          ${inside.map((spec) => html`<${Item} key=${spec.name} fit=${{ name: spec.name }} onPick=${onPick} />`)}
        </ul>
      </details>`,
    )}
  </section>`;
}

/**
 * @param {{title: string, fits: Fit[] | null, only?: boolean, onPick: (name: string, fit?: Fit) => void, children?: any}} props
 *   *fits*: null while they are asked for. *only*: nothing else can be chosen. *children*: shown below what fits.
 */
export function NodePicker({ title, fits, only, onPick, children }) {
  const [query, setQuery] = useState("");
  const specs = useMemo(() => [...catalog.value.values()].filter((spec) => !spec.flags.dev_only), [catalog.value]);
  const allowed = useMemo(() => new Map((fits ?? []).map((fit) => [fit.name, fit])), [fits]);
  const searched = query.trim();
  const pool = only ? specs.filter((spec) => allowed.has(spec.name)) : specs;
  const hits = searched ? filter(pool, searched, wordsOf).slice(0, FOUND) : [];
  const usual = only ? [] : recent.value.filter((name) => catalog.value.has(name));
  if (catalogState.value === "loading" && !specs.length) return html`<${Skeleton} lines=${4} />`;
  return html`<div class="stack picker">
    <${SearchBox} label=${t("flow.search_nodes")} value=${query} onInput=${setQuery} narrowing=${false} />
    ${searched
      ? html`<ul class="menu" aria-label=${t("flow.search_results")}>
          ${hits.map((spec) => html`<${Item} key=${spec.name} fit=${allowed.get(spec.name) ?? { name: spec.name }} onPick=${onPick} />`)}
          ${!hits.length && html`<li class="muted">${t("flow.search_none", { query: searched })}</li>`}
        </ul>`
      : html`${fits === null ? html`<${Skeleton} lines=${3} />` : null}
          ${fits?.length ? html`<${Fits} title=${title} fits=${fits} first=${only ? 40 : FIRST} onPick=${onPick} />` : null}
          ${only && fits && !fits.length ? html`<p class="muted">${t("flow.nothing_fits")}</p>` : null}
          ${usual.length > 0 &&
          html`<section>
            <h3>${t("flow.recent")}</h3>
            <div class="row wrap">${usual.map((name) => html`<${Chip} key=${name} onClick=${() => onPick(name)}>${classNameOf(name)}<//>`)}</div>
          </section>`}
          ${children} ${!only && html`<${Categories} specs=${specs} onPick=${onPick} />`}`}
  </div>`;
}
