import { h, useRef } from "../vendor/preact.js";

/**
 * A component that is drawn anew only if one of its props named in `by` is another object: of a hundred cards, the one
 * whose node was edited. What it reads of signals draws it, too. Its other props, handlers above all, stay those of the
 * drawing before, so they may hold on to ids but not to values.
 * @template {Record<string, any>} P
 * @param {(props: P) => any} component
 * @param {(keyof P)[]} by
 */
export function memo(component, by) {
  /** @param {P} props */
  return function Memo(props) {
    const last = useRef(/** @type {{props: P, node: any}|null} */ (null));
    const before = last.current;
    // The same virtual node again is what tells Preact that there is nothing to do below it.
    if (before && by.every((name) => Object.is(before.props[name], props[name]))) return before.node;
    const node = h(/** @type {any} */ (component), props);
    last.current = { props, node };
    return node;
  };
}
