/** Models that the workflow needs and the server lacks. */
import { computed, html, signal, useEffect } from "../../vendor/preact.js";
import { api } from "../../io/api.js";
import { draft, findings, go, models, online, t } from "../../io/store.js";
import { Banner, Button } from "../../ui/basics.js";

/** What was found missing, and in which draft. @type {import("../../vendor/preact.js").Signal<any[]>} */
const missing = signal([]);

/** Asked again when the files that nodes name change, and when the server's do. */
const key = computed(() => {
  const files = findings.value.filter((one) => one.code === "MODEL_FILE_MISSING").map((one) => `${one.node_id}.${one.input} ${one.message}`);
  return JSON.stringify([draft.value?.id, files, Object.values(models.value).map((names) => names.length)]);
});

/** Whether the banner of missing models tells all there is to tell. */
export const onlyModelsMissing = computed(() => missing.value.length > 0 && findings.value.every((one) => one.code === "MODEL_FILE_MISSING"));

/** @param {{onShow: () => void}} props */
export function MissingModels({ onShow }) {
  useEffect(() => {
    const graph = draft.value?.graph;
    const some = findings.value.some((one) => one.code === "MODEL_FILE_MISSING");
    if (!graph || !some || !online.value) {
      missing.value = [];
      return;
    }
    const stop = new AbortController();
    api.post("/ext/workflow/requirements", { workflow: graph }, { signal: stop.signal }).then(
      (answer) => {
        missing.value = answer.models.filter((/** @type {any} */ one) => one.needed && one.status === "missing");
      },
      // The finding on the card says it, too.
      () => {},
    );
    return () => stop.abort();
  }, [key.value]);
  const count = missing.value.length;
  if (!count) return null;
  const get = html`<${Button} onClick=${() => go("/models?missing=1")}>${t("flow.get_models", { count })}<//>
    ${onlyModelsMissing.value && html`<${Button} onClick=${onShow}>${t("flow.show_problems")}<//>`}`;
  return html`<${Banner} tone="warn" title=${t("flow.models_missing", { count })} actions=${get}>${missing.value.map((one) => one.name).slice(0, 3).join(", ")}<//>`;
}
