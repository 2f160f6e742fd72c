// What a page remembers in the browser. Where the browser keeps nothing (its
// store is full, or closed to pages), the page works all the same.

/**
 * @typedef {"localStorage" | "sessionStorage"} Where the second is the tab's own
 */

/** @param {Where} where
 * @param {string} name
 * @returns {any} undefined where there is nothing */
export function recall(where, name) {
  try {
    return JSON.parse(globalThis[where].getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {Where} where
 * @param {string} name
 * @param {any} value */
export function keep(where, name, value) {
  try {
    globalThis[where].setItem(name, JSON.stringify(value));
  } catch {
    // See above.
  }
}

/** @param {Where} where
 * @param {string} name */
export function forget(where, name) {
  try {
    globalThis[where].removeItem(name);
  } catch {
    // See above.
  }
}
