/** What went wrong with a model or a link, and what cures it. */
import { html } from "../../vendor/preact.js";
import { bytes } from "../../core/format.js";
import { locale, t, told } from "../../io/store.js";
import { Banner } from "../../ui/basics.js";

/** @typedef {import("../../vendor/preact.js").ComponentChildren} Children */

/** Only addresses that a page can lead to. @param {unknown} link @returns {string | null} */
export const webLink = (link) => (typeof link === "string" && /^https?:\/\//.test(link) ? link : null);

/** Codes for which the source's own page is where the cure is. */
const ON_PAGE = new Set(["DOWNLOAD_GATED", "DOWNLOAD_AUTH_REQUIRED", "DOWNLOAD_EARLY_ACCESS", "DOWNLOAD_SCAN_FLAGGED"]);

/**
 * @param {{error: any, page?: string | null, tone?: "bad" | "warn", actions?: Children}} props
 */
export function Problem({ error, page, tone = "bad", actions }) {
  const { title, hint, code } = told(error);
  const details = error?.details ?? {};
  const at = ON_PAGE.has(code) ? webLink(details.page ?? page) : null;
  return html`<${Banner} tone=${tone} title=${title} actions=${actions}>
    ${hint && html`<p>${hint}</p>`}
    ${details.missing > 0 && html`<p>${t("models.disk_missing", { missing: bytes(details.missing, locale.value), free: bytes(details.free, locale.value) })}</p>`}
    ${Array.isArray(details.allowed) && html`<p>${t("models.allowed_hosts", { hosts: details.allowed.join(", ") })}</p>`}
    ${at && html`<p><a href=${at} target="_blank" rel="noreferrer noopener">${t("models.open_page")}</a></p>`}
  <//>`;
}
