// Which items are on the page: one stretch of the feed, without holes.
//
// It is attached when its upper end is the newest item: then what comes goes on
// top. While the reader holds it (paused, scrolled down, in an item) what comes
// is only counted; it is asked for by id when the reader lets go. So memory is
// bounded, however long that takes.

import {readPage} from "./pages.js";

/** How many rows are kept at most. */
const ROWS = 500;
/** How many items a page of older or newer ones has. */
export const PAGE = 50;
/** How many items are looked through at once where few may match. */
const SEARCH = 500;
/** How many pages, of so many items, are counted anew at most. */
const COUNTED = 10, COUNT = 1000;
/** How many rows are made for a frame at least and, where many wait, at most,
 * and how long more than the least may be made, in ms. */
const LEAST = 10, MOST = 30, FRAME = 8;

/** Ids are integers below 2^53. */
const above = (id, other) => Number(id) > Number(other);
/** That of an item, so that a page of others before and behind can be asked for. */
const isId = text => /^\d{1,16}$/.test(text);
/** Whether who has all up to a position has this too: an item, or the loss of
 * some. Where a store does not know a position, its ids may be others. */
const known = ({item, gap}, position) => {
  const id = item?.id ?? (gap.reason === "unknown" ? "" : gap.through);
  return position !== "" && isId(id) && !above(id, position);
};

export class Stretch {
  attached = true;
  /** There are items above it that were not counted. */
  apart = false;
  /** There is nothing older at the server. */
  ended = false;
  /** How many matching items came and are not in it. */
  waiting = 0;
  /** There may be more of them. */
  least = false;
  /** How many are still to be put on the page. */
  get behind() {
    return this.#pending.length;
  }
  /** Some that did not match were passed over. */
  passed = false;
  /** How far back was looked: an id. */
  bottom = "";
  /** Why newer or older items could not be read, in words, until they can.
   * @type {{newer?: string, older?: string}} */
  trouble = {};

  #top = ""; // everything that matches up to here is in it
  /** @type {import("../feed.js").Item | undefined} the first that was only counted */
  #first;
  #counted = ""; // up to here it was counted anew
  /** @type {string[] | undefined} what matches and came while that is done: ids */
  #late;
  /** @type {import("./list.js").Entry[]} came, and not on the page yet */
  #pending = [];
  /** @type {import("./list.js").Entry[] | undefined} came while newer ones were asked for */
  #meanwhile;
  #tooMany = false; // more came meanwhile than are kept
  #stale = true; // the rows are those of before begin()
  #asked = false; // for a frame
  #keepPlace = false; // in spite of being at the top
  #looking; // for older ones
  #life = new AbortController();

  /**
   * @param {import("./list.js").List} list
   * @param {{held: () => boolean, scrolled: () => boolean, followed: () => boolean, matches: (item) => boolean, changed: () => void}} page
   *   followed: the connection brings what comes from now on
   */
  constructor(list, page) {
    this.list = list;
    this.page = page;
  }

  /** Begins anew. What is on the page stays until something comes.
   * @param {import("../shared/address.js").Address} address */
  begin(address) {
    this.#life.abort();
    this.#life = new AbortController();
    Object.assign(this, {address, attached: true, apart: false, ended: false, waiting: 0, least: false, passed: false, bottom: "", trouble: {}});
    this.#top = this.#counted = "";
    this.#pending = [];
    this.#meanwhile = this.#looking = this.#first = this.#late = undefined;
    this.#stale = true;
    this.#keepPlace = false;
  }

