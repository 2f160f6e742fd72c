// One's own messages on their way: pending until the server has answered, then
// a message like all others, or one that failed. A page that is loaded again goes
// on sending those that are left.

import {$, fromTemplate, one} from "../shared/dom.js";
import {newKey} from "../shared/key.js";
import {keep, recall} from "../shared/storage.js";
import {putText, shorten} from "./messages.js";

/** Where a tab keeps its messages that are on their way, and the ids of those that
 * were stored. */
const UNSENT = "feedd chat unsent", OWN = "feedd chat own";
/** How many ids of one's own messages are kept: more than a page begins with. */
const OWN_KEPT = 200;
/** How many messages may be on their way: if there are more, the server is
 * away. */
const MOST = 50;
/** A message that is older than this, in ms, is not sent on unless its author says
 * so: the talk is over. */
const OLD = 3_600_000;

/**
 * @typedef {object} Entry
 * @property {string} key under which the server stores it once
 * @property {{name: string, text: string}} data
 * @property {number} since a Date.now()
 * @property {boolean} failed
 * @property {string} [id] the server's answer, while its item has not come
 * @property {string} [guess] the id of an item that says the same, and came before
 *   the answer
 * @property {HTMLElement} row
 */

export class Outbox {
  #room;
  #log;
  #refused;
  /** @type {Entry[]} in order */
  #entries = [];
  /** @type {Set<string>} */
  #own;

  /**
   * @param {import("./room.js").Room} room
   * @param {import("./log.js").Log} log
   * @param {() => void} refused is called when this guest is not allowed to speak
   */
  constructor(room, log, refused) {
    this.#room = room;
    this.#log = log;
    this.#refused = refused;
    const own = recall("sessionStorage", OWN);
    this.#own = new Set(Array.isArray(own) ? own : []);
    const unsent = recall("sessionStorage", UNSENT);
    for (const {key, data, since, failed} of Array.isArray(unsent) ? unsent : []) {
      const entry = this.#enter({key, data, since});
      if (failed || Date.now() - since > OLD) this.#fail(entry, "It was not sent.");
      else this.#send(entry);
    }
  }

  get full() {
    return this.#entries.length >= MOST;
  }

  /** @param {{name: string, text: string}} data */
  add(data) {
    this.#send(this.#enter({key: newKey(), data, since: Date.now()}));
    this.#log.toEnd();
  }

  /** An item came.
   * @param {import("../feed.js").Item} item
   * @returns {boolean} whether it is one's own */
  came({id, data}) {
    if (this.#own.has(id)) {
      this.passed(id);
      return true;
    }
    // The item may come before the answer, which names it. Until then an item that
    // says the same is taken for it.
    const entry = this.#entries.find(e => !e.failed && !e.guess && e.data.name === data?.name && e.data.text === data?.text);
    if (!entry) return false;
    entry.guess = id;
    entry.row.hidden = true;
    return true;
  }

  /** Everything up to the cursor is on the page, or gone.
   * @param {string} cursor */
  passed(cursor) {
    for (const entry of this.#entries.filter(e => e.id && Number(e.id) <= Number(cursor))) this.#leave(entry);
  }

  /** @param {{key: string, data: Entry["data"], since: number}} said */
  #enter({key, data, since}) {
    const row = fromTemplate("unsent");
    /** @type {Entry} */
    const entry = {key, data, since, failed: false, row};
    putText(one(row, ".text"), shorten(data.text).text);
    one(row, ".again").addEventListener("click", () => this.#send(entry));
    one(row, ".discard").addEventListener("click", () => {
      this.#leave(entry);
      $("text").focus();
    });
    $("outbox").append(row);
    this.#entries.push(entry);
    return entry;
  }

  /** @param {Entry} entry */
  async #send(entry) {
    entry.failed = false;
    this.#show(entry, "pending", "sending…");
    const {id, problem} = await this.#room.say(entry.key, entry.data);
    if (entry.guess && entry.guess !== id) {
      // Another guest said the same, or another message of one's own does.
      this.#log.setOwn(entry.guess, this.#own.has(entry.guess));
      entry.row.hidden = false;
      entry.guess = undefined;
    }
    if (problem) {
      this.#fail(entry, wordsOf(problem));
      if (problem.status === 401 || problem.status === 403) this.#refused();
      return;
    }
    entry.id = id;
    this.#own.add(id);
    keep("sessionStorage", OWN, [...this.#own].slice(-OWN_KEPT));
    if (Number(id) <= Number(this.#room.cursor)) {
      this.#log.setOwn(id, true);
      this.#leave(entry);
    } else {
      this.#show(entry, "sent", "");
    }
  }

  /** @param {Entry} entry
   * @param {string} why */
  #fail(entry, why) {
    entry.failed = true;
    this.#show(entry, "failed", why);
  }

  /** @param {Entry} entry
   * @param {"pending" | "sent" | "failed"} is
   * @param {string} words */
  #show(entry, is, words) {
    entry.row.dataset.is = is;
    one(entry.row, ".fate").textContent = words;
    one(entry.row, ".choice").hidden = is !== "failed";
    this.#keep();
    this.#log.stay();
  }

  /** @param {Entry} entry */
  #leave(entry) {
    entry.row.remove();
    this.#entries = this.#entries.filter(e => e !== entry);
    this.#keep();
    this.#log.stay();
  }

  #keep() {
    keep("sessionStorage", UNSENT, this.#entries.map(({key, data, since, failed}) => ({key, data, since, failed})));
  }
}

/** Why a message was not taken.
 * @param {import("../feed.js").Problem} problem */
function wordsOf({status, type, title, detail}) {
  /** @type {Record<string, string>} */
  const words = {
    429: "Too fast: the server takes no more from you for a moment.",
    413: "Too long for this server.",
    401: "Not allowed: the chat is closed to strangers.",
    403: "Not allowed with your credential.",
    "outcome-unknown": "The server does not know whether it was stored. Trying again is safe.",
    "store-full": "The server has no room for it.",
  };
  return `Not sent. ${words[status ?? ""] ?? words[type ?? ""] ?? [title, detail].filter(Boolean).join(": ")}`;
}
