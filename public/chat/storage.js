// What the page remembers in the browser. Where that keeps nothing, neither
// does the page, and works all the same.

/** @param {"localStorage" | "sessionStorage"} where the second is the tab's own
 * @param {string} name
 * @returns {*} undefined where there is nothing */
export function recall(where, name) {
  try {
    return JSON.parse(globalThis[where].getItem(name)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {"localStorage" | "sessionStorage"} where
 * @param {string} name
 * @param {*} value */
export function keep(where, name, value) {
  try {
    globalThis[where].setItem(name, JSON.stringify(value));
  } catch {
    // It is full, or closed to pages.
  }
}