  /** Takes away the rows of before begin(). */
  fresh() {
    if (!this.#stale) return;
    this.#stale = false;
    this.list.clear();
  }

  /** What the connection brought.
   * @param {import("./list.js").Entry} entry */
  came(entry) {
    const {item} = entry;
    if (known(entry, this.#top)) return;
    // What it begins with is shown in any case.
    if (this.attached && (this.#stale || !this.page.held())) {
      this.#take(entry);
    } else {
      this.attached = false;
      this.#first ??= item;
      if (item && above(item.id, this.#counted) && this.page.matches(item)) {
        this.waiting++;
        this.#late?.push(item.id);
      }
      if (this.#meanwhile && this.#meanwhile.push(entry) > ROWS) {
        this.#meanwhile = [];
        this.#tooMany = true;
      }
    }
    this.page.changed();
  }

  /** Puts it on the page with the next frame. */
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
      // A page in the background gets no frames. What is left is all that the
      // page would have at the end.
      this.#pending = this.#pending.slice(-ROWS);
      this.bottom = this.#pending.find(({item}) => item)?.item.id ?? this.bottom;
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

  /** Looks again at what is here, since something else matches now. */
  filter() {
    const matching = this.#pending.filter(({item}) => !item || this.page.matches(item));
    this.passed ||= matching.length < this.#pending.length;
    this.#pending = matching;
    this.list.filter(this.page.matches);
  }

  /** Counts anew what waits, since something else matches now. */
  async recount() {
    const first = this.#first;
    if (!first) return;
    const {signal} = this.#life;
    const top = this.#top;
    const late = this.#late = [];
    const begins = above(first.id, top);
    let waiting = begins && this.page.matches(first) ? 1 : 0;
    let page = {cursor: begins ? first.id : top, more: true};
    try {
      for (let pages = 0; page.more && pages < COUNTED; pages++) {
        page = await readPage(this.address, {last_event_id: page.cursor, limit: String(COUNT)}, signal);
        if (late !== this.#late) return; // something else matches again
        waiting += page.items.filter(this.page.matches).length;
      }
    } catch {
      if (late === this.#late) this.#late = undefined;
      return; // the state of the connection says why
    }
    this.#late = undefined;
    if (top !== this.#top) {
      this.recount();
      return;
    }
    this.waiting = waiting + late.filter(id => above(id, page.cursor)).length;
    this.least = page.more;
    this.#counted = page.cursor;
    this.page.changed();
  }

  /** Goes on upwards, as far as one page goes. When that is all, the stretch is
   * attached.
   * @param {{limit?: number, keepPlace?: boolean}} [how] keepPlace: while there
   *   is more, the reader stays at the row where he is
   * @returns {Promise<boolean>} whether it is */
  async newer({limit = PAGE, keepPlace = true} = {}) {
    if (this.attached) return true;
    if (this.#meanwhile || this.#stale || this.#pending.length) return false;
    const {signal} = this.#life;
    const top = this.#top;
    const followed = this.page.followed(); // else there may be more before that begins
    this.#meanwhile = [];
    this.#tooMany = false;
    try {
      const page = await readPage(this.address, {last_event_id: top, limit: String(limit)}, signal);
      this.trouble.newer = "";
      if (top !== this.#top) return false; // rows were dropped meanwhile
      this.#keepPlace = keepPlace && page.more;
      if (page.gap) this.#take({gap: page.gap});
      for (const item of page.items) {
        // Apart from the newest, there are some that were never counted.
        if (this.waiting > 0 && this.#first && !above(this.#first.id, item.id) && this.page.matches(item)) this.waiting--;
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
      this.waiting = 0;
      this.least = false;
      this.#first = undefined;
      return true;
    } catch (err) {
      if (!signal.aborted) this.trouble.newer = `Newer items cannot be read: ${err.message}.`;
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
      const page = await readPage(this.address, {before: bottom, limit: String(search ? SEARCH : PAGE)}, signal);
      this.trouble.older = "";
      if (bottom !== this.bottom) return; // rows were dropped meanwhile
      const items = page.items.filter(({id}) => above(bottom, id));
      this.bottom = items[0]?.id ?? bottom;
      this.ended = !page.more;
      const matching = items.filter(this.page.matches);
      this.passed ||= matching.length < items.length;
      this.list.addOlder(matching.map(item => ({item})));
      if (this.list.length <= ROWS) return;
      // At the newest the list filled up meanwhile: these are what is too much.
      if (search || this.page.scrolled()) this.list.inPlace(() => this.#dropNewest());
      else this.#dropOldest();
    } catch (err) {
      if (!signal.aborted) this.trouble.older = `Older items cannot be read: ${err.message}.`;
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
    this.waiting += this.#pending.filter(({item}) => item).length;
    this.#pending = [];
  }

  /**
   * Reads the items around a place, instead of the newest.
   *
   * @param {string} at an id, or a time as RFC 3339
   * @returns {Promise<string | undefined>} the position at its upper end
   * @throws {Error} with a message for people
   */
  async around(at) {
    const {signal} = this.#life;
    const limit = String(PAGE / 2);
    const read = params => readPage(this.address, {...params, limit}, signal);
    let older, newer;
    if (/^\d+$/.test(at)) {
      // Anybody can write an id. What is behind it is read from an item that
      // there is, since the server knows no place for another.
      older = await read({before: String(BigInt(at) + 1n)});
      const last = older.items.at(-1)?.id;
      newer = await read(last ? {last_event_id: last} : {since: "all"});
    } else {
      newer = await read({since: at});
      // None newer, though the time may be one to come: all up to the cursor.
      older = await read({before: newer.items[0]?.id ?? String(Number(newer.cursor) + 1)});
    }
    this.fresh();
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
