/** What the app keeps on this device, and clearing what can be fetched again. */
import { html, useEffect, useState } from "../../vendor/preact.js";
import { bytes } from "../../core/format.js";
import { drop, kept, list, names } from "../../io/db.js";
import { drafts, locale, t, toast, toastError } from "../../io/store.js";
import { Banner, Button } from "../../ui/basics.js";
import { confirm } from "../../ui/sheet.js";
import { Fact } from "./facts.js";

/** About how large a value is on the disk: browsers tell only the sum, and only at secure addresses. @param {any} value @returns {number} */
function weigh(value) {
  if (value instanceof Blob) return value.size;
  if (value instanceof Map) return weigh([...value]);
  return JSON.stringify(value)?.length ?? 0;
}

async function measure() {
  const [cached, made] = await Promise.all([list("cache"), list("drafts")]);
  const sum = (/** @type {[string, any][]} */ all) => all.reduce((total, [, value]) => total + weigh(value), 0);
  return { cache: sum(cached), drafts: sum(made) };
}

export function Storage() {
  const [sizes, setSizes] = useState(/** @type {{cache: number, drafts: number} | null} */ (null));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let here = true;
    measure().then((found) => here && setSizes(found), toastError);
    return () => {
      here = false;
    };
  }, [turn, drafts.value.length]);
  const clear = async () => {
    if (!(await confirm({ title: t("settings.clear_title"), text: t("settings.clear_text"), action: t("settings.clear") }))) return;
    try {
      // The app's own files stay: they are what it starts with when the server is away.
      for (const key of await names("cache")) await drop(`cache/${key}`);
      toast({ key: "settings.cleared", tone: "good" });
    } catch (error) {
      toastError(error);
    }
    setTurn(turn + 1);
  };
  const at = locale.value;
  return html`<section class="panel" aria-labelledby="set-storage">
    <div class="panel-head"><h2 id="set-storage">${t("settings.storage")}</h2></div>
    ${!kept() && html`<${Banner} tone="warn">${t("settings.not_kept")}<//>`}
    <dl class="fact-list">
      <${Fact} label=${t("settings.drafts")}>${sizes && `${drafts.value.length} · ${bytes(sizes.drafts, at)}`}<//>
      <${Fact} label=${t("settings.cached")}>${sizes && bytes(sizes.cache, at)}<//>
    </dl>
    <${Button} icon="trash" disabled=${!sizes?.cache} onClick=${clear}>${t("settings.clear")}<//>
    <p class="hint">${t("settings.storage_hint")}</p>
  </section>`;
}
