// Which items are on the page: one stretch of the feed, without holes.
//
// It is attached when its upper end is the newest item: then new items go on top.
// While the reader holds it (paused, scrolled down, in an item) new items are only
// counted; they are asked for by id when the reader lets go. So memory is bounded,
// however long that takes.

import {readPage} from "../feed-pages.js";
import {feedAt} from "../shared/address.js";
import {problemIn, wordsOf} from "../shared/http.js";
import {above, isId} from "../shared/ids.js";
import {Waiting} from "./waiting.js";

/** @typedef {import("../feed.js").Item} Item
 * @typedef {import("./list.js").Entry} Entry */

/** How many rows are kept at most: more would make each change of the list slow. */
const ROWS = 500;
/** How many items a page of older or newer ones has: some four screens. */
export const STEP = 50;
/** How many items are looked through at once if few may match: a page of these
 * is still quick, and few requests are needed. */
const SEARCH = 500;
/** How many rows are made for a frame at least and, if many wait, at most; and
 * for how long more than the least may be made, in ms: half of a frame. */
const LEAST = 10, MOST = 30, FRAME = 8;

/** Whether a page that has everything up to a position has an entry: an item,
 * or the loss of some. A store that does not know a position may have begun its
 * ids anew, so they say nothing.
 * @param {Entry} entry
 * @param {string} position */
const known = ({item, gap}, position) => {
  const id = item ? item.id : gap.reason === "unknown" ? "" : gap.through;
  return position !== "" && isId(id) && !above(id, position);
};

export class Stretch {
  attached = true;
  /** There are items above it that were never counted. */
  apart = false;
  /** There is nothing older at the server. */
  ended = false;
  /** The items that match, came, and are not in it. */
  waiting = new Waiting();
  /** How many are still to be put on the page. */
  get behind() {
    return this.#pending.length;
  }
  /** Some items that did not match were passed over. */
  passed = false;
  /** How far back was looked: an id. */
  bottom = "";
  /** Why newer or older items could not be read, in words, until they can.
   * @type {{newer?: string, older?: string}} */
  trouble = {};

  #top = ""; // everything that matches up to here is in it
  /** @type {Entry[]} came, and not on the page yet */
  #pending = [];
  /** @type {Entry[] | undefined} came while newer ones are asked for */
  #meanwhile;
  #tooMany = false; // more came meanwhile than are kept
  #stale = true; // the rows are those of before begin()
  #asked = false; // for a frame
  #keepPlace = false; // the reader's, in spite of being at the top
  #looking = false; // for older ones
  #life = new AbortController();

  /**
   * @param {import("./list.js").List} list
   * @param {object} page
   * @param {() => boolean} page.held new items are only counted
   * @param {() => boolean} page.scrolled the newest row is above the window
   * @param {() => boolean} page.followed the connection brings all new items
   * @param {(item: Item) => boolean} page.matches
   * @param {() => void} page.changed is called when something of this has changed
   */
  constructor(list, page) {
    this.list = list;
    this.page = page;
    /** @type {import("../shared/address.js").Address} */
    this.address = {selector: "", events: "", at: ""};
  }

  /** Begins anew. What is on the page stays until something comes.
   * @param {import("../shared/address.js").Address} address */
  begin(address) {
    this.#life.abort();
    this.#life = new AbortController();
    this.address = address;
    this.attached = true;
    this.apart = this.ended = this.passed = false;
    this.bottom = this.#top = "";
    this.trouble = {};
    this.waiting.clear();
    this.#pending = [];
    this.#meanwhile = undefined;
    this.#stale = true;
    this.#looking = this.#keepPlace = false;
  }

