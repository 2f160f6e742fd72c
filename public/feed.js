// Following a feed from a page.
//
//   import {Feed} from "/feed.js";
//   const feed = new Feed("/feeds/news", {last: 20});
//   feed.addEventListener("item", e => show(e.detail.data));
//   feed.addEventListener("gap", e => reload());
//   // or: for await (const item of feed) ...
//
// What is promised: every item of the selection comes once and in order, over
// all connections, restarts of the server and changes of transport; and where
// items are gone, a gap comes before those that follow.
//
// It holds because a Feed is a position (the cursor) and nothing else. What is
// read begins behind the cursor, and the cursor moves when an item was handed
// on. That is so for each tab on its own. The live connection, which the tabs
// of an origin share, tells them what came behind which position; a tab that
// does not stand there asks the server for what it missed.
//
// The connection is an EventSource. Where there is none, or a proxy keeps its
// events back, it is a long poll, from the same cursor.

/** An EventSource that said nothing for so long is behind a proxy that keeps
 * its events back, in ms. */
const OPENING = 5_000;
/** Without a sign of life for so long a connection counts as dead, in ms. A
 * server with the default settings gives one each 15 s. */
const IDLE = 35_000;
/** The most that IDLE is stretched to, in ms: a server may be set to give signs
 * of life every 10 min. */
const LONGEST_IDLE = 1_500_000;
/** How long a poll waits at the server, in s, and for its answer, in ms. */
const POLL = 25, POLL_ANSWER = 40_000;
/** After so long by polling an EventSource is tried again, in ms. */
const POLLING = 600_000;
/** The bounds of the waits between attempts, in ms. */
const FIRST_WAIT = 1_000, LONGEST_WAIT = 30_000;
/** The longest that a server's Retry-After is followed, in ms. */
const LONGEST_RETRY_AFTER = 300_000;
/** How long the tab that has the connection may take to answer, in ms. */
const ANSWER = 5_000;
/** How many items a page has, and an iterator or a tab that asks for what it
 * missed holds at most, about. */
const PAGE = 1000;
/** Tabs that speak in another way do not hear each other. */
const PROTOCOL = 1;

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
 *
 * @typedef {{is: "connecting"} | {is: "live", by: "stream" | "polling"}
 *   | {is: "waiting", until: number, reason: string, problem?: Problem}
 *   | {is: "refused", problem: Problem} | {is: "closed"}} State
 *   until is a Date.now(). reason is the server's, such as draining; "" when
 *   the connection just broke. refused and closed are the end.
 *
 * @typedef {object} Options
 * @property {number} [last] begin with so many of the newest items, at most 1000
 * @property {string} [since] begin there: an id, a time (RFC 3339), a duration
 *   back (10m), all, or now; it outranks last
 * @property {string} [lastEventId] begin behind this id; it outranks since.
 *   Without any of the three the Feed begins with what comes next
 * @property {string | string[]} [event] only items with one of these names;
 *   "message" stands for those without one
 * @property {string} [ticket] is traded for the session's cookie before
 *   anything else. Where a cookie is there already, none is needed
 * @property {boolean} [share] false: a connection of its own, not the one that
 *   the tabs of this origin share
 *
 * @typedef {object} Batch what came behind the position after, up to cursor
 * @property {string} after
 * @property {string} cursor
 * @property {Item[]} items
 * @property {Gap} [gap] it came before the items
 */

/**
 * A live feed, or several. Its events, all with what they are about in
 * `detail`:
 *
 * - `item`: an {@link Item}
 * - `gap`: a {@link Gap}. The same loss may be told again after a reconnect, as
 *   long as no item came between
 * - `state`: a {@link State}
 *
 * It is async iterable, too: it gives items, and a gap as `{gap}`; it ends when
 * the Feed is closed and throws a {@link Refusal} when the server refuses.
 */
export class Feed extends EventTarget {
  #url;
  #options;
  #end = new AbortController();
  /** @type {State} what the connection is */
  #state = {is: "connecting"};
  /** @type {State | undefined} asking for what was missed does not succeed */
  #trouble;
  /** Everything selected up to here was handed on; "" for not known yet. */
  #cursor = "";
  /** It is asking the server for what it missed. */
  #behind = false;
  /** @type {Batch[] | undefined} what came meanwhile; undefined: more than is
   * kept */
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

