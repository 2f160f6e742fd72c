// The table of feeds: how they are doing, how much they keep, and purging.

import {ask} from "./question.js";
import {pageFor} from "../shared/address.js";
import {feedPath, request} from "./request.js";
import {editRetention, retentionWords} from "./retention.js";
import {whileSeen} from "./seen.js";
import {make} from "../shared/text.js";
import {age, bytes, count, counted, timeOf} from "./units.js";

/** How often the list is fetched, in ms, and how many feeds at first and with
 * each step. */
const EVERY = 2000, STEP = 100;

/**
 * @typedef {object} Row a feed in the list of the server
 * @property {string} feed
 * @property {number} count
 * @property {number} bytes
 * @property {string} [oldest]
 * @property {string} [newest]
 * @property {number} subscribers
 * @property {number} rate
 * @property {import("./retention.js").Settings} settings
 * @property {boolean} [own]
 */

/** What rows are sorted by. @type {Record<string, (row: Row) => string | number>} */
const SORTED = {
  feed: row => row.feed,
  rate: row => row.rate,
  count: row => row.count,
  bytes: row => row.bytes,
  oldest: row => Number(row.oldest ?? Infinity),
  newest: row => Number(row.newest ?? 0),
  subscribers: row => row.subscribers,
};

export class FeedList {
  /** @type {Map<string, HTMLTableRowElement>} */
  #elements = new Map();
  /** @type {Row[]} */
  #rows = [];
  #limit = STEP;
  #more = false;
  #by = "feed";
  #down = false;

  /**
   * @param {HTMLElement} section has the table, the filter and the words
   * @param {object} to
   * @param {(text: string, how?: string) => void} to.tell
   * @param {(error: Error) => void} to.failed
   * @param {() => number | undefined} to.total how many feeds there are
   */
  constructor(section, to) {
    this.to = to;
    this.table = section.querySelector("table");
    this.body = section.querySelector("tbody");
    this.filter = section.querySelector("input");
    this.words = section.querySelector(".shown");
    this.problem = section.querySelector(".notice");
    this.moreButton = section.querySelector(".more");
    this.polling = whileSeen(section, EVERY, () => this.#fetch());

    let typed;
    this.filter.addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(() => {
        this.#limit = STEP;
        this.polling.now();
      }, 250);
    });
    this.moreButton.addEventListener("click", () => {
      this.#limit += STEP;
      this.polling.now();
    });
    this.table.tHead.addEventListener("click", ({target}) => {
      const by = target.closest("[data-sort]")?.dataset.sort;
      if (!by) return;
      // Numbers are looked at from the largest.
      this.#down = by === this.#by ? !this.#down : by !== "feed";
      this.#by = by;
      this.#show(true);
      if (this.#more) this.polling.now().then(() => this.#show(true));
    });
    this.body.addEventListener("click", ({target}) => {
      const row = this.#rows.find(({feed}) => feed === target.closest("tr").dataset.feed);
      const what = target.closest("button")?.dataset.act;
      if (what === "purge") this.#purge(row);
      if (what === "keep") this.#edit(row);
    });
  }

  /** Fetches and shows the feeds now. */
  refresh() {
    return this.polling.now();
  }

