// The messages on the page: rows, the place to which the reader has scrolled,
// and what is read aloud.

import {$, fromTemplate, one} from "../shared/dom.js";
import {messageOf, putText, shorten} from "./messages.js";

/** How many rows are kept at most: more would make each change of the list slow. */
const ROWS = 500;
/** A reader who is this near to the end, in px, counts as being there: two
 * lines. */
const NEAR = 48;
/** Messages of one speaker within this time, in ms, stand together: five
 * minutes, after which people like to see the time again. */
const TOGETHER = 300_000;
/** News is read aloud at most this often, in ms: a message takes as long. */
const ALOUD = 3_000;
/** How many colours names have: those of chat.css. */
const HUES = 6;
/** How much of a message is read aloud, in characters: some sentences. */
const READ = 200;
/** After how long rows go onto a page in the background, in ms, because such a
 * page gets no frames. */
const BACKGROUND = 250;
const shortTime = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit"});
const longTime = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"});
const fullTime = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

export class Log {
  /** @type {HTMLElement[]} made, and not yet on the page; the oldest first */
  #pending = [];
  #atEnd = true;
  #unseen = 0; // messages that came after the reader was at the end
  #begin = Infinity; // messages up to this id were said before the page was there
  /** @type {{name: string, own: boolean, at: number} | {gap: string} | undefined}
   * what the newest row is: a message, or a gap */
  #last;
  #full;
  /** @type {string[]} to be read aloud */
  #aloud = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #aloudTimer;

  /** @param {number} history how many messages it begins with: there may be
   * earlier ones only if there are as many */
  constructor(history) {
    this.#full = history;
    const log = $("log");
    log.addEventListener("scroll", () => {
      this.#atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
      if (this.#atEnd) this.#seen();
    });
    new ResizeObserver(() => this.#atEnd && this.toEnd()).observe(log);
    $("news").addEventListener("click", () => {
      this.toEnd();
      log.focus();
    });
    document.addEventListener("visibilitychange", () => {
      this.#render(); // a page in the background gets no frames
      if (this.#atEnd) this.#seen();
    });
  }

  /** The page is there, but older messages may still be coming: news are those
   * after this position.
   * @param {string} head the server's newest */
  begin(head) {
    if (this.#begin < Infinity) return;
    this.#begin = Number(head);
    if (this.#pending.length === 0 && !$("messages").hasChildNodes()) $("empty").hidden = false;
  }

  /** @param {import("../feed.js").Item} item
   * @param {boolean} own */
  add(item, own) {
    const {name, text, json} = messageOf(item);
    const row = fromTemplate("message");
    const who = one(row, ".name");
    const time = one(row, "time", HTMLTimeElement);
    const said = one(row, ".text");
    const more = one(row, ".more");
    row.dataset.id = item.id;
    row.classList.toggle("own", own);
    who.textContent = name || "nameless";
    who.dataset.hue = hueOf(name);
    const date = new Date(item.time);
    if (!Number.isNaN(date.valueOf())) {
      const today = date.toDateString() === new Date().toDateString();
      time.dateTime = item.time;
      time.textContent = (today ? shortTime : longTime).format(date);
      row.title = time.title = fullTime.format(date);
    }
    const shown = shorten(text);
    putText(said, shown.text);
    said.classList.toggle("json", json);
    more.hidden = shown.whole;
    if (!shown.whole) one(more, "a", HTMLAnchorElement).href = `/feeds/${encodeURIComponent(item.feed)}/items/${encodeURIComponent(item.id)}`;
    const last = this.#last;
    const at = date.valueOf();
    this.#last = {name, own, at};
    const follows = last && "name" in last && last.name === name && name !== "" && last.own === own && at - last.at < TOGETHER;
    row.classList.toggle("follows", follows === true);
    this.#add(row);
    if (!own && Number(item.id) > this.#begin) this.#news(name || "nameless", shown.text);
  }

  /** @param {import("../feed.js").Gap} gap */
  addGap({reason}) {
    const text = `Messages are missing here: ${reason === "unknown" ? "the server does not know where this page stood" : reason}`;
    // A loss is told again when the connection broke before the next message.
    if (this.#last && "gap" in this.#last && this.#last.gap === text) return;
    this.#last = {gap: text};
    const row = fromTemplate("gap");
    row.textContent = text;
    this.#add(row);
  }

  /** Marks a message that is there as one's own, or not.
   * @param {string} id
   * @param {boolean} own */
  setOwn(id, own) {
    const row = this.#pending.find(row => row.dataset.id === id) ?? $("messages").querySelector(`[data-id="${CSS.escape(id)}"]`);
    row?.classList.toggle("own", own);
  }

  toEnd() {
    const log = $("log");
    this.#atEnd = true;
    log.scrollTop = log.scrollHeight;
    this.#seen();
  }

  /** Keeps a reader at the end who was there before the page changed. */
  stay() {
    if (this.#atEnd) this.toEnd();
  }

  /** Rows go onto the page once for each frame, however many come.
   * @param {HTMLElement} row */
  #add(row) {
    if (this.#pending.length === 0) {
      if (document.hidden) setTimeout(() => this.#render(), BACKGROUND);
      else requestAnimationFrame(() => this.#render());
    }
    this.#pending.push(row);
    if (this.#pending.length === 2 * ROWS) this.#pending = this.#pending.slice(-ROWS);
  }

  #render() {
    if (this.#pending.length === 0) return;
    const log = $("log"), list = $("messages");
    $("empty").hidden = true;
    list.append(...this.#pending);
    this.#pending = [];
    const tooMany = Math.max(list.children.length - ROWS, 0);
    const first = list.children[tooMany];
    const before = first.getBoundingClientRect().top;
    for (let i = 0; i < tooMany; i++) list.firstElementChild?.remove();
    $("earlier").hidden = list.children.length < this.#full;
    // The rows in the window stay where they are.
    log.scrollTop -= before - first.getBoundingClientRect().top;
    if (this.#atEnd) log.scrollTop = log.scrollHeight;
    this.#showUnseen();
  }

  /** @param {string} name
   * @param {string} text */
  #news(name, text) {
    if (!this.#atEnd || document.hidden) this.#unseen++;
    // The first is read at once, and what comes soon after it together.
    this.#aloud.push(`${name}: ${text.slice(0, READ)}`);
    this.#aloudTimer ??= setTimeout(() => this.#readAloud(), 0);
  }

  #readAloud() {
    const count = this.#aloud.length;
    this.#aloudTimer = undefined;
    if (count === 0) return;
    $("heard").textContent = count === 1 ? this.#aloud[0] : `${count} new messages`;
    this.#aloud = [];
    this.#aloudTimer = setTimeout(() => this.#readAloud(), ALOUD);
  }

  #seen() {
    if (document.hidden) return;
    this.#unseen = 0;
    this.#showUnseen();
  }

  #showUnseen() {
    const n = this.#unseen;
    $("news").hidden = n === 0 || this.#atEnd;
    $("news").textContent = n === 1 ? "1 new message" : `${n} new messages`;
    document.title = n && document.hidden ? `(${n}) Chat · feedd` : "Chat · feedd";
  }
}

/** The colour of a name, which is the same everywhere: by a hash of it.
 * @param {string} name */
function hueOf(name) {
  let sum = 0;
  for (const c of name) sum = (31 * sum + (c.codePointAt(0) ?? 0)) % 9973; // primes
  return String(sum % HUES);
}
