// Following a feed from a page.
//
//   import {Feed} from "/feed.js";
//   const feed = new Feed("/feeds/news", {last: 20});
//   feed.addEventListener("item", e => show(e.detail.data));
//   feed.addEventListener("gap", e => reload());
//   // or: for await (const item of feed) ...
//
// The promise: every item of the selection comes once and in order, over all
// connections, restarts of the server and changes of transport. If items are
// gone, a gap comes before the items that follow.
//
// It holds because a Feed is a position (the cursor) and nothing else. Reading
// begins behind the cursor, and the cursor moves when an item was handed on.
// Each tab has a cursor of its own. The tabs of an origin share the live
// connection, which tells them what came behind which position. A tab at
// another position asks the server for what it missed.
//
// The connection is an EventSource. If there is none, or a proxy keeps its
// events back, the Feed uses long polls, from the same cursor.

import {Connection, WITHOUT_PUSH} from "./feed-connection.js";
import {PAGE, Refusal, pause, persist, readPage, trade} from "./feed-pages.js";
import {canShare, share} from "./feed-tabs.js";

export {Refusal};

/** The names under which an address may have the id to begin behind; the first
 * that is given counts. Polyfills of EventSource have their own names for it.
 * */
const IDS = ["lastEventId", "evs_last_event_id", "lastEventID", "Last-Event-ID", "Last-Event-Id", "last-event-id", "last_event_id"];

/**
 * @typedef {object} Item an envelope, see "Read" in the HTTP interface
 * @property {string} id
 * @property {string} feed
 * @property {string} [event]
 * @property {string} time RFC 3339
 * @property {*} data a string, or whatever JSON the publisher gave
 * @property {string} line the envelope as it came: numbers in it are exact
 *
 * @typedef {object} Gap items that were selected are gone
 * @property {string} after the position behind which they were
 * @property {string} through the last of them
 * @property {string} [oldest] the first item that is there
 * @property {string} reason trimmed, purged or unknown
 * @property {string[]} feeds which feeds lost some
 *
 * @typedef {object} Problem why there is no answer (RFC 9457)
 * @property {number} [status]
 * @property {string} [type] a stable word
 * @property {string} title
 * @property {string} [detail]
 * @property {number} [line] of a batch, from 1
 * @property {number} [offset] in bytes: of the body, or of its line
 *
 * @typedef {{is: "connecting"} | {is: "live", by: "stream" | "socket" | "polling"}
 *   | {is: "waiting", until: number, reason: string, problem?: Problem}
 *   | {is: "refused", problem: Problem} | {is: "closed"}} State
 *   until is a Date.now(). reason is the server's, such as draining; "" when
 *   the connection just broke. refused and closed are the end. A Feed is live by
 *   "socket" only with a push that says so
 *
 * @typedef {object} Options
 * @property {number} [last] begin with this many of the newest items, at most
 *   1000
 * @property {string} [since] begin there: an id, a time (RFC 3339), a duration
 *   back (10m), all, or now; it outranks last
 * @property {string} [lastEventId] begin behind this id; it outranks since.
 *   The URL may say these, too, as it does for an EventSource. Without any of
 *   the three the Feed begins with what comes next
 * @property {string | string[]} [event] only items with one of these names;
 *   "message" stands for those without one
 * @property {string} [ticket] is traded for the session's cookie before
 *   anything else. If the cookie is there already, none is needed
 * @property {boolean} [share] false: a connection of its own, not the one that
 *   the tabs of this origin share
 * @property {Push} [push] is tried before anything else: a connection of its
 *   own, such as the WebSocket of feedd's chat
 *
 * @typedef {import("./feed-connection.js").Push} Push
 * @typedef {import("./feed-connection.js").PushTo} PushTo
 * @typedef {import("./feed-connection.js").End} End
 */

/**
 * A live feed, or several. Its events, all with what they are about in
 * `detail`:
 *
 * - `item`: an {@link Item}
 * - `gap`: a {@link Gap}. The same loss may be told again after a reconnect, if
 *   no item came between
 * - `state`: a {@link State}
 *
 * It is async iterable, too: it gives items, and a gap as `{gap}`; it ends when
 * the Feed is closed and throws a {@link Refusal} when the server refuses. The
 * slowest iterator sets the pace for all: when 1000 items (a page) wait for
 * one, nothing more is handed on until it has taken them or its loop was left.
 */
export class Feed extends EventTarget {
  #url;
  #options;
  #start;
  #end = new AbortController();
  /** @type {State} what the connection is */
  #state = {is: "connecting"};
  /** @type {State | undefined} why asking for what was missed does not succeed */
  #trouble;
  /** Everything selected up to here was handed on; "" for not known yet. */
  #cursor = "";
  /** It is asking the server for what it missed. */
  #behind = false;
  /** @type {import("./feed-connection.js").Batch[] | undefined} what came
   * meanwhile; undefined: more than is kept */
  #meanwhile = [];
  /** @type {Set<Queue>} */
  #queues = new Set();

