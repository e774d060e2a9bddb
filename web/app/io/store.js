/**
 * The one place of state: signals, and the actions that change them. Its parts lie in `store/`.
 *
 * Actions that ask the server throw ApiError; `toastError` and `told` say it in the user's language.
 */
export { serverNow, ApiError } from "./api.js";
export { arrivals } from "./store/arrivals.js";
export { boot } from "./store/boot.js";
export { catalogFault, loadCatalog, loadServer, refreshModels } from "./store/catalog.js";
export { showRefusal, validate } from "./store/checks.js";
export {
  amendDraft,
  closeDraft,
  commit,
  copyDraft,
  deleteDraft,
  lastUsed,
  openDraft,
  openSaved,
  redo,
  renameDraft,
  seedMode,
  setSeedMode,
  setValue,
  setView,
  undo,
  view,
} from "./store/draft.js";
export { patch, setParam } from "./store/edits.js";
export { canRedo, canUndo } from "./store/past.js";
export { keepPresets, loadPresets, presets } from "./store/presets.js";
export { back, followRoute, go, parseRoute, pushBack, route } from "./store/route.js";
export { run, whyNoRun } from "./store/run.js";
export { hasText, loadTexts, locale, saveSettings, setTexts, settings, t } from "./store/settings.js";
export {
  catalog,
  catalogState,
  downloads,
  draft,
  drafts,
  findings,
  findingsOf,
  FINISHED,
  history,
  lastReached,
  lastRun,
  models,
  online,
  patching,
  queue,
  ran,
  running,
  server,
  stream,
  taskOrder,
  tasks,
  valid,
  validation,
} from "./store/state.js";
export {
  cancel,
  download,
  forget,
  loadMore,
  loadTask,
  moreTasks,
  openSession,
  openTask,
  pause,
  pauseQueue,
  resume,
  resumeQueue,
  retry,
} from "./store/tasks.js";
export { dismiss, holdToast, toast, toastError, toasts, told } from "./store/toasts.js";
export { applyUpdate, install, installState, startsAlone, updateReady } from "./pwa.js";
