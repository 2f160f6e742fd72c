// The live connection to a feed, or to several: one state machine over what
// pushes frames (an EventSource, or a WebSocket), with long polls where no push
// comes through.

import {FIRST_WAIT, LONGEST_WAIT, PAGE, POLL, Failure, backoff, parsed, pause, readPage, spread, withParams} from "./feed-pages.js";

/** If a push brings nothing for this long, in ms, a proxy keeps its events
 * back, because a server says something at once. Five seconds are enough for
 * the slowest network. */
const OPENING = 5_000;
/** Without a sign of life for this long, in ms, a connection counts as dead. A
 * server with the default settings gives one each 15 s, so two may fail to
 * come. */
export const IDLE = 35_000;
/** How many silences between heartbeats may pass before a connection counts as
 * dead: two heartbeats may fail to come, and the next may be late by a third. */
const SILENCES = 2.3;
/** The most that the patience grows to, in ms: a server can be set to give
 * signs of life every 10 min, and SILENCES times that are 23 min. */
const LONGEST_IDLE = 1_500_000;
/** After this long without a push, in ms, a push is tried again. Each try costs
 * a reader behind a proxy OPENING without news, which is 1 % of this. */
export const WITHOUT_PUSH = 600_000;

/** @typedef {import("./feed.js").Item} Item
 * @typedef {import("./feed.js").Gap} Gap
 * @typedef {import("./feed.js").State} State
 * @typedef {import("./feed.js").Problem} Problem
 *
 * @typedef {object} Batch what came behind the position after, up to cursor
 * @property {string} after
 * @property {string} cursor
 * @property {Item[]} items
 * @property {Gap} [gap] it came before the items
 *
 * @typedef {object} Push what brings frames as they come
 * @property {"stream" | "socket"} by
 * @property {(url: URL, cursor: string, to: PushTo) => () => void} open makes a
 *   connection that brings what comes behind the cursor, as envelopes and
 *   notices; it returns what closes it. Then neither frame nor over is called
 * @property {(frame: any) => boolean} [other] takes a frame that is the push's
 *   own, and says whether it was
 * @property {(signal: AbortSignal) => Promise<void>} [check] asks the server why
 *   no connection opens: it throws why. Without it, a page of the feed is read
 *
 * @typedef {object} PushTo
 * @property {(text: string) => void} frame takes a frame
 * @property {(end?: End) => void} over takes the end of the connection
 *
 * @typedef {object} End how a connection ended
 * @property {boolean} [opened] it was live
 * @property {boolean} [silent] nothing came for too long
 * @property {boolean} [again] another can be made at once
 * @property {string} [cursor] to go on from
 * @property {string} [reason] the server's
 * @property {number} [retry] when to come back, in ms, if the server said so
 * @property {Problem} [problem]
 */

/** @type {Push} */
const eventSource = {
  by: "stream",
  open(url, cursor, {frame, over}) {
    const source = new EventSource(withParams(url, {envelope: "all", last_event_id: cursor}));
    source.onmessage = ({data}) => frame(data);
    source.onerror = () => over();
    return () => source.close();
  },
};

/** The live connection: it is at a cursor, and tells what comes behind it. */
export class Connection {
  #patience = IDLE;
  #withoutPushUntil = 0; // a Date.now()
  #mute = 0; // attempts in a row in which the server answered, but no push came
  #attempt = new AbortController();

  /**
   * @param {URL} url
   * @param {string} cursor
   * @param {AbortSignal} signal
   * @param {(batch: Batch) => void} batch
   * @param {(state: State) => void} state
   * @param {Push} [push] without it, an EventSource, and long polls if none
   *   comes through
   */
  constructor(url, cursor, signal, batch, state, push) {
    this.url = url;
    this.cursor = cursor;
    this.signal = signal;
    this.batch = batch;
    this.state = state;
    this.polls = push === undefined;
    this.push = push ?? eventSource;
    if (this.polls && !globalThis.EventSource) this.#withoutPushUntil = Infinity;
  }

  /** Goes on at another URL, from the same cursor.
   * @param {URL} url */
  aim(url) {
    this.url = url;
    this.#attempt.abort();
  }