  /**
   * @param {string | URL} url of the feed, or of a list or pattern of feeds
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    super();
    this.#url = new URL(url, globalThis.location?.href);
    this.#options = options;
    // An EventSource is told in its URL where to begin; so may this be.
    const query = this.#url.searchParams;
    const id = IDS.map(name => query.getAll(name).at(-1)).find(value => value);
    const {lastEventId = id, since = query.get("since"), last = query.get("last")} = options;
    this.#start = startAt(lastEventId, since, last);
    for (const name of [...IDS, "since", "last"]) query.delete(name);
    if (options.event?.length) this.#url.searchParams.set("event", [options.event].flat().join(","));
    this.#run();
  }

  /** @returns {State} */
  get state() {
    return this.#trouble ?? this.#state;
  }

  /** The position: everything up to it was handed on. A new Feed takes it as
   * lastEventId. "" until the server has told one. */
  get lastEventId() {
    return this.#cursor;
  }

  /** Ends it. There are no events after this. */
  close() {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#trouble = undefined;
    this.#state = {is: "closed"};
    for (const queue of this.#queues) queue.end();
  }

  /** @returns {AsyncIterableIterator<Item | {gap: Gap}, undefined>} */
  [Symbol.asyncIterator]() {
    const queue = new Queue(() => this.#resume(), () => {
      this.#queues.delete(queue);
      this.#resume(); // this iterator may have been the one that did not keep up
    });
    this.#queues.add(queue);
    if (this.#state.is === "closed") queue.end();
    if (this.#state.is === "refused") queue.end(new Refusal(this.#state.problem));
    return queue;
  }

  async #run() {
    const {signal} = this.#end;
    try {
      await null; // the page adds its listeners first
      if (this.#options.ticket) await trade(this.#url, this.#options.ticket, signal);
      await this.#begin();
      // A listener of the first page's items may have closed the Feed.
      if (!signal.aborted) await this.#live();
    } catch (err) {
      this.#fail(err);
    }
  }

  /** Ends it with a refusal; any other error is one of this file.
   * @param {unknown} err */
  #fail(err) {
    if (this.#end.signal.aborted) return;
    if (!(err instanceof Refusal)) {
      this.#fail(new Refusal({title: "The feed's script failed", detail: String(err)}));
      throw err;
    }
    this.#trouble = undefined;
    this.#show({is: "refused", problem: err.problem});
    this.#end.abort();
    for (const queue of this.#queues) queue.end(err);
  }

  /** @param {State} state of the connection */
  #show(state) {
    this.#showState(() => this.#state = state);
  }

  /** @param {State} [trouble] undefined: there is none any more */
  #showTrouble(trouble) {
    this.#showState(() => this.#trouble = trouble);
  }

  /** After the end nothing changes the state any more.
   * @param {() => void} change */
  #showState(change) {
    if (this.#end.signal.aborted) return;
    change();
    this.dispatchEvent(new CustomEvent("state", {detail: this.state}));
  }

  /** Takes what comes, until the end. */
  async #live() {
    const {signal} = this.#end;
    const {push} = this.#options;
    while (push && !signal.aborted) {
      await this.#connect(signal, push); // until it is clear that it does not come through
      if (signal.aborted) return;
      const without = new AbortController();
      this.#follow(AbortSignal.any([signal, without.signal])).catch(err => this.#fail(err));
      await pause(WITHOUT_PUSH, signal); // or until another network, perhaps, is there
      without.abort();
    }
    if (!push) await this.#follow(signal);
  }

  /** Takes what the shared connection brings, or one of its own.
   * @param {AbortSignal} signal
   * @returns {Promise<void>} */
  #follow(signal) {
    if (this.#options.share === false || !canShare) return this.#connect(signal);
    const feed = this;
    return share(this.#url, {
      get cursor() { return feed.#cursor; },
      take: batch => this.#take(batch),
      show: state => this.#show(state),
      ask: () => this.#resume(),
    }, signal);
  }

  /** @param {AbortSignal} signal
   * @param {Push} [push] */
  #connect(signal, push) {
    return new Connection(this.#url, this.#cursor, signal, batch => this.#take(batch), state => this.#show(state), push).run();
  }

  // The reader: what is handed on, and the cursor.

