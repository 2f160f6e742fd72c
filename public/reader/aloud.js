// What a screen reader is told of new items: a summary now and then, since
// nobody can listen to 50 items a second.

import {show} from "../shared/kinds.js";
import {newItems} from "../shared/words.js";

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
    region.textContent = count === 1 ? `New: ${textOf(last)}` : newItems(count);
    count = 0;
    last = undefined;
    timer = setTimeout(tell, EVERY);
  };
  /** @param {import("../feed.js").Item} item that is new */
  return item => {
    count++;
    last = item;
    timer ??= setTimeout(tell, 1000);
  };
}

function textOf(item) {
  const element = show(item);
  element.querySelector(".fields")?.remove();
  return element.textContent.slice(0, LENGTH);
}