  /** Runs until the signal or, if a push was given, until it is clear that this
   * push does not come through. Throws a Refusal. */
  async run() {
    let failures = 0;
    let reason = "";
    this.state({is: "connecting"});
    while (!this.signal.aborted) {
      const pushes = Date.now() >= this.#withoutPushUntil;
      if (!pushes && !this.polls) return;
      this.#attempt = new AbortController();
      const signal = AbortSignal.any([this.signal, this.#attempt.signal]);
      /** @type {End} */
      let end = {again: true};
      try {
        end = await (pushes ? this.#pushed(signal) : this.#poll(signal));
      } catch (err) {
        if (!signal.aborted) throw err;
      }
      if (end.again || signal.aborted) continue;
      if (end.opened) failures = 0;
      // While a restarting server is away, attempts fail without a reason. So
      // the reason that the server gave stands until there is a connection
      // again.
      if (end.opened || end.reason) reason = end.reason ?? "";
      const wait = end.retry ?? backoff(failures);
      failures++;
      this.state({is: "waiting", until: Date.now() + wait, reason, problem: end.problem});
      await pause(wait, signal);
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
   * One push, from its beginning to its end. A browser does not tell why a push
   * does not open, so the server is asked.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<End>}
   */
  async #pushed(signal) {
    const end = await this.#listen(signal);
    // What is no stream of a feed is told to people. A push that was given may also
    // be ended by something on the way, with words of its own: the feed can do
    // without it, so these count only where the server does not answer either.
    const told = end.problem && this.polls;
    if (end.opened || told || end.reason || signal.aborted) return end;
    try {
      if (this.push.check) await this.push.check(signal);
      else this.#came(await readPage(this.url, {last_event_id: this.cursor, limit: String(PAGE)}, signal));
    } catch (err) {
      const {problem = end.problem, retry = end.retry, reason} = endOf(err);
      return {problem, retry, reason};
    }
    // The server is there. It may have come back just now; otherwise the push
    // does not come through.
    this.#mute++;
    if (end.silent || this.#mute > 1) this.#withoutPushUntil = Date.now() + WITHOUT_PUSH;
    return {again: true};
  }

  /**
   * Listens to a push until it ends or is silent for too long.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<End>}
   */
  #listen(signal) {
    return new Promise(resolve => {
      /** @type {End} */
      const end = {};
      let heard = Date.now();
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let timer;
      let ended = false;
      let close = () => {}; // until it is opened
      const over = () => {
        ended = true;
        clearTimeout(timer);
        close();
        signal.removeEventListener("abort", over);
        resolve(end);
      };
      const silent = () => {
        // The server may be set to give signs of life more rarely.
        if (end.opened) this.#patience = Math.min(2 * this.#patience, LONGEST_IDLE);
        end.silent = true;
        over();
      };
      /** @param {string} text */
      const frame = text => {
        if (ended) return;
        clearTimeout(timer);
        const now = Date.now();
        const frame = parsed(text);
        if (!frame) {
          end.problem = {title: "The answer is not a feed's stream"};
          end.retry = spread(LONGEST_WAIT);
          over();
          return;
        }
        const opens = !end.opened && !frame.closing;
        if (!opens && frame.cursor && !frame.gap) {
          // This is a heartbeat. It comes after a silence as long as the server
          // is set to.
          this.#patience = Math.min(Math.max(IDLE, SILENCES * (now - heard)), LONGEST_IDLE);
        }
        heard = now;
        timer = setTimeout(silent, this.#patience);
        if (opens) {
          end.opened = true;
          this.#mute = 0;
          this.state({is: "live", by: this.push.by}); // a listener may close the feed
        }
        if (!ended) this.#frame(frame, text, end);
      };
      timer = setTimeout(silent, OPENING);
      close = this.push.open(this.url, this.cursor, {
        frame,
        over: (why = {}) => {
          if (ended) return;
          if (why.cursor && Number(why.cursor) > Number(this.cursor)) this.#came({cursor: why.cursor});
          // A closing frame that came before says more.
          end.reason ??= why.reason;
          end.retry ??= why.retry;
          end.problem ??= why.problem;
          over();
        },
      });
      signal.addEventListener("abort", over);
      if (ended || signal.aborted) over(); // while it was opened
    });
  }

  /** Takes an item or a notice. Anything else is the push's own, or is ignored,
   * because a newer server may send it.
   * @param {any} frame
   * @param {string} line the frame as it came
   * @param {End} end */
  #frame(frame, line, end) {
    if (this.push.other?.(frame)) return;
    if (frame.id) {
      this.#came({items: [{...frame, line}], cursor: frame.id});
    } else if (frame.closing) {
      const {cursor, reason, retry} = frame.closing;
      if (cursor) this.#came({cursor});
      end.reason = reason;
      end.retry = Math.max(retry, FIRST_WAIT / 2); // the server has spread it already
    } else if (frame.cursor) {
      this.#came(frame);
    }
  }

  /** Polls until that fails, or an EventSource is to be tried again.
   * @param {AbortSignal} signal
   * @returns {Promise<End>} */
  async #poll(signal) {
    /** @type {End} */
    const end = {};
    try {
      for (;;) {
        const start = {last_event_id: this.cursor, limit: String(PAGE)};
        const asked = Date.now();
        // The first poll does not wait, so that it shows that the server is
        // there.
        const page = await readPage(this.url, end.opened ? {...start, wait: `${POLL}s`} : start, signal);
        const early = end.opened && Date.now() - asked < FIRST_WAIT;
        if (!end.opened) this.state({is: "live", by: "polling"});
        end.opened = true;
        this.#came(page);
        if (page.more) continue;
        if (Date.now() > this.#withoutPushUntil) return {again: true};
        // A server that stops answers at once, with nothing.
        if (early && !page.items.length && !page.gap) await pause(spread(FIRST_WAIT), signal);
      }
    } catch (err) {
      return {...endOf(err), ...end};
    }
  }
}

/** The end of a connection that an error means. A refusal is thrown on as it is.
 * @param {unknown} err
 * @returns {End} */
function endOf(err) {
  if (!(err instanceof Failure)) throw err;
  const {problem, reason, retry} = err;
  return {problem, reason, retry};
}