  /** Reads what there is from the start on. */
  async #begin() {
    this.#behind = true;
    const page = await this.#page(this.#start);
    this.#hand(page);
    this.#behind = false;
    if (page.more) await this.#catchUp();
  }

  /** Asks the server for what comes behind the cursor, up to what is there.
   * @returns {Promise<void>} */
  async #catchUp() {
    if (this.#behind || this.#full() || this.#end.signal.aborted) return;
    this.#behind = true;
    try {
      let more;
      do {
        this.#meanwhile = [];
        const page = await this.#page({last_event_id: this.#cursor});
        this.#hand(page);
        more = page.more || !this.#meanwhile;
      } while (more && !this.#full());
    } finally {
      this.#behind = false;
    }
    const meanwhile = this.#meanwhile ?? [];
    this.#meanwhile = [];
    for (const batch of meanwhile) this.#take(batch);
  }

  /** Catches up, if there is something to catch up with. */
  #resume() {
    if (this.#cursor) this.#catchUp().catch(err => this.#fail(err));
  }

  /** Takes what the connection brought, as far as it follows on the cursor.
   * @param {import("./feed-connection.js").Batch} batch */
  #take(batch) {
    if (this.#end.signal.aborted) return;
    if (this.#behind) {
      if (this.#meanwhile && this.#meanwhile.push(batch) > PAGE) this.#meanwhile = undefined;
      return;
    }
    if (this.#full()) return; // it will ask when there is room
    // What is lost depends on the reader's own position, so each reader asks
    // for itself.
    if (batch.gap || Number(batch.after) > Number(this.#cursor)) {
      this.#resume();
      return;
    }
    const items = batch.items.filter(item => Number(item.id) > Number(this.#cursor));
    if (Number(batch.cursor) > Number(this.#cursor)) this.#hand({...batch, items});
  }

  /** Hands on a page or batch that begins at the cursor.
   * @param {{items: Item[], cursor: string, gap?: Gap}} batch */
  #hand({items, gap, cursor}) {
    const {signal} = this.#end;
    if (gap) this.#tell("gap", gap, {gap});
    for (const item of items) {
      if (signal.aborted) return;
      this.#cursor = item.id;
      this.#tell("item", item, item);
    }
    if (!signal.aborted) this.#cursor = cursor;
  }

  /** @param {"item" | "gap"} type
   * @param {Item | Gap} detail
   * @param {Item | {gap: Gap}} value of an iterator */
  #tell(type, detail, value) {
    if (this.#end.signal.aborted) return;
    for (const queue of this.#queues) queue.push(value);
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  /** Whether an iterator does not keep up. */
  #full() {
    for (const queue of this.#queues) {
      if (queue.length >= PAGE) return true;
    }
    return false;
  }

  /** Reads a page, however often that has to be tried.
   * @param {Record<string, string>} start */
  async #page(start) {
    const {signal} = this.#end;
    const page = await persist(() => readPage(this.#url, {...start, limit: String(PAGE)}, signal), signal, ({reason, problem}, wait) => {
      this.#showTrouble({is: "waiting", until: Date.now() + wait, reason, problem});
    });
    if (this.#trouble) this.#showTrouble();
    return page;
  }
}

/** @typedef {string | number | null | undefined} Given an option, or a parameter
 * of the URL. 0 is one, "" is none */

/**
 * The parameters of a page that begins where a Feed begins: by the first option
 * that is given.
 *
 * @param {Given} lastEventId
 * @param {Given} since
 * @param {Given} last
 * @returns {Record<string, string>}
 */
function startAt(lastEventId, since, last) {
  /** @param {Given} value */
  const given = value => value !== undefined && value !== null && value !== "";
  if (given(lastEventId)) return {last_event_id: String(lastEventId)};
  if (given(since)) return {since: String(since)};
  if (given(last)) return {last: String(Number(last) > PAGE ? PAGE : last)};
  return {since: "now"};
}

/** What an iterator has not given yet. */
class Queue {
  /** @type {(Item | {gap: Gap})[]} */
  #values = [];
  /** @type {{resolve: (result: IteratorResult<Item | {gap: Gap}, undefined>) => void, reject: (err: Refusal) => void}[]}
   * asked for while there was nothing */
  #waiting = [];
  #over = false;
  /** @type {Refusal | undefined} */
  #error;
  #stalled = false; // it was full, and is not empty yet
  #onDrained;
  #onLeft;

  /**
   * @param {() => void} onDrained is called when it was full, and is empty
   * @param {() => void} onLeft is called when its loop was left
   */
  constructor(onDrained, onLeft) {
    this.#onDrained = onDrained;
    this.#onLeft = onLeft;
  }

  get length() {
    return this.#values.length;
  }

  /** @param {Item | {gap: Gap}} value */
  push(value) {
    if (this.#over) return;
    const next = this.#waiting.shift();
    if (next) next.resolve({value, done: false});
    else this.#values.push(value);
    if (this.length >= PAGE) this.#stalled = true;
  }

  /** @param {Refusal} [error] */
  end(error) {
    this.#over = true;
    this.#error = error;
    for (const {resolve, reject} of this.#waiting.splice(0)) {
      if (error) reject(error);
      else resolve({value: undefined, done: true});
    }
  }

  /** @returns {Promise<IteratorResult<Item | {gap: Gap}, undefined>>} */
  async next() {
    const value = this.#values.shift();
    if (value) {
      if (!this.length && this.#stalled) {
        this.#stalled = false;
        this.#onDrained();
      }
      return {value, done: false};
    }
    if (this.#error) throw this.#error;
    if (this.#over) return {value: undefined, done: true};
    return new Promise((resolve, reject) => this.#waiting.push({resolve, reject}));
  }

  /** @returns {Promise<IteratorReturnResult<undefined>>} */
  async return() {
    this.#values = [];
    this.end();
    this.#onLeft();
    return {value: undefined, done: true};
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
