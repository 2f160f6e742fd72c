// What a screen reader is told about new items: a summary now and then, because
// a person cannot listen to 50 items a second.

import {show} from "../shared/kinds.js";
import {newItems} from "../shared/words.js";

/** How often it is told at most, in ms; and how soon the first time, so that items
 * that come together are told together. */
const EVERY = 10_000, FIRST = 1_000;
/** How much of a single item, in characters: a sentence or two. */
const LENGTH = 140;

/** @typedef {import("../feed.js").Item} Item */

/** @param {HTMLElement} region a polite live region */
export function teller(region) {
  let count = 0;
  /** @type {Item | undefined} */
  let last;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const tell = () => {
    timer = undefined;
    if (!last) return;
    region.textContent = count === 1 ? `New: ${textOf(last)}` : newItems(count);
    count = 0;
    last = undefined;
    timer = setTimeout(tell, EVERY);
  };
  /** @param {Item} item that is new */
  return item => {
    count++;
    last = item;
    timer ??= setTimeout(tell, FIRST);
  };
}

/** @param {Item} item */
function textOf(item) {
  const element = show(item);
  element.querySelector(".fields")?.remove();
  return element.textContent.slice(0, LENGTH);
}