  /** What the list shows. Where there are more feeds than that, the server says
   * which of them come first, but for who reads them. */
  get #query() {
    const sort = this.#by === "subscribers" ? "feed" : `${this.#down ? "-" : ""}${this.#by}`;
    return String(new URLSearchParams({match: selectorFor(this.filter.value), sort, limit: String(this.#limit)}));
  }

  async #fetch() {
    const query = this.#query;
    let list;
    try {
      list = (await request("GET", `/feeds?${query}`)).value;
    } catch (error) {
      this.to.failed(error);
      this.#tellProblem(error.message);
      return;
    }
    if (query !== this.#query) return; // of before
    this.#tellProblem("");
    this.#rows = list.feeds;
    this.#more = list.more;
    this.#show(false);
  }

  #tellProblem(text) {
    if (this.problem.textContent !== text) this.problem.textContent = text;
    this.problem.hidden = !text;
    this.filter.setAttribute("aria-invalid", String(text !== ""));
  }

  /** @param {boolean} sort anew, also while somebody is in the table: rows that
   *   move away under a hand are the wrong ones to purge */
  #show(sort) {
    for (const th of this.table.tHead.querySelectorAll("th")) {
      const by = th.querySelector("[data-sort]")?.dataset.sort;
      if (by === this.#by) th.setAttribute("aria-sort", this.#down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const known = new Set(this.#rows.map(({feed}) => feed));
    for (const [feed, element] of this.#elements) {
      if (known.has(feed)) continue;
      element.remove();
      this.#elements.delete(feed);
    }
    const value = SORTED[this.#by];
    const direction = this.#down ? -1 : 1;
    this.#rows.sort((a, b) => direction * (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) || (a.feed < b.feed ? -1 : 1));
    const busy = !sort && this.body.matches(":hover, :focus-within");
    for (const row of this.#rows) {
      let element = this.#elements.get(row.feed);
      if (!element) {
        element = makeRow(row.feed);
        this.#elements.set(row.feed, element);
        this.body.append(element);
      }
      fill(element, row);
    }
    if (!busy) {
      const order = this.#rows.map(({feed}) => this.#elements.get(feed));
      // Who is in its place stays there, and keeps the keyboard.
      for (const [i, element] of order.entries()) {
        if (this.body.children[i] !== element) this.body.insertBefore(element, this.body.children[i] ?? null);
      }
    }
    const total = this.filter.value.trim() ? undefined : this.to.total();
    const shown = counted(this.#rows.length, "feed");
    const order = this.#by === "subscribers" ? "by name; they alone are sorted" : "in this order";
    const words = this.#more ? `The first ${shown}${total ? ` of ${count(total)}` : ""} ${order}.`
      : this.#rows.length ? `${shown}.` : this.filter.value.trim() ? "No feed has such a name." : "There are no feeds yet: a feed begins with its first item.";
    if (this.words.textContent !== words) this.words.textContent = words;
    this.moreButton.hidden = !this.#more;
  }

  /** @param {Row} row */
  async #purge(row) {
    // The question says how many there are now.
    await this.refresh();
    const {feed, count: items} = this.#rows.find(({feed}) => feed === row.feed) ?? row;
    const sure = await ask({
      title: `Purge ${feed}?`,
      text: `All ${counted(items, "item")} of ${feed} are removed for good. Its readers are told of the gap. Its settings stay.`,
      yes: `Purge ${counted(items, "item")}`,
    });
    if (!sure) return;
    try {
      const {value} = await request("DELETE", feedPath(feed));
      this.to.tell(`${counted(value.purged, "item")} of ${feed} were removed.`, "good");
    } catch (error) {
      this.to.failed(error);
      this.to.tell(`${feed} was not purged. ${error.message}.`, "bad");
    }
    this.refresh();
  }

  /** @param {Row} row */
  async #edit(row) {
    const done = await editRetention(row.feed, row.settings, row.own === true, this.to.failed);
    if (done) this.to.tell(done, "good");
    this.refresh();
  }
}

/** A plain name selects what is under it, too. */
function selectorFor(text) {
  const name = text.trim();
  if (!name) return "**";
  return /[*,]/.test(name) ? name : `${name},${name}.**`;
}

function makeRow(feed) {
  const name = make("a", "", feed);
  name.href = pageFor({selector: feed});
  name.target = "feedd-reader";
  const th = make("th", "", name);
  th.scope = "row";
  const cells = ["rate", "count", "bytes", "oldest", "newest", "subscribers"].map(column => {
    const cell = make("td", "number");
    cell.dataset.column = column;
    return cell;
  });
  const keep = button("keep", "quiet", `Change what ${feed} keeps`, "");
  const purge = button("purge", "danger", `Purge ${feed}`, "Purge…");
  const row = make("tr", "", th, ...cells, make("td", "", keep), make("td", "number", purge));
  row.dataset.feed = feed;
  return row;
}

function button(act, classes, title, text) {
  const element = make("button", classes, text);
  element.type = "button";
  element.dataset.act = act;
  element.title = title;
  return element;
}

/** @param {HTMLTableRowElement} element
 * @param {Row} row */
function fill(element, row) {
  const set = (column, text, title = "") => {
    const cell = element.querySelector(`[data-column=${column}]`);
    if (cell.textContent !== text) cell.textContent = text;
    cell.title = title;
  };
  const since = id => id ? [`${age(Date.now() - timeOf(id))} ago`, timeOf(id).toLocaleString()] : ["–"];
  set("rate", row.rate ? `${count(row.rate)}/s` : "–");
  set("count", count(row.count));
  set("bytes", bytes(row.bytes));
  set("oldest", ...since(row.oldest));
  set("newest", ...since(row.newest));
  set("subscribers", count(row.subscribers));
  const keep = element.querySelector("[data-act=keep]");
  const words = `${retentionWords(row.settings)}${row.own ? " (own)" : ""}`;
  if (keep.textContent !== words) keep.textContent = words;
}
