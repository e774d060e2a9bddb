import { hasText, t } from "../io/store.js";

/** @typedef {import("../core/types.js").Finding} Finding */

/** @param {any} value A value as it can stand in a sentence. */
function short(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value?.__value__ ?? value);
  return text !== undefined && text.length > 60 ? `${text.slice(0, 57)}…` : (text ?? "");
}

/**
 * What is wrong, in the user's language; in the server's words where there are none for the code.
 * @param {Finding} finding
 * @returns {string}
 */
export function findingText(finding) {
  const { min = null, max = null } = finding.details;
  // A limit on one side only is told as such.
  const side = finding.code !== "VALUE_OUT_OF_RANGE" || (min !== null && max !== null) ? "" : min === null ? ".max" : ".min";
  const key = `finding.${finding.code}${side}`;
  if (!hasText(key)) return finding.message;
  return t(key, {
    input: finding.input ?? "",
    type: finding.class_type ?? "",
    min: short(min ?? ""),
    max: short(max ?? ""),
  });
}

/**
 * What the one tap does, as the button's words and as a sentence that names the value.
 * @param {Finding} finding
 * @param {(id: string) => string} [nameOf] what a node is called
 * @returns {{label: string, about: string}|null} null where no single operation mends it
 */
export function fixText({ fix }, nameOf = (id) => `#${id}`) {
  if (!fix) return null;
  const node = (/** @type {string|undefined} */ id) => (id === undefined ? "" : nameOf(id));
  switch (fix.op) {
    case "set_param":
      return { label: t("fix.use"), about: t("fix.use_about", { value: short(fix.value) }) };
    case "connect":
      return { label: t("fix.connect"), about: t("fix.connect_about", { node: node(fix.source_node_id) }) };
    case "disconnect":
      return { label: t("fix.disconnect"), about: t("fix.disconnect_about") };
    case "replace_node":
      return { label: t("fix.replace"), about: t("fix.replace_about", { type: fix.class_type ?? "" }) };
    case "remove_node":
      return { label: t("fix.remove"), about: t("fix.remove_about", { node: node(fix.node_id) }) };
    case "add_node":
      return { label: t("fix.add"), about: t("fix.add_about", { type: fix.class_type ?? "" }) };
    default:
      return { label: t("fix.mend"), about: "" };
  }
}
