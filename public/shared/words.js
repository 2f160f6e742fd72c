// What the page says of its connection, in words.

/** @typedef {import("../feed.js").State} State */

/** @param {State} state
 * @returns {string} a few words that stand until the state is another */
export function wordsFor(state) {
  switch (state.is) {
    case "live": return state.by === "polling" ? "polling" : "live";
    case "waiting": return state.reason === "draining" ? "server is restarting" : "reconnecting";
    case "refused": return "not connected";
    default: return "connecting";
  }
}

/** What changes all the time, and is therefore not read aloud.
 * @param {State} state
 * @param {{paused: boolean, waiting: number, least: boolean, behind: number}} page least: perhaps more are waiting
 * @returns {string} */
export function detailsFor(state, {paused, waiting, least, behind}) {
  const seconds = state.until ? Math.ceil((state.until - Date.now()) / 1000) : 0;
  return [
    seconds > 0 ? `${state.reason === "draining" ? ", trying again" : ""} in ${seconds} s` : "",
    paused ? ", paused" : "",
    waiting ? `, behind by ${waiting.toLocaleString()}${least ? " or more" : ""}` : behind > 100 ? `, behind by ${behind.toLocaleString()}` : "",
  ].join("");
}

/** @param {number} n
 * @param {boolean} [least] perhaps there are more
 * @returns {string} */
export function newItems(n, least) {
  if (least) return `${n.toLocaleString()} or more new items`;
  return n === 1 ? "1 new item" : `${n.toLocaleString()} new items`;
}
