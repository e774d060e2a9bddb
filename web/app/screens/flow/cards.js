/** The workflow as a list: its cards in order, branches beside each other as groups, and a quiet "+" between. */
import { computed, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/preact.js";
import { branches, isLink, users } from "../../core/graph.js";
import { catalog, draft, t } from "../../io/store.js";
import { IconButton } from "../../ui/basics.js";
import { openAdd } from "./add.js";
import { openNodeMenu } from "./menu.js";
import { FlowCard } from "./nodecard.js";
import { cardId, found, graph, lines, nameOf, opened, order, words } from "./state.js";

/** @typedef {import("../../core/types.js").Branch} Branch */

const groups = computed(() => branches(graph.value, order.value));

const linked = computed(() => users(graph.value));

/** By node, who it is linked with and what they are called: a card is drawn anew only when that changes. */
const wires = computed(() => {
  const by = linked.value;
  return new Map(
    order.value.map((id) => {
      const from = Object.values(graph.value[id].inputs ?? {}).flatMap((value) => (isLink(value) ? [nameOf(value[0])] : []));
      const to = (by.get(id) ?? []).map(({ target, name, slot }) => `${slot} ${name} ${target} ${nameOf(target)}`);
      return [id, JSON.stringify([from, to])];
    }),
  );
});

/** The gap behind a card: what is added there goes behind it, before the next one. @param {{after: string, before?: string}} props */
function Gap({ after, before }) {
  const by = linked.value.get(after) ?? [];
  const nothing = !catalog.value.get(graph.value[after]?.class_type)?.outputs.length;
  const next = before !== undefined && (nothing || by.some(({ target }) => target === before)) ? before : undefined;
  const place = nothing ? { before: next } : { after, before: next };
  return html`<div class="gap">
    <${IconButton} icon="plus" label=${t("flow.add_between")} aria-haspopup="dialog" onClick=${() => openAdd(place)} />
  </div>`;
}

/** @param {{ids: string[], whole: ReadonlySet<string> | null}} props *whole*: the nodes that have a whole card by now; null: all. */
function List({ ids, whole }) {
  // Lines are for an overview: there the menu of a node adds behind it.
  const bare = lines.value || words.value.trim() !== "";
  return html`<ol class="cards" data-view=${lines.value ? "lines" : "cards"}>
    ${ids.map((id, at) => {
      const later = whole !== null && !whole.has(id);
      return html`<li key=${id}>
        <${FlowCard} id=${id} line=${lines.value ? !opened.value.has(id) : later} wires=${wires.value.get(id) ?? ""} />
        ${!bare && !later && html`<${Gap} after=${id} before=${ids[at + 1]} />`}
      </li>`;
    })}
  </ol>`;
}

/** All cards are one stop of the Tab key: the one that was there last. @param {Element} box @param {Element | null} [at] */
function rove(box, at = box.querySelector('article.card[tabindex="0"]') ?? box.querySelector("article.card")) {
  for (const card of box.querySelectorAll('article.card[tabindex="0"]')) if (card !== at) card.setAttribute("tabindex", "-1");
  at?.setAttribute("tabindex", "0");
}

/** Moves between cards with the arrow keys; Enter opens a card's menu. @param {KeyboardEvent} event */
function key(event) {
  const card = /** @type {HTMLElement} */ (event.target);
  // Only while the card itself has the focus: inside it the keys are its fields'.
  if (!card.matches("article.card")) return;
  const id = card.id.slice(cardId("").length);
  const all = /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (event.currentTarget).querySelectorAll("article.card")]);
  const to = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (to !== undefined) {
    const next = all[all.indexOf(card) + to];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    all.at(event.key === "Home" ? 0 : -1)?.focus();
  } else if (event.key === "Enter") {
    event.preventDefault();
    void openNodeMenu(id);
  }
}

/** As often it is looked whether the sheets are gone, so many milliseconds apart. */
const LOOKS = 20;
const LOOK_MS = 30;

/**
 * Where a node was removed, the next one takes the focus that would else be nowhere; not if it went elsewhere meanwhile.
 * @param {string} id
 */
function standOn(id, looks = LOOKS) {
  setTimeout(() => {
    if (document.querySelector("dialog[open]")) return void (looks > 0 && standOn(id, looks - 1));
    const at = document.activeElement;
    if (at === null || at === document.body || at.id === "main") document.getElementById(cardId(id))?.focus();
  }, LOOK_MS);
}

/** Follows what goes from the workflow while it is open. */
function useRemoved() {
  const of = draft.value?.id;
  const before = useRef({ of, ids: order.value });
  useEffect(() => {
    const { of: was, ids } = before.current;
    const now = new Set(order.value);
    before.current = { of, ids: order.value };
    const gone = ids.findIndex((id) => !now.has(id));
    if (gone < 0 || was !== of) return;
    const next = ids.slice(gone).find((id) => now.has(id)) ?? ids.slice(0, gone).findLast((id) => now.has(id));
    if (next !== undefined) standOn(next);
  }, [order.value]);
}

/** So many cards are made in one go; hundreds at once would hold the page up for seconds. */
const AT_ONCE = 24;

/** The nodes that have a whole card by now, more with each frame; null once all have. @returns {ReadonlySet<string> | null} */
function useWhole() {
  const [count, setCount] = useState(AT_ONCE);
  const all = order.value.length;
  const asked = !lines.value;
  useEffect(() => {
    if (!asked) return setCount(AT_ONCE);
    if (count >= all) return;
    const frame = requestAnimationFrame(() => setCount(count + AT_ONCE));
    return () => cancelAnimationFrame(frame);
  }, [asked, count, all]);
  return useMemo(() => (asked && count < all ? new Set(order.value.slice(0, count)) : null), [asked, count, order.value]);
}

export function Cards() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const whole = useWhole();
  useRemoved();
  useLayoutEffect(() => {
    if (box.current) rove(box.current);
  });
  const shown = groups.value.map((one) => ({ ...one, ids: one.ids.filter((id) => found.value.has(id)) })).filter((one) => one.ids.length);
  return html`<div
    ref=${box}
    class="flow-cards"
    onKeyDown=${key}
    onFocusIn=${(/** @type {any} */ event) => rove(event.currentTarget, event.target.closest("article.card") ?? undefined)}
  >
    ${shown.map((one) =>
      one.label === null
        ? html`<${List} key=${`trunk ${one.ids[0]}`} ids=${one.ids} whole=${whole} />`
        : html`<section key=${`${one.fork}${one.label}`} class="branch" aria-label=${t("flow.branch", { name: one.label })}>
            <h2>${t("flow.branch", { name: one.label })}</h2>
            <${List} ids=${one.ids} whole=${whole} />
          </section>`,
    )}
    ${!shown.length && html`<p class="muted">${t("flow.search_none", { query: words.value.trim() })}</p>`}
  </div>`;
}
