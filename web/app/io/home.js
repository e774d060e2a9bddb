const BELOW = /(@\w+\/)?io\/home\.js$/;

/** Where the page and the worker are: above `@RELEASE/`, below which the page's scripts may have been asked for. */
export const home = new URL(import.meta.url.replace(BELOW, ""));
