// The table of feeds: how they are doing, how much they keep, and purging.

import {pageFor} from "../shared/address.js";
import {around, make, makeButton, one, setText} from "../shared/dom.js";
import {feedPath, phraseOf, problemIn, request, sentenceOf} from "../shared/http.js";
import {timeOf} from "../shared/ids.js";
import {confirmed} from "./question.js";
import {editRetention, retentionWords} from "./retention.js";
import {TYPING, whileSeen} from "./seen.js";
import {age, bytes, count, counted} from "./units.js";

/** @typedef {import("../feed.js").Problem} Problem */

/** How often the list is fetched, in ms. The server counts a feed's rate over the
 * last 10 s, so a list that is 2 s old is hardly wrong. */
const EVERY = 2000;
/** How many feeds are shown at first, and how many more with each step: a few
 * screens. */
const STEP = 100;

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
   * @param {(problem: Problem) => void} to.failed is told of problems that are shown here
   * @param {() => number | undefined} to.total how many feeds there are
   */
  constructor(section, to) {
    this.to = to;
    this.head = one(section, "thead");
    this.body = one(section, "tbody");
    this.filter = one(section, "input", HTMLInputElement);
    this.words = one(section, ".shown");
    this.problem = one(section, ".notice");
    this.moreButton = one(section, ".more");
    this.polling = whileSeen(section, EVERY, () => this.#fetch());

    /** @type {ReturnType<typeof setTimeout>} */
    let typed;
    this.filter.addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(() => {
        this.#limit = STEP;
        this.polling.now();
      }, TYPING);
    });
    this.moreButton.addEventListener("click", () => {
      this.#limit += STEP;
      this.polling.now();
    });
    this.head.addEventListener("click", event => {
      const by = around(event, "[data-sort]")?.dataset.sort;
      if (!by) return;
      // Of numbers the largest come first.
      this.#down = by === this.#by ? !this.#down : by !== "feed";
      this.#by = by;
      this.#show(true);
      if (this.#more) this.polling.now().then(() => this.#show(true));
    });
    this.body.addEventListener("click", event => {
      const row = this.#rows.find(({feed}) => feed === around(event, "tr")?.dataset.feed);
      const what = around(event, "button")?.dataset.act;
      if (!row) return;
      if (what === "purge") this.#purge(row);
      if (what === "keep") this.#edit(row);
    });
  }

  /** Fetches and shows the feeds now. */
  refresh() {
    return this.polling.now();
  }

  /** What the list shows. If there are more feeds than that, the server chooses
   * those that come first; it cannot sort by subscribers. */
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
      const problem = problemIn(error);
      this.to.failed(problem);
      this.#tellProblem(phraseOf(problem));
      return;
    }
    if (query !== this.#query) return; // the answer is to an older question
    this.#tellProblem("");
    this.#rows = list.feeds;
    this.#more = list.more;
    this.#show(false);
  }

  /** @param {string} text "" for none */
  #tellProblem(text) {
    setText(this.problem, text);
    this.problem.hidden = !text;
    this.filter.setAttribute("aria-invalid", String(text !== ""));
  }

  /** @param {boolean} sort even while the pointer or the keyboard is in the
   *   table. Otherwise rows stay, so that no row that has just moved is purged by
   *   mistake */
  #show(sort) {
    for (const th of this.head.querySelectorAll("th")) {
      if (th.querySelector(`[data-sort=${this.#by}]`)) th.setAttribute("aria-sort", this.#down ? "descending" : "ascending");
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
      // A row that is in its place is not touched, so it keeps the keyboard.
      for (const [i, element] of order.entries()) {
        if (element && this.body.children[i] !== element) this.body.insertBefore(element, this.body.children[i] ?? null);
      }
    }
    setText(this.words, this.#shown());
    this.moreButton.hidden = !this.#more;
  }

  /** What is shown, in words. */
  #shown() {
    const filtered = this.filter.value.trim() !== "";
    const shown = counted(this.#rows.length, "feed");
    if (!this.#more) {
      if (this.#rows.length) return `${shown}.`;
      return filtered ? "No feed has such a name." : "There are no feeds yet: a feed begins with its first item.";
    }
    const total = filtered ? undefined : this.to.total();
    const order = this.#by === "subscribers" ? "by name; they alone are sorted" : "in this order";
    return `The first ${shown}${total ? ` of ${count(total)}` : ""} ${order}.`;
  }

  /** @param {Row} row */
  async #purge(row) {
    // The question says how many there are now.
    await this.refresh();
    const {feed, count: items} = this.#rows.find(({feed}) => feed === row.feed) ?? row;
    const sure = await confirmed({
      title: `Purge ${feed}?`,
      text: `All ${counted(items, "item")} of ${feed} are removed for good. Its readers are told of the gap. Its settings stay.`,
      yes: `Purge ${counted(items, "item")}`,
    });
    if (!sure) return;
    try {
      const {value} = await request("DELETE", feedPath(feed));
      this.to.tell(`${counted(value.purged, "item")} of ${feed} were removed.`, "good");
    } catch (error) {
      const problem = problemIn(error);
      this.to.failed(problem);
      this.to.tell(`${feed} was not purged. ${sentenceOf(problem)}`, "bad");
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

/** A plain name selects the names under it, too.
 * @param {string} text of the filter */
function selectorFor(text) {
  const name = text.trim();
  if (!name) return "**";
  return /[*,]/.test(name) ? name : `${name},${name}.**`;
}

/** @param {string} feed */
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
  const keep = makeButton("quiet", "", `Change what ${feed} keeps`);
  keep.dataset.act = "keep";
  const purge = makeButton("danger", "Purge…", `Purge ${feed}`);
  purge.dataset.act = "purge";
  const row = make("tr", "", th, ...cells, make("td", "", keep), make("td", "number", purge));
  row.dataset.feed = feed;
  return row;
}

/** @param {HTMLTableRowElement} element
 * @param {Row} row */
function fill(element, row) {
  const set = (/** @type {string} */ column, /** @type {string} */ text, title = "") => {
    const cell = one(element, `[data-column=${column}]`);
    setText(cell, text);
    cell.title = title;
  };
  const setAge = (/** @type {string} */ column, /** @type {string | undefined} */ id) => {
    if (id) set(column, `${age(Date.now() - timeOf(id).valueOf())} ago`, timeOf(id).toLocaleString());
    else set(column, "–");
  };
  set("rate", row.rate ? `${count(row.rate)}/s` : "–");
  set("count", count(row.count));
  set("bytes", bytes(row.bytes));
  setAge("oldest", row.oldest);
  setAge("newest", row.newest);
  set("subscribers", count(row.subscribers));
  setText(one(element, "[data-act=keep]"), `${retentionWords(row.settings)}${row.own ? " (own)" : ""}`);
}
