// How many items wait to be shown: they match, and came while the page stood
// still. They are only counted, so a page that is paused for a day needs no
// more memory than any other page.

import {readPage} from "../feed-pages.js";
import {feedAt} from "../shared/address.js";
import {above} from "../shared/ids.js";

/** @typedef {import("../feed.js").Item} Item */

/** How many pages are counted anew at most, and how many items each has: 10,000
 * items are some 2 MB, which a reader may wait for. */
const COUNTED = 10, COUNT = 1000;

export class Waiting {
  count = 0;
  /** There may be more of them. */
  least = false;
  /** @type {Item | undefined} the first that was only counted */
  #first;
  #counted = ""; // up to here it was counted anew
  /** @type {string[] | undefined} what matches and came while that is done: ids */
  #late;

  clear() {
    this.count = 0;
    this.least = false;
    this.#first = this.#late = undefined;
    this.#counted = "";
  }

  /** Counts an item that came.
   * @param {Item} item
   * @param {(item: Item) => boolean} matches */
  came(item, matches) {
    this.#first ??= item;
    if (!above(item.id, this.#counted) || !matches(item)) return;
    this.count++;
    this.#late?.push(item.id);
  }

  /** Takes off an item that is shown now.
   * @param {Item} item it matches */
  shown(item) {
    // Some items above the page were never counted, because their rows were
    // dropped.
    if (this.count > 0 && this.#first && !above(this.#first.id, item.id)) this.count--;
  }

  /**
   * Counts anew, because something else matches now.
   *
   * @param {import("../shared/address.js").Address} address
   * @param {() => string} top the id below which nothing waits
   * @param {(item: Item) => boolean} matches
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async recount(address, top, matches, signal) {
    const first = this.#first;
    if (!first) return;
    const begin = top();
    const late = this.#late = /** @type {string[]} */ ([]);
    const apart = above(first.id, begin);
    let count = apart && matches(first) ? 1 : 0;
    let page = {cursor: apart ? first.id : begin, more: true};
    try {
      for (let pages = 0; page.more && pages < COUNTED; pages++) {
        const next = await readPage(feedAt(address), {last_event_id: page.cursor, limit: String(COUNT)}, signal);
        if (late !== this.#late) return; // something else matches again
        count += next.items.filter(matches).length;
        page = next;
      }
    } catch {
      if (late === this.#late) this.#late = undefined;
      return; // the state of the connection says why
    }
    this.#late = undefined;
    if (begin !== top()) return this.recount(address, top, matches, signal);
    this.count = count + late.filter(id => above(id, page.cursor)).length;
    this.least = page.more;
    this.#counted = page.cursor;
  }
}
