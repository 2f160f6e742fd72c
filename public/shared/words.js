// What the page says of its connection, in words.

/** @typedef {import("../feed.js").State} State */

/** This many rows are made within a few frames, too soon for a person to read
 * that they are missing. */
const FEW = 100;

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

/** When a wait ends, behind the words for it.
 * @param {State} state
 * @returns {string} "" where nothing is waited for */
export function countdownOf(state) {
  if (state.is !== "waiting") return "";
  const seconds = Math.ceil((state.until - Date.now()) / 1000);
  return seconds > 0 ? `${state.reason === "draining" ? ", trying again" : ""} in ${seconds} s` : "";
}

/** What to show while a connection goes from one state to the next: the words of
 * a wait stand through the attempt that ends it, without the countdown, and the
 * word live stands while another transport is tried.
 * @param {State} was
 * @param {State} next
 * @returns {State} */
export function shownAfter(was, next) {
  if (next.is !== "connecting") return next;
  if (was.is === "waiting") return {...was, until: 0};
  return was.is === "live" ? was : next;
}

/** What hinders a connection, where people should be told of it: not that a
 * server is restarting.
 * @param {State} state
 * @returns {import("../feed.js").Problem | undefined} */
export function problemShown(state) {
  if (state.is === "refused") return state.problem;
  return state.is === "waiting" && state.reason !== "draining" ? state.problem : undefined;
}

/** What changes all the time, and is therefore not read aloud.
 * @param {State} state
 * @param {{paused: boolean, waiting: number, least: boolean, behind: number}} page least: perhaps more are waiting
 * @returns {string} */
export function detailsFor(state, {paused, waiting, least, behind}) {
  return [
    countdownOf(state),
    paused ? ", paused" : "",
    waiting ? `, behind by ${waiting.toLocaleString()}${least ? " or more" : ""}` : behind > FEW ? `, behind by ${behind.toLocaleString()}` : "",
  ].join("");
}

/** @param {number} n
 * @param {boolean} [least] perhaps there are more
 * @returns {string} */
export function newItems(n, least) {
  if (least) return `${n.toLocaleString()} or more new items`;
  return n === 1 ? "1 new item" : `${n.toLocaleString()} new items`;
}
