// What a screen reader is told of new items: a summary now and then, since
// nobody can listen to 50 items a second.

import {newItems} from "./words.js";

/** How often it is told at most, in ms. */
const EVERY = 10_000;
/** How much of a single item, in characters. */
const LENGTH = 140;

/** @param {HTMLElement} region a polite live region */
export function teller(region) {
  let count = 0;
  let last;
  let timer;
  const tell = () => {
    timer = undefined;
    if (!count) return;
    const text = count === 1 ? last() : "";
    region.textContent = text ? `New: ${text.slice(0, LENGTH)}` : newItems(count);
    count = 0;
    timer = setTimeout(tell, EVERY);
  };
  /** @param {() => string} text gives the item's own */
  return text => {
    count++;
    last = text;
    timer ??= setTimeout(tell, 1000);
  };
}