  /** Takes away the rows of before begin(). */
  fresh() {
    if (!this.#stale) return;
    this.#stale = false;
    this.list.clear();
  }

  /** What the connection brought.
   * @param {Entry} entry */
  came(entry) {
    const {item} = entry;
    if (known(entry, this.#top)) return;
    // The first items are shown in any case.
    if (this.attached && (this.#stale || !this.page.held())) {
      this.#take(entry);
    } else {
      this.attached = false;
      if (item) this.waiting.came(item, this.page.matches);
      if (this.#meanwhile && this.#meanwhile.push(entry) > ROWS) {
        this.#meanwhile = [];
        this.#tooMany = true;
      }
    }
    this.page.changed();
  }

  /** Puts it on the page with the next frame.
   * @param {Entry} entry */
  #take(entry) {
    if (entry.item) {
      this.#top = entry.item.id;
      this.bottom ||= entry.item.id;
      if (!this.page.matches(entry.item)) {
        this.passed = true;
        return;
      }
    }
    if (this.#pending.push(entry) > 2 * ROWS) {
      // A page in the background gets no frames. The list will have no more rows
      // than are left here.
      this.#pending = this.#pending.slice(-ROWS);
      this.bottom = this.#pending.find(({item}) => item)?.item?.id ?? this.bottom;
      this.ended = false;
      this.#stale = true;
    }
    this.#ask();
  }

  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => this.#render());
  }

  #render() {
    this.#asked = false;
    if (!this.#pending.length) return;
    this.fresh();
    const add = () => {
      const end = performance.now() + FRAME;
      const least = Math.min(Math.max(LEAST, this.#pending.length >> 4), MOST);
      for (let made = 0; this.#pending.length && (made < least || made < MOST && performance.now() < end); made += LEAST) {
        this.list.addNewer(this.#pending.splice(0, LEAST));
      }
      if (this.list.length > ROWS) this.#dropOldest();
    };
    if (this.#keepPlace || this.page.scrolled()) this.list.inPlace(add);
    else add();
    if (this.#pending.length) this.#ask();
    else this.#keepPlace = false;
    this.page.changed();
  }

  /** Hides and shows rows anew, because something else matches now. */
  filter() {
    const matching = this.#pending.filter(({item}) => !item || this.page.matches(item));
    this.passed ||= matching.length < this.#pending.length;
    this.#pending = matching;
    this.list.filter(this.page.matches);
  }

  /** Counts anew what waits, because something else matches now. */
  async recount() {
    const {signal} = this.#life;
    await this.waiting.recount(this.address, () => this.#top, this.page.matches, signal);
    if (!signal.aborted) this.page.changed();
  }

  /** Goes on upwards, as far as one page goes. When that is all, the stretch is
   * attached.
   * @param {{limit?: number, keepPlace?: boolean}} [how] keepPlace: while there
   *   is more, the window stays at its row
   * @returns {Promise<boolean>} whether it is attached */
  async newer({limit = STEP, keepPlace = true} = {}) {
    if (this.attached) return true;
    if (this.#meanwhile || this.#stale || this.#pending.length) return false;
    const {signal} = this.#life;
    const top = this.#top;
    const followed = this.page.followed(); // else there may be more before that begins
    this.#meanwhile = [];
    this.#tooMany = false;
    try {
      const page = await readPage(feedAt(this.address), {last_event_id: top, limit: String(limit)}, signal);
      this.trouble.newer = "";
      if (top !== this.#top) return false; // rows were dropped meanwhile
      this.#keepPlace = keepPlace && page.more;
      if (page.gap) this.#take({gap: page.gap});
      for (const item of page.items) {
        if (this.page.matches(item)) this.waiting.shown(item);
        this.#take({item});
      }
      this.#top = page.cursor;
      const rest = this.#meanwhile;
      if (page.more || this.#tooMany || !followed) return false;
      for (const entry of rest) {
        if (!known(entry, page.cursor)) this.#take(entry);
      }
      this.attached = true;
      this.apart = false;
      this.waiting.clear();
      return true;
    } catch (err) {
      if (!signal.aborted) this.trouble.newer = `Newer items cannot be read: ${wordsOf(problemIn(err))}.`;
      return false;
    } finally {
      if (!signal.aborted) {
        this.#meanwhile = undefined;
        this.page.changed();
      }
    }
  }

  /** Goes on downwards by a page.
   * @param {boolean} search more at once: few of them may match */
  async older(search) {
    if (this.#looking || this.ended || this.#stale || !isId(this.bottom)) return;
    const {signal} = this.#life;
    const {bottom} = this;
    this.#looking = true;
    try {
      const page = await readPage(feedAt(this.address), {before: bottom, limit: String(search ? SEARCH : STEP)}, signal);
      this.trouble.older = "";
      if (bottom !== this.bottom) return; // rows were dropped meanwhile
      const items = page.items.filter(({id}) => above(bottom, id));
      this.bottom = items[0]?.id ?? bottom;
      this.ended = !page.more;
      const matching = items.filter(this.page.matches);
      this.passed ||= matching.length < items.length;
      this.list.addOlder(matching.map(item => ({item})));
      if (this.list.length <= ROWS) return;
      // Otherwise newer rows filled the list meanwhile, and the older ones that
      // were just read are too many.
      if (search || this.page.scrolled()) this.list.inPlace(() => this.#dropNewest());
      else this.#dropOldest();
    } catch (err) {
      if (!signal.aborted) this.trouble.older = `Older items cannot be read: ${wordsOf(problemIn(err))}.`;
    } finally {
      if (!signal.aborted) {
        this.#looking = false;
        this.page.changed();
      }
    }
  }

  #dropOldest() {
    this.bottom = this.list.dropOldest(ROWS) ?? this.bottom;
    this.ended = false;
  }

  #dropNewest() {
    this.attached = false;
    this.apart = true;
    this.#top = this.list.dropNewest(ROWS) ?? this.#top;
    this.waiting.count += this.#pending.filter(({item}) => item).length;
    this.#pending = [];
  }

  /**
   * Reads the items around a place, instead of the newest.
   *
   * @param {string} at an id, or a time as RFC 3339
   * @returns {Promise<string | undefined>} the position at its upper end
   * @throws see problemIn
   */
  async around(at) {
    const {signal} = this.#life;
    const limit = String(STEP / 2);
    /** @param {Record<string, string>} params */
    const read = params => readPage(feedAt(this.address), {...params, limit}, signal);
    let older, newer;
    if (/^\d+$/.test(at)) {
      // People can write any id, but the server knows places of items only. So
      // newer items are read from the newest item that is not above the id.
      older = await read({before: String(BigInt(at) + 1n)});
      const last = older.items.at(-1)?.id;
      newer = await read(last ? {last_event_id: last} : {since: "all"});
    } else {
      newer = await read({since: at});
      // With none newer (the time may be in the future), all up to the cursor.
      older = await read({before: newer.items[0]?.id ?? String(Number(newer.cursor) + 1)});
    }
    this.fresh();
    /** @type {Entry[]} */
    const entries = older.items.map(item => ({item}));
    if (newer.gap) entries.push({gap: newer.gap});
    entries.push(...newer.items.map(item => ({item})));
    const matching = entries.filter(({item}) => !item || this.page.matches(item));
    this.passed = matching.length < entries.length;
    this.list.addNewer(matching);
    this.#top = newer.cursor;
    this.bottom = older.items[0]?.id ?? newer.items[0]?.id ?? "";
    this.ended = !older.more;
    this.attached = !newer.more;
    this.apart = newer.more;
    this.page.changed();
    return this.attached ? this.#top : undefined;
  }
}
