// The rows on the page, the newest first.

import {make, one} from "../shared/dom.js";
import {show} from "../shared/kinds.js";

/** Why items are missing, if the server's word does not say it.
 * @type {Record<string, string>} */
const GAPS = {unknown: "unknown, since the server does not know where this page stood"};

/** @typedef {import("../feed.js").Item} Item
 * @typedef {import("../feed.js").Gap} Gap
 *
 * @typedef {{item: Item, gap?: undefined} | {gap: Gap, item?: undefined}} Entry */

const dayTime = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const shortTime = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit"});
const fullTime = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

export class List {
  /** @type {WeakMap<Element, Item>} */
  #items = new WeakMap();
  #lastGap = ""; // the text of the newest row, if it is a gap

  /**
   * @param {HTMLElement} element
   * @param {{itemRow: () => HTMLElement, gapRow: () => HTMLElement}} make makes
   *   new rows
   */
  constructor(element, make) {
    this.element = element;
    this.make = make;
    /** Several feeds may be among the items. */
    this.several = false;
    /** @type {(item: Item) => string} */
    this.addressOf = () => "";
  }

  get length() {
    return this.element.children.length;
  }

  /** The rows, the newest first.
   * @returns {HTMLElement[]} */
  get rows() {
    return /** @type {HTMLElement[]} */ ([...this.element.children]);
  }

  /** @param {Element} row
   * @returns {Item | undefined} */
  itemOf(row) {
    return this.#items.get(row);
  }

  clear() {
    this.element.replaceChildren();
    this.#lastGap = "";
  }

  /** @param {Entry[]} entries the oldest first, all newer than those here */
  addNewer(entries) {
    this.element.prepend(...this.#make(entries));
  }

  /** @param {Entry[]} entries the oldest first, all older than those here */
  addOlder(entries) {
    const gap = this.#lastGap;
    this.element.append(...this.#make(entries));
    this.#lastGap = gap;
  }

  /** Takes away the oldest rows, until no more than a number are left.
   * @param {number} most
   * @returns {string | undefined} the id of the oldest item that is left */
  dropOldest(most) {
    while (this.length > most) this.element.lastElementChild?.remove();
    let last = this.element.lastElementChild;
    while (last && !this.#items.has(last)) last = last.previousElementSibling; // a gap has no id
    return last ? this.#items.get(last)?.id : undefined;
  }

  /** Takes away the newest rows, until no more than a number are left and an
   * item is on top.
   * @param {number} most
   * @returns {string | undefined} the id of the newest that is left */
  dropNewest(most) {
    /** @type {Element | null} */
    let first;
    while ((first = this.element.firstElementChild) && (this.length > most || !this.#items.has(first))) first.remove();
    this.#lastGap = "";
    return first ? this.#items.get(first)?.id : undefined;
  }

  /** Hides the rows of items that do not match.
   * @param {(item: Item) => boolean} matches */
  filter(matches) {
    for (const row of this.rows) {
      const item = this.#items.get(row);
      row.hidden = item !== undefined && !matches(item);
    }
  }

  /** Changes rows above the reader's place, and keeps that place where it is in
   * the window.
   * @param {() => void} change */
  inPlace(change) {
    const row = this.rows.find(row => row.getBoundingClientRect().bottom > 0);
    const before = row?.getBoundingClientRect().top ?? 0;
    change();
    if (row?.isConnected) scrollBy({top: row.getBoundingClientRect().top - before, behavior: "instant"});
  }

  /** @param {Entry[]} entries */
  #make(entries) {
    /** @type {HTMLElement[]} */
    const rows = [];
    for (const entry of entries) {
      const row = entry.item ? this.#itemRow(entry.item) : this.#gapRow(entry.gap);
      if (row) rows.unshift(row);
    }
    return rows;
  }

  /** @param {Item} item */
  #itemRow(item) {
    const row = this.make.itemRow();
    const link = one(row, ".time", HTMLAnchorElement);
    const time = one(row, "time", HTMLTimeElement);
    const feed = one(row, ".feed", HTMLAnchorElement);
    const event = one(row, ".event");
    row.dataset.id = item.id;
    link.href = this.addressOf(item);
    const date = new Date(item.time);
    if (Number.isNaN(date.valueOf())) {
      time.textContent = "no time";
    } else {
      const today = date.toDateString() === new Date().toDateString();
      time.dateTime = item.time;
      time.title = fullTime.format(date);
      time.textContent = (today ? dayTime : shortTime).format(date);
    }
    if (this.several) {
      feed.textContent = item.feed;
      feed.href = `/?feed=${encodeURIComponent(item.feed)}`;
    } else {
      feed.remove();
    }
    if (item.event) event.textContent = item.event;
    else event.remove();
    row.append(show(item));
    this.#items.set(row, item);
    this.#lastGap = "";
    return row;
  }

  /** @param {Gap} gap
   * @returns {HTMLElement | undefined} */
  #gapRow({reason, feeds}) {
    let text = `items are missing here: ${GAPS[reason] ?? reason}`;
    if (this.several && feeds?.length) text += ` (${feeds.join(", ")})`;
    // The server tells a loss again when the connection broke before the next
    // item, so of two markers with nothing between them one is left out.
    if (text === this.#lastGap) return undefined;
    this.#lastGap = text;
    const row = this.make.gapRow();
    row.append(make("p", "", text));
    return row;
  }
}