  /** @returns {AsyncIterator<Item | {gap: Gap}>} */
  [Symbol.asyncIterator]() {
    const queue = new Queue(() => this.#catchUp(), () => this.#queues.delete(queue));
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
      if (this.#options.share !== false && globalThis.BroadcastChannel && globalThis.navigator?.locks) {
        this.#share();
      } else {
        await this.#lead(signal, () => {});
      }
    } catch (err) {
      this.#fail(err);
    }
  }

  /** Ends it with a refusal; any other error is one of this file. */
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
    this.#state = state;
    this.#showState();
  }

  /** @param {State} [trouble] undefined: there is none any more */
  #showTrouble(trouble) {
    this.#trouble = trouble;
    this.#showState();
  }

  #showState() {
    if (this.#end.signal.aborted) return;
    this.dispatchEvent(new CustomEvent("state", {detail: this.state}));
  }

  // The reader: what is handed on, and the cursor.

  /** Reads what there is from the start on. */
  async #begin() {
    const {lastEventId, since, last} = this.#options;
    const start = lastEventId ? {last_event_id: lastEventId}
      : since ? {since}
      : last > 0 ? {last: String(Math.min(last, PAGE))}
      : {since: "now"};
    this.#behind = true;
    const page = await this.#page(start);
    this.#hand(page);
    this.#behind = false;
    if (page.more) await this.#catchUp();
  }

  /** Asks the server for what comes behind the cursor, up to what is there.
   * @returns {Promise<void>} */
  async #catchUp() {
    if (this.#behind || this.#full()) return;
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

  /** Takes what the connection brought, as far as it follows on the cursor.
   * @param {Batch} batch */
  #take(batch) {
    if (this.#behind) {
      if (this.#meanwhile && this.#meanwhile.push(batch) > PAGE) this.#meanwhile = undefined;
      return;
    }
    if (this.#full()) return; // it will ask when there is room
    // What is lost depends on where a reader stands, so each asks for itself.
    if (batch.gap || Number(batch.after) > Number(this.#cursor)) {
      this.#catchUp().catch(err => this.#fail(err));
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

  #tell(type, detail, value) {
    if (this.#end.signal.aborted) return;
    for (const queue of this.#queues) queue.push(value);
    this.dispatchEvent(new CustomEvent(type, {detail}));
  }

  /** Whether somebody who iterates does not keep up. */
  #full() {
    for (const queue of this.#queues) {
      if (queue.length >= PAGE) return true;
    }
    return false;
  }

  /** Reads a page, however often that has to be tried. */
  async #page(start) {
    const {signal} = this.#end;
    for (let failures = 0; ; failures++) {
      try {
        const page = await readPage(this.#url, {...start, limit: String(PAGE)}, signal);
        if (this.#trouble) this.#showTrouble();
        return page;
      } catch (err) {
        if (!(err instanceof Failure)) throw err;
        const wait = err.retry ?? spread(Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT));
        this.#showTrouble({is: "waiting", until: Date.now() + wait, reason: err.reason, problem: err.problem});
        await pause(wait, signal);
      }
    }
  }

  // The connection that the tabs of an origin share: the tab that holds the
  // lock leads, and tells the others what comes.

  /** Leads, or hears what the tab that leads tells, until the end. */
  #share() {
    const {signal} = this.#end;
    const name = `feedd ${PROTOCOL} ${this.#url.href}`;
    const channel = new BroadcastChannel(name);
    const tell = message => signal.aborted || channel.postMessage(message);
    let leading = false;
    let patience;

    // The tab that leads may have been put to sleep, with its lock. So who
    // hears nothing asks, and who gets no answer takes the lock away.
    const expect = () => {
      clearTimeout(patience);
      if (!signal.aborted && !leading) patience = setTimeout(inquire, IDLE);
    };
    const inquire = () => {
      tell({ask: true});
      clearTimeout(patience);
      patience = setTimeout(() => follow({steal: true}), spread(ANSWER));
    };
    const wake = () => document.visibilityState === "visible" && !leading && inquire();

    channel.onmessage = ({data: {ask, state, cursor, batch}}) => {
      if (leading) {
        if (ask) tell({state: this.#state, cursor: this.#cursor});
        return;
      }
      if (ask) return;
      expect();
      if (batch) this.#take(batch);
      if (!state) return;
      this.#show(state);
      if (cursor !== this.#cursor) this.#catchUp().catch(err => this.#fail(err));
    };

    let current = new AbortController();
    /** @param {LockOptions} options */
    const hold = async options => {
      current.abort();
      const mine = current = new AbortController();
      signal.addEventListener("abort", () => mine.abort(), {signal: mine.signal});
      try {
        // A request for a lock is given up by its signal, but none that steals.
        await navigator.locks.request(name, options.steal ? options : {signal: mine.signal}, () => {
          leading = true;
          clearTimeout(patience);
          return this.#lead(mine.signal, tell);
        });
      } catch (err) {
        if (!(err instanceof DOMException && err.name === "AbortError")) throw err;
      }
      if (mine !== current || signal.aborted) return;
      // Somebody took it away.
      leading = false;
      mine.abort();
      expect();
      follow();
    };
    const follow = (options = {}) => hold(options).catch(err => this.#fail(err));

    globalThis.document?.addEventListener("visibilitychange", wake, {signal});
    signal.addEventListener("abort", () => {
      clearTimeout(patience);
      channel.close();
    });
    follow();
    inquire();
  }

  /** Keeps up a connection until the signal, and tells of what it brings. */
  async #lead(signal, tell) {
    const connection = new Connection(this.#url, this.#cursor, signal, batch => {
      if (signal.aborted) return;
      tell({batch});
      this.#take(batch);
    }, state => {
      if (signal.aborted) return;
      this.#show(state);
      tell({state, cursor: connection.cursor});
    });
    await connection.run();
  }
}

/** The server does not let us in, and will not later. */
export class Refusal extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super([problem.status, problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "Refusal";
    this.problem = problem;
  }
}

/** An attempt that failed in a way that may pass. */
class Failure extends Error {
  /** @param {{problem?: Problem, reason?: string, retry?: number}} [why] retry
   *   is when to come back, in ms, where the server said so */
  constructor({problem, reason = "", retry} = {}) {
    super(problem?.title ?? "the connection failed");
    this.problem = problem;
    this.reason = reason;
    this.retry = retry;
  }
}

/**
 * @typedef {object} End how a connection ended
 * @property {boolean} [opened] it was live
 * @property {boolean} [silent] nothing came for too long
 * @property {boolean} [again] another can be made at once
 * @property {string} [reason] the server's
 * @property {number} [retry] when to come back, in ms, where the server said so
 * @property {Problem} [problem]
 */

/** The live connection: it is at a cursor, and tells what comes behind it. */
class Connection {
  #patience = IDLE;
  #pollUntil = globalThis.EventSource ? 0 : Infinity;
  #mute = 0; // attempts in a row in which the server answered, but no stream came

  /**
   * @param {URL} url
   * @param {string} cursor
   * @param {AbortSignal} signal
   * @param {(batch: Batch) => void} batch
   * @param {(state: State) => void} state
   */
  constructor(url, cursor, signal, batch, state) {
    this.url = url;
    this.cursor = cursor;
    this.signal = signal;
    this.batch = batch;
    this.state = state;
  }

  /** Runs until the signal; throws a {@link Refusal}. */
  async run() {
    let failures = 0;
    let reason = "";
    this.state({is: "connecting"});
    while (!this.signal.aborted) {
      const end = await (Date.now() < this.#pollUntil ? this.#poll() : this.#stream());
      if (this.signal.aborted) return;
      if (end.again) continue;
      if (end.opened) failures = 0;
      // While a restarting server is away, attempts fail without saying why:
      // the reason that it gave stands until there is a connection again.
      if (end.opened || end.reason) reason = end.reason ?? "";
      const wait = end.retry ?? spread(Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT));
      failures++;
      this.state({is: "waiting", until: Date.now() + wait, reason, problem: end.problem});
      await pause(wait, this.signal);
    }
  }

  /** Tells of what came behind the cursor.
   * @param {{items?: Item[], cursor: string, gap?: Gap}} batch */
  #came({items = [], gap, cursor}) {
    const after = this.cursor;
    this.cursor = cursor;
    this.batch({after, cursor, items, gap});
  }

  /**
   * One EventSource, from its beginning to its end. Where it does not open, a
   * page tells why.
   *
   * @returns {Promise<End>}
   */
  async #stream() {
    const end = await this.#read(new EventSource(withParams(this.url, {envelope: "all", last_event_id: this.cursor})));
    if (end.opened || end.problem || end.reason || this.signal.aborted) return end;
    try {
      this.#came(await readPage(this.url, {last_event_id: this.cursor, limit: String(PAGE)}, this.signal));
    } catch (err) {
      return ended(err);
    }
    // The server is there. It may have come back this moment; else it is the
    // stream that does not come through.
    this.#mute++;
    if (end.silent || this.#mute > 1) this.#pollUntil = Date.now() + POLLING;
    return {again: true};
  }

  /**
   * @param {EventSource} source
   * @returns {Promise<End>}
   */
  #read(source) {
    return new Promise(resolve => {
      /** @type {End} */
      const end = {};
      let heard = Date.now();
      let timer;
      const over = () => {
        clearTimeout(timer);
        source.close();
        this.signal.removeEventListener("abort", over);
        resolve(end);
      };
      const silent = () => {
        // Perhaps the server is only set to give signs of life more rarely.
        if (end.opened) this.#patience = Math.min(2 * this.#patience, LONGEST_IDLE);
        end.silent = true;
        over();
      };
      timer = setTimeout(silent, OPENING);
      source.onerror = over;
      source.onmessage = ({data}) => {
        clearTimeout(timer);
        const now = Date.now();
        let frame;
        try {
          frame = JSON.parse(data);
        } catch {
          end.problem = {title: "The answer is not a feed's stream"};
          end.retry = spread(LONGEST_WAIT);
          over();
          return;
        }
        if (!end.opened && !frame.closing) {
          end.opened = true;
          this.#mute = 0;
          this.state({is: "live", by: "stream"});
        } else if (frame.cursor && !frame.gap) {
          // A heartbeat: it comes after a silence of the length that the server
          // is set to. Two may fail to come, no more.
          this.#patience = Math.max(IDLE, 2.3 * (now - heard));
        }
        heard = now;
        timer = setTimeout(silent, this.#patience);
        this.#frame(frame, data, end);
      };
      this.signal.addEventListener("abort", over);
    });
  }

  /** Takes an item or a notice. Others are passed over: a newer server may send
   * them. */
  #frame(frame, line, end) {
    if (frame.id) {
      this.#came({items: [{...frame, line}], cursor: frame.id});
    } else if (frame.closing) {
      const {cursor, reason, retry} = frame.closing;
      if (cursor) this.#came({cursor});
      end.reason = reason;
      end.retry = retry; // the server has spread it already
    } else if (frame.cursor) {
      this.#came(frame);
    }
  }

  /** Polls until that fails, or an EventSource is to be tried again.
   * @returns {Promise<End>} */
  async #poll() {
    /** @type {End} */
    const end = {};
    try {
      for (;;) {
        const start = {last_event_id: this.cursor, limit: String(PAGE)};
        const asked = Date.now();
        // The first does not wait, to know that the server is there.
        const page = await readPage(this.url, end.opened ? {...start, wait: `${POLL}s`} : start, this.signal);
        const early = end.opened && Date.now() - asked < FIRST_WAIT;
        if (!end.opened) this.state({is: "live", by: "polling"});
        end.opened = true;
        this.#came(page);
        if (page.more) continue;
        if (Date.now() > this.#pollUntil) return {again: true};
        // A server that goes down answers at once, with nothing.
        if (early && !page.items.length && !page.gap) await pause(spread(FIRST_WAIT), this.signal);
      }
    } catch (err) {
      return {...ended(err), ...end};
    }
  }
}

/** The end of a connection that an error is. A refusal goes on as it is.
 * @returns {End} */
function ended(err) {
  if (!(err instanceof Failure)) throw err;
  const {problem, reason, retry} = err;
  return {problem, reason, retry};
}

/** What an iterator has not given yet. */
class Queue {
  #values = [];
  #waiting = [];
  #over = false;
  #error;
  #stalled = false;
  #drained;
  #left;

  /**
   * @param {() => void} drained is called when it was full, and is empty
   * @param {() => void} left is called when nobody takes any more
   */
  constructor(drained, left) {
    this.#drained = drained;
    this.#left = left;
  }

  get length() {
    return this.#values.length;
  }

  push(value) {
    if (this.#over) return;
    const next = this.#waiting.shift();
    if (next) next.resolve({value, done: false});
    else this.#values.push(value);
    if (this.length >= PAGE) this.#stalled = true;
  }

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
    if (this.length) {
      const value = this.#values.shift();
      if (!this.length && this.#stalled) {
        this.#stalled = false;
        this.#drained();
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
    this.#left();
    return {value: undefined, done: true};
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/** @returns {Promise<{items: Item[], cursor: string, more: boolean, gap?: Gap}>} */
async function readPage(url, params, signal) {
  const response = await ask(withParams(url, params), {headers: {Accept: "application/json"}}, signal);
  let text, page;
  try {
    text = await response.text();
    page = JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) throw new Failure({problem: {title: "The answer is not a feed's page"}, retry: spread(LONGEST_WAIT)});
    signal.throwIfAborted();
    throw new Failure();
  }
  const lines = linesOf(text);
  page.items = page.items.map((item, i) => ({...item, line: lines[i]}));
  return page;
}

/** The strings and brackets of JSON. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g;

/** The envelopes of a page as they came.
 * @returns {string[]} */
function linesOf(text) {
  const lines = [];
  let depth = 0;
  let begin = 0;
  for (const {0: token, index} of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") {
      depth++;
      if (depth === 3) begin = index;
    } else if (token === "}" || token === "]") {
      if (depth === 3) lines.push(text.slice(begin, index + 1));
      depth--;
      if (depth === 1) break; // the items come first
    }
  }
  return lines;
}

/** Trades a ticket for the cookie of a session. */
async function trade(url, ticket, signal) {
  for (let failures = 0; ; failures++) {
    try {
      await ask(new URL("../session", url), {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({ticket}),
      }, signal);
      return;
    } catch (err) {
      // A ticket is good once: the answer to an attempt may have been lost, and
      // the cookie be there.
      if (err instanceof Refusal && failures > 0) return;
      if (!(err instanceof Failure)) throw err;
      await pause(err.retry ?? spread(Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT)), signal);
    }
  }
}

/** Makes a request, and gives a good answer.
 * @throws {Failure | Refusal | DOMException} the last when the signal came */
async function ask(url, init, signal) {
  let response;
  try {
    response = await fetch(url, {...init, cache: "no-store", signal: AbortSignal.any([signal, AbortSignal.timeout(POLL_ANSWER)])});
  } catch {
    signal.throwIfAborted();
    throw new Failure();
  }
  const {ok, status} = response;
  const json = /^application\/([^;]+\+)?json\b/.test(response.headers.get("Content-Type") ?? "");
  if (ok && (json || status === 204)) return response;
  const problem = await problemOf(response);
  const passing = ok || status >= 500 || status === 408 || status === 425 || status === 429;
  if (passing) throw new Failure({problem, reason: problem.type, retry: retryAfter(response)});
  throw new Refusal(problem);
}

/** @returns {Promise<Problem>} */
async function problemOf(response) {
  const {ok, status, statusText} = response;
  if (ok) return {title: "The answer is not a feed's page"};
  try {
    const {type, title, detail} = await response.json();
    if (title) return {status, type, title, detail};
  } catch {
    // Not from feedd: a proxy's page, perhaps.
  }
  return {status, title: statusText || "The server refused"};
}

/** @returns {number | undefined} ms */
function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (!value) return undefined;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  // Never before that time, and not all readers at once.
  return wait >= 0 ? Math.min(wait, LONGEST_RETRY_AFTER) * (1 + Math.random() / 2) : undefined;
}

/** @returns {URL} */
function withParams(url, params) {
  const address = new URL(url);
  for (const [name, value] of Object.entries(params)) address.searchParams.set(name, value);
  return address;
}

/** Spreads a time over half of it to one and a half, so that the readers of a
 * server that went away do not come back all at once. */
function spread(ms) {
  return ms / 2 + Math.random() * ms;
}

/** Waits so many ms, or until the machine is back on the network, or until the
 * signal.
 * @returns {Promise<void>} */
function pause(ms, signal) {
  return new Promise(resolve => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", over);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    addEventListener("online", over);
    signal.addEventListener("abort", over);
    if (signal.aborted) over();
  });
}
