/** The icon of the browser's tab: the app's own, or a ring while something runs. */

const AROUND = 2 * Math.PI * 12;

/** @param {number|null} done 0 to 1 */
export function showInTab(done) {
  const link = /** @type {HTMLLinkElement|null} */ (document.querySelector('link[rel="icon"]'));
  if (!link) return;
  link.dataset.own ??= link.getAttribute("href") ?? "";
  if (done === null) {
    link.href = link.dataset.own;
    return;
  }
  const circle = (/** @type {string} */ rest) => `<circle cx="16" cy="16" r="12" fill="none" stroke-width="6" ${rest}/>`;
  const ring =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">' +
    circle('stroke="#7a828c" stroke-opacity=".45"') +
    circle(`stroke="#21a8a8" stroke-dasharray="${done * AROUND} ${AROUND}" transform="rotate(-90 16 16)"`) +
    "</svg>";
  link.href = `data:image/svg+xml,${encodeURIComponent(ring)}`;
}
