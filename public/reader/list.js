// The rows on the page, the newest first.

import {show} from "../shared/kinds.js";
import {make} from "../shared/text.js";

/** Why items are missing, in words. */
const GAPS = {unknown: "unknown, since the server does not know where this page stood"};

/** @typedef {{item: import("../feed.js").Item} | {gap: import("../feed.js").Gap}} Entry */

const dayTime = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const shortTime = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit"});
const fullTime = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

export class List {
  /** @type {WeakMap<Element, import("../feed.js").Item>} */
  #items = new WeakMap();
  #lastGap = ""; // the text of the newest row, where it is a gap

  /**
   * @param {HTMLElement} element
   * @param {{itemRow: () => HTMLElement, gapRow: () => HTMLElement}} rows
   *   make new ones
   */
  constructor(element, rows) {
    this.element = element;
    this.rows = rows;
    /** Several feeds may be among the items. */
    this.several = false;
    /** @type {(item: import("../feed.js").Item) => string} */
    this.addressOf = () => "";
  }

  get length() {
    return this.element.children.length;
  }

  /** @returns {import("../feed.js").Item | undefined} */
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

  /** Takes away what is more than so many rows, the oldest.
   * @returns {string | undefined} the id of the oldest item that is left */
  dropOldest(most) {
    while (this.length > most) this.element.lastElementChild.remove();
    let last = this.element.lastElementChild;
    while (last && !this.#items.has(last)) last = last.previousElementSibling; // a gap has no id
    return this.#items.get(last)?.id;
  }

  /** Takes away what is more than so many rows, the newest.
   * @returns {string | undefined} the id of the newest that is left */
  dropNewest(most) {
    let first;
    while ((first = this.element.firstElementChild) && (this.length > most || !this.#items.has(first))) first.remove();
    this.#lastGap = "";
    return this.#items.get(first)?.id;
  }

  /** Hides the rows of items that do not match. */
  filter(matches) {
    for (const row of this.element.children) {
      const item = this.#items.get(row);
      row.hidden = item !== undefined && !matches(item);
    }
  }

  /** Does what changes rows above the reader's place, and keeps that. */
  inPlace(change) {
    const row = [...this.element.children].find(row => row.getBoundingClientRect().bottom > 0);
    const before = row?.getBoundingClientRect().top;
    change();
    if (row?.isConnected) scrollBy({top: row.getBoundingClientRect().top - before, behavior: "instant"});
  }

  #make(entries) {
    const rows = [];
    for (const {item, gap} of entries) {
      const row = item ? this.#itemRow(item) : this.#gapRow(gap);
      if (row) rows.unshift(row);
    }
    return rows;
  }

  #itemRow(item) {
    const row = this.rows.itemRow();
    const [link, time, feed, event] = row.querySelectorAll(".time, time, .feed, .event");
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

  #gapRow({reason, feeds}) {
    let text = `items are missing here: ${GAPS[reason] ?? reason}`;
    if (this.several && feeds?.length) text += ` (${feeds.join(", ")})`;
    // Two markers with nothing between them are one: the server tells a loss
    // again when the connection broke before the next item.
    if (text === this.#lastGap) return undefined;
    this.#lastGap = text;
    const row = this.rows.gapRow();
    row.append(make("p", "", text));
    return row;
  }
}
