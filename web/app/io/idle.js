/** Resolves when the browser has nothing else to do, or soon in any case. @returns {Promise<void>} */
export const idle = () => new Promise((done) => ("requestIdleCallback" in globalThis ? requestIdleCallback(() => done(), { timeout: 2000 }) : setTimeout(done, 300)));
