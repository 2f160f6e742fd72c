// The messages on the page: rows, the place to which the reader has scrolled,
// and what is read aloud.

import {messageOf, putText, shorten} from "./messages.js";

/** How many rows are kept at most. */
const ROWS = 500;
/** So near to the end, in px, a reader counts as being there. */
const NEAR = 48;
/** Messages of one speaker within this time, in ms, stand together. */
const TOGETHER = 300_000;
/** What is new is read aloud at most this often, in ms. */
const ALOUD = 3_000;
/** How many colours names have. */
const HUES = 6;

const $ = id => document.getElementById(id);
const shortTime = new Intl.DateTimeFormat(undefined, {hour: "2-digit", minute: "2-digit"});
const longTime = new Intl.DateTimeFormat(undefined, {month: "short", day: "numeric", hour: "2-digit", minute: "2-digit"});
const fullTime = new Intl.DateTimeFormat(undefined, {dateStyle: "full", timeStyle: "long"});

export class Log {
  /** @type {HTMLElement[]} made, and not yet on the page; the oldest first */
  #pending = [];
  #atEnd = true;
  #unseen = 0; // messages that came since the reader was at the end
  #begin = Infinity; // what is up to this id was said before the page was there
  #last; // what the newest row is: a speaker and a time, or a gap
  #full;
  #aloud = []; // to be read
  #aloudTimer;

  /** @param {number} history how many messages it begins with: only where there
   * are as many, there may be earlier ones */
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

  /** The page is there, and may still be receiving what was said before: news is
   * what is said after this position.
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
    const [who, time, said, more] = row.querySelectorAll(".name, time, .text, .more");
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
    if (!shown.whole) more.firstElementChild.href = `/feeds/${encodeURIComponent(item.feed)}/items/${encodeURIComponent(item.id)}`;
    const last = this.#last;
    this.#last = {name, own, at: date.valueOf()};
    row.classList.toggle("follows", last?.name === name && name !== "" && last.own === own && date - last.at < TOGETHER);
    this.#add(row);
    if (!own && Number(item.id) > this.#begin) this.#news(name || "nameless", shown.text);
  }

  /** @param {import("../feed.js").Gap} gap */
  addGap({reason}) {
    const text = `Messages are missing here: ${reason === "unknown" ? "the server does not know where this page stood" : reason}`;
    // Told again when the connection broke before the next message.
    if (this.#last?.gap === text) return;
    this.#last = {gap: text};
    const row = fromTemplate("gap");
    row.textContent = text;
    this.#add(row);
  }

  /** Says of a message that is there whether it is one's own. */
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

  /** Keeps a reader who is at the end there, when something else was changed. */
  stay() {
    if (this.#atEnd) this.toEnd();
  }

  /** Rows go onto the page once for each frame, however many come. */
  #add(row) {
    if (this.#pending.length === 0) {
      if (document.hidden) setTimeout(() => this.#render(), 250);
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
    for (let i = 0; i < tooMany; i++) list.firstElementChild.remove();
    $("earlier").hidden = list.children.length < this.#full;
    // What is being read stays where it is.
    log.scrollTop -= before - first.getBoundingClientRect().top;
    if (this.#atEnd) log.scrollTop = log.scrollHeight;
    this.#showUnseen();
  }

  #news(name, text) {
    if (!this.#atEnd || document.hidden) this.#unseen++;
    // The first is read at once, and what comes soon after it together.
    this.#aloud.push(`${name}: ${text.slice(0, 200)}`);
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

export function fromTemplate(id) {
  return $(id).content.firstElementChild.cloneNode(true);
}

function hueOf(name) {
  let sum = 0;
  for (const c of name) sum = (31 * sum + c.codePointAt(0)) % 9973;
  return String(sum % HUES);
}
