import { html, useEffect, useId, useRef, useState } from "../vendor/preact.js";
import { t } from "../io/store.js";
import { Icon } from "./icons.js";

/** @typedef {import("../vendor/preact.js").ComponentChildren} Children */

/**
 * @param {{tone?: "primary"|"plain"|"quiet"|"danger", icon?: string, onClick?: (event: Event) => void,
 *   disabled?: boolean, busy?: boolean, href?: string, small?: boolean, children?: Children, [rest: string]: unknown}} props
 */
export function Button({ tone = "plain", icon, onClick, disabled, busy, href, small, children, ...rest }) {
  const inner = html`${busy ? html`<span class="spinner" aria-hidden="true"></span>` : icon && html`<${Icon} name=${icon} />`}
    ${children && html`<span>${children}</span>`}`;
  const size = small ? "small" : null;
  if (href) {
    return html`<a class="button" data-tone=${tone} data-size=${size} href=${href} onClick=${onClick} ...${rest}>${inner}</a>`;
  }
  return html`<button
    type="button"
    class="button"
    data-tone=${tone}
    data-size=${size}
    disabled=${disabled}
    aria-busy=${busy ? "true" : null}
    onClick=${busy ? undefined : onClick}
    ...${rest}
  >${inner}</button>`;
}

/**
 * A button that shows an icon only; its label is what is read and what the tooltip says.
 * @param {{icon: string, label: string, onClick?: (event: Event) => void, disabled?: boolean, tone?: string,
 *   pressed?: boolean, href?: string, [rest: string]: unknown}} props
 */
export function IconButton({ icon, label, onClick, disabled, tone, pressed, href, ...rest }) {
  const shown = { class: "icon-button", "data-tone": tone, "aria-label": label, title: label, onClick, ...rest };
  if (href) return html`<a href=${href} ...${shown}><${Icon} name=${icon} /></a>`;
  return html`<button
    type="button"
    disabled=${disabled}
    aria-pressed=${pressed === undefined ? null : String(pressed)}
    ...${shown}
  ><${Icon} name=${icon} /></button>`;
}

/**
 * @param {{pressed?: boolean, onClick?: (event: Event) => void, icon?: string, count?: number|string, tone?: string,
 *   children?: Children, [rest: string]: unknown}} props
 */
export function Chip({ pressed, onClick, icon, count, tone, children, ...rest }) {
  const inner = html`${icon && html`<${Icon} name=${icon} size=${16} />`}<span class="chip-text">${children}</span>${
    count === undefined ? null : html`<span class="chip-count">${count}</span>`
  }`;
  if (!onClick) return html`<span class="chip" data-tone=${tone} ...${rest}>${inner}</span>`;
  return html`<button
    type="button"
    class="chip"
    data-tone=${tone}
    aria-pressed=${pressed === undefined ? null : String(pressed)}
    onClick=${onClick}
    ...${rest}
  >${inner}</button>`;
}

/** @param {{tone?: "info"|"good"|"warn"|"bad"|"accent", children?: Children}} props */
export function Badge({ tone = "info", children }) {
  return html`<span class="badge" data-tone=${tone}>${children}</span>`;
}

/** @param {{tone?: "info"|"good"|"warn"|"bad", title?: Children, children?: Children, actions?: Children}} props */
export function Banner({ tone = "info", title, children, actions }) {
  const icon = tone === "bad" || tone === "warn" ? "alert" : tone === "good" ? "check" : "info";
  return html`<div class="banner" data-tone=${tone} role=${tone === "bad" ? "alert" : null}>
    <${Icon} name=${icon} />
    <div class="banner-text">${title && html`<strong>${title}</strong>`}${children && html`<div>${children}</div>`}</div>
    ${actions && html`<div class="banner-actions">${actions}</div>`}
  </div>`;
}

/** In the place of what failed while it was drawn. @param {{error: unknown, again: () => void}} props */
export function Broken({ error, again }) {
  const text = /** @type {any} */ (error)?.stack ?? String(error);
  return html`<${Banner} tone="bad" title=${t("ui.broken")} actions=${html`<${Button} icon="retry" onClick=${again}>${t("ui.try_again")}<//>`}>
    <details class="details"><summary>${t("ui.details")}</summary><pre tabindex="0">${text}</pre></details>
  <//>`;
}

/** @param {{icon?: string, title: string, text?: Children, actions?: Children}} props */
export function Empty({ icon = "info", title, text, actions }) {
  return html`<div class="empty">
    <span class="empty-icon"><${Icon} name=${icon} size=${28} /></span>
    <h2>${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${actions && html`<div class="row wrap center">${actions}</div>`}
  </div>`;
}

