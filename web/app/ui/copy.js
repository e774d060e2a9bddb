/**
 * Copies a text. `navigator.clipboard` is absent on plain http in a LAN, where most phones are: hence the old way.
 * @param {string} text
 * @returns {boolean} Whether it worked.
 */
export function copyText(text) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "sr-only";
  // Within the sheet that is open: the page behind it takes no focus.
  (before?.closest("dialog") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus({ preventScroll: true });
  return done;
}
