/**
 * Texts in the user's language.
 *
 * @typedef {import("./types.js").Dictionary} Dictionary
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Translate} Translate
 */

/**
 * Makes the function that gives texts. A key that neither dictionary has comes back as it is.
 * @param {string} locale As Intl takes it, or the pseudo-locale.
 * @param {Dictionary} dictionary
 * @param {Dictionary} [fallback] In English.
 * @returns {Translate}
 */
export function translator(locale, dictionary, fallback = {}) {
  const tag = locale === "qps" ? "en" : locale;
  const plurals = new Intl.PluralRules(tag);
  const english = new Intl.PluralRules("en");
  const number = new Intl.NumberFormat(tag);
  return (key, params = {}) => {
    const own = Object.hasOwn(dictionary, key) ? dictionary[key] : undefined;
    const message = own ?? (Object.hasOwn(fallback, key) ? fallback[key] : undefined);
    if (message === undefined) return key;
    return filled(chosen(message, params, own === undefined ? english : plurals), params, number);
  };
}

/**
 * @param {Message} message
 * @param {Record<string, any>} params
 * @param {Intl.PluralRules} plurals
 */
function chosen(message, params, plurals) {
  if (typeof message === "string") return message;
  return message[plurals.select(Number(params.count ?? 0))] ?? message.other;
}

/**
 * A count is written as people write numbers; other numbers, such as ids and seeds, as they are.
 * @param {string} text
 * @param {Record<string, any>} params
 * @param {Intl.NumberFormat} number
 */
function filled(text, params, number) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined || value === null) return whole;
    return name === "count" && typeof value === "number" ? number.format(value) : String(value);
  });
}

/**
 * The first language of *wishes* that there is; Chinese of any script is nearer to Chinese than English is.
 * @param {readonly string[]} wishes
 * @returns {"en" | "zh"}
 */
export function negotiate(wishes) {
  for (const wish of wishes) {
    const language = wish.toLowerCase().split(/[-_]/)[0];
    if (language === "zh" || language === "en") return language;
  }
  return "en";
}

const ACCENTS = /** @type {Record<string, string>} */ ({
  ...{ a: "á", b: "ƀ", c: "ç", d: "ð", e: "é", f: "ƒ", g: "ĝ", h: "ĥ", i: "í", j: "ĵ", k: "ķ", l: "ļ", m: "ɱ" },
  ...{ n: "ñ", o: "ó", p: "þ", q: "ʠ", r: "ŕ", s: "š", t: "ţ", u: "ú", v: "ṽ", w: "ŵ", x: "ẋ", y: "ý", z: "ž" },
});

/**
 * A language nobody speaks, a third longer than English: shows what is not translated and what overflows.
 * @param {Dictionary} dictionary
 * @returns {Dictionary}
 */
export function pseudo(dictionary) {
  /** @type {Dictionary} */
  const found = {};
  for (const [key, message] of Object.entries(dictionary)) {
    found[key] =
      typeof message === "string"
        ? strange(message)
        : /** @type {Message} */ (Object.fromEntries(Object.entries(message).map(([form, text]) => [form, strange(text)])));
  }
  return found;
}

/** @param {string} text */
function strange(text) {
  const letters = text.replace(/\{\w+\}|[a-z]/g, (found) => ACCENTS[found] ?? found);
  return `[${letters}${"~".repeat(Math.ceil(text.length / 3))}]`;
}