/**
 * Shown after 200 ms only: what loads faster than that does not flash.
 * @param {{lines?: number, cards?: number}} props
 */
export function Skeleton({ lines = 3, cards = 1 }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 200);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return html`<div class="skeletons" aria-busy="true"></div>`;
  const line = (/** @type {number} */ n) => html`<div class="skeleton-line" style=${{ inlineSize: `${90 - ((n * 23) % 50)}%` }}></div>`;
  return html`<div class="skeletons" aria-busy="true" aria-label=${t("ui.loading")} role="progressbar">
    ${Array.from({ length: cards }, () => html`<div class="skeleton">${Array.from({ length: lines }, (_, n) => line(n))}</div>`)}
  </div>`;
}

/**
 * @param {{label: string, options: ({value: unknown, label: string, icon?: string, lang?: string}|string)[], value: unknown,
 *   onChange: (value: any) => void, hideLabel?: boolean, describedby?: string|null, invalid?: boolean}} props
 */
export function Segmented({ label, options, value, onChange, hideLabel, describedby, invalid }) {
  const name = useId();
  return html`<fieldset class="segmented" aria-describedby=${describedby || null} data-invalid=${invalid ? "true" : null}>
    <legend class=${hideLabel ? "sr-only" : "label"}>${label}</legend>
    <div class="segments">
      ${options.map((option) => {
        const one = typeof option === "string" ? { value: option, label: option } : option;
        return html`<label class="segment" key=${String(one.value)}>
          <input type="radio" name=${name} checked=${one.value === value} onChange=${() => onChange(one.value)} />
          <span lang=${one.lang}>${one.icon && html`<${Icon} name=${one.icon} size=${18} />`}${one.label}</span>
        </label>`;
      })}
    </div>
  </fieldset>`;
}

/**
 * @param {{label: string, checked: boolean, onChange: (on: boolean) => void, hint?: Children, id?: string,
 *   disabled?: boolean, describedby?: string|null, on?: string, off?: string}} props
 */
export function Switch({ label, checked, onChange, hint, id, disabled, describedby, on, off }) {
  const own = useId();
  const said = checked ? on : off;
  return html`<div class="switch-row">
    <button
      type="button"
      class="switch"
      role="switch"
      id=${id}
      aria-checked=${String(!!checked)}
      aria-describedby=${[hint ? own : null, describedby].filter(Boolean).join(" ") || null}
      disabled=${disabled}
      onClick=${() => onChange(!checked)}
    ><span class="switch-label">${label}</span>${said && html`<span class="switch-said">${said}</span>`}<span class="switch-track"></span></button>
    ${hint && html`<p class="hint" id=${own}>${hint}</p>`}
  </div>`;
}

/**
 * A short list in the way of the device itself.
 * @param {{label: string, options: {value: string, label: string}[], value: string, onChange: (value: any) => void, id?: string}} props
 */
export function Select({ label, options, value, onChange, id }) {
  return html`<span class="select">
    <select id=${id} aria-label=${id ? null : label} value=${value} onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>
      ${options.map((one) => html`<option key=${one.value} value=${one.value} selected=${one.value === value}>${one.label}</option>`)}
    </select>
    <${Icon} name="down" size=${16} />
  </span>`;
}

/** How many digits after the point a step has, so that 0.1 + 0.2 reads 0.3. */
function digits(/** @type {number} */ step) {
  const text = String(step);
  if (text.includes("e-")) return Number(text.split("e-")[1]);
  return text.includes(".") ? text.split(".")[1].length : 0;
}

/** @param {string} text */
const plainNumber = (text) => Number(text.trim().replace(",", "."));

/**
 * A number with a button on either side. Any text may be typed; on leaving it becomes a number within the limits again,
 * and `onNote` is told what was done ("field.clamped", "field.not_a_number") or null.
 * @param {{label: string, value: number, onChange: (value: number) => void, min?: number, max?: number, step?: number,
 *   integer?: boolean, id?: string, describedby?: string|null, invalid?: boolean, disabled?: boolean,
 *   onNote?: (note: {key: string, params?: Record<string, unknown>}|null) => void, read?: (text: string) => number,
 *   children?: Children}} props *read*: what was typed as a number, NaN if it is none
 */
