/** What the user chose on this device, and the texts in their language. */
import { computed, effect, signal } from "../../vendor/preact.js";
import { negotiate, pseudo, translator } from "../../core/i18n.js";
import { configure } from "../api.js";

/** @typedef {import("../../core/types.js").Dictionary} Dictionary */

/**
 * @typedef {object} Settings
 * @property {"auto" | "en" | "zh" | "qps"} language
 * @property {"system" | "light" | "dark"} theme
 * @property {100 | 115 | 130} textSize In percent.
 * @property {boolean} haptics
 * @property {"cards" | "lines" | "auto"} density
 * @property {string} apiKey
 * @property {string} hostLocale What ComfyUI's own page is set to; "" if it does not say.
 */

const KEY = "backplane.settings";

/** @type {Settings} */
const DEFAULTS = {
  language: "auto",
  theme: "system",
  textSize: 100,
  haptics: true,
  density: "auto",
  apiKey: "",
  hostLocale: "",
};

/** Small, and needed before the first frame, so that the theme does not flash: hence not in IndexedDB. @returns {Partial<Settings>} */
function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/** @type {import("../../vendor/preact.js").Signal<Settings>} */
export const settings = signal({ ...DEFAULTS, ...kept() });
configure({ key: settings.value.apiKey });

/** @param {Partial<Settings>} part */
export function saveSettings(part) {
  // What another tab chose meanwhile stays.
  settings.value = { ...settings.value, ...kept(), ...part };
  configure({ key: settings.value.apiKey });
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.value));
  } catch {
    // A private window: the choice holds until it is closed.
  }
}

/** @type {import("../../vendor/preact.js").ReadonlySignal<"en" | "zh" | "qps">} */
export const locale = computed(() => {
  const { language, hostLocale } = settings.value;
  if (language !== "auto") return language;
  const wishes = typeof navigator === "undefined" ? [] : navigator.languages;
  return negotiate(hostLocale ? [hostLocale, ...wishes] : [...wishes]);
});

/** @type {import("../../vendor/preact.js").Signal<Record<string, Dictionary>>} */
const dictionaries = signal({});

const translate = computed(() => {
  const at = locale.value;
  const english = dictionaries.value.en ?? {};
  if (at === "qps") return translator("en", pseudo(english), english);
  // Until the language is here, the one before shows: never bare keys.
  const own = dictionaries.value[at];
  return own ? translator(at, own, english) : translator("en", english, dictionaries.value.zh ?? {});
});

/**
 * A text in the user's language. Reads a signal, so whoever renders with it follows a change of the language.
 * @param {string} key
 * @param {Record<string, any>} [params]
 * @returns {string}
 */
export const t = (key, params) => translate.value(key, params);

/** Whether there is a text for this key. @param {string} key */
export function hasText(key) {
  return Object.hasOwn(dictionaries.value[locale.value === "qps" ? "en" : locale.value] ?? {}, key);
}

/** Loads the texts of a language, once. @param {"en" | "zh" | "qps"} at @returns {Promise<void>} */
export async function loadTexts(at) {
  const name = at === "zh" ? "zh" : "en";
  if (dictionaries.value[name]) return;
  const response = await fetch(new URL(`../../locales/${name}.json`, import.meta.url));
  if (!response.ok) throw new Error(`locales/${name}.json: ${response.status}`);
  const found = await response.json();
  dictionaries.value = { ...dictionaries.value, [name]: found };
}

/** For tests, and for texts that are here already. @param {string} name @param {Dictionary} found */
export function setTexts(name, found) {
  dictionaries.value = { ...dictionaries.value, [name]: found };
}

/** Loads texts whenever the language changes. @returns {() => void} */
export function followLocale() {
  return effect(() => {
    void loadTexts(locale.value).catch((error) => console.warn(error));
  });
}