export function Stepper({ label, value, onChange, min, max, step = 1, integer, id, describedby, invalid, disabled, onNote, read = plainNumber, children }) {
  const [typed, setTyped] = useState(/** @type {string|null} */ (null));
  const clamp = (/** @type {number} */ n) => Math.min(max ?? Infinity, Math.max(min ?? -Infinity, integer ? Math.round(n) : n));
  const commit = () => {
    if (typed === null) return;
    const n = typed.trim() === "" ? NaN : read(typed);
    setTyped(null);
    if (!Number.isFinite(n)) return onNote?.({ key: "field.not_a_number" });
    const fit = clamp(n);
    onNote?.(fit === n ? null : { key: "field.clamped", params: { value: fit } });
    if (fit !== value) onChange(fit);
  };
  const move = (/** @type {number} */ sign) => {
    const places = Math.max(digits(step), digits(Number(value) || 0));
    const next = clamp(Number(((Number(value) || 0) + sign * step).toFixed(Math.min(places, 12))));
    setTyped(null);
    onNote?.(null);
    if (next !== value) onChange(next);
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") commit();
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      move(event.key === "ArrowUp" ? 1 : -1);
    }
  };
  return html`<div class="stepper" data-invalid=${invalid ? "true" : null}>
    <${IconButton} icon="minus" label=${t("ui.less", { label })} disabled=${disabled || (min !== undefined && value <= min)} onClick=${() => move(-1)} />
    <input
      class="value"
      id=${id}
      type="text"
      inputmode=${integer && (min ?? -1) >= 0 ? "numeric" : "decimal"}
      autocomplete="off"
      enterkeyhint="done"
      aria-label=${id ? null : label}
      aria-describedby=${describedby || null}
      aria-invalid=${invalid ? "true" : null}
      disabled=${disabled}
      value=${typed ?? String(value ?? "")}
      onFocus=${(/** @type {any} */ event) => event.target.select()}
      onInput=${(/** @type {any} */ event) => setTyped(event.target.value)}
      onBlur=${commit}
      onKeyDown=${key}
    />
    ${children}
    <${IconButton} icon="plus" label=${t("ui.greater", { label })} disabled=${disabled || (max !== undefined && value >= max)} onClick=${() => move(1)} />
  </div>`;
}

/** A small round progress mark; `value` is 0 to 1. @param {{value: number, size?: number}} props */
export function Ring({ value, size = 22 }) {
  const around = 2 * Math.PI * 9;
  const part = Math.min(1, Math.max(0, value || 0));
  return html`<svg class="ring" width=${size} height=${size} viewBox="0 0 22 22" aria-hidden="true" focusable="false">
    <circle cx="11" cy="11" r="9" class="ring-back" />
    <circle cx="11" cy="11" r="9" class="ring-front" stroke-dasharray=${`${part * around} ${around}`} />
  </svg>`;
}

/**
 * `value` null: it goes on, nobody knows how far.
 * @param {{value: number|null, max?: number, label: string, text?: string, thin?: boolean}} props
 */
export function Bar({ value, max = 1, label, text, thin }) {
  const part = value === null ? null : Math.min(1, Math.max(0, max ? value / max : 0));
  return html`<div
    class="bar"
    role="progressbar"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${part === null ? null : Math.round(part * 100)}
    aria-valuetext=${text ?? null}
    data-thin=${thin ? "true" : null}
    data-state=${part === null ? "unknown" : null}
  ><div class="bar-fill" style=${part === null ? null : { inlineSize: `${part * 100}%` }}></div></div>`;
}

/**
 * @param {{label: string, value: string, onInput: (text: string) => void, placeholder?: string, autofocus?: boolean,
 *   narrowing?: boolean}} props `narrowing`: turn amber, for something is hidden by it
 */
export function SearchBox({ label, value, onInput, placeholder, autofocus, narrowing }) {
  const box = useRef(/** @type {HTMLInputElement|null} */ (null));
  useEffect(() => {
    if (autofocus) box.current?.focus();
  }, [autofocus]);
  return html`<div class="search-box" role="search" data-state=${narrowing ?? value ? "narrowing" : null}>
    <${Icon} name="search" />
    <input
      ref=${box}
      type="search"
      enterkeyhint="search"
      autocomplete="off"
      autocapitalize="none"
      spellcheck=${false}
      aria-label=${label}
      placeholder=${placeholder ?? label}
      value=${value}
      onInput=${(/** @type {any} */ event) => onInput(event.target.value)}
    />
    ${value
      ? html`<${IconButton}
          icon="close"
          label=${t("ui.clear_search")}
          onClick=${() => {
            onInput("");
            box.current?.focus();
          }}
        />`
      : null}
  </div>`;
}
