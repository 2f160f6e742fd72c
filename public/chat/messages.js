// What others say, as text for people. Nothing here makes HTML of it.

import {laidOut} from "../shared/json.js";
import {sourceOf} from "../shared/text.js";

/** How long a message may be, in characters: a page of text. More of one is not
 * shown, nor more lines than some two screens. */
export const LENGTH = 4_000;
const LINES = 60;
/** How long a name may be, in characters: room for a first and a last name. */
export const NAME = 40;
/** How many addresses of one message become links: more of them only annoy. */
const LINKS = 50;

/** An address, up to a space, a quote, a mark that turns the direction of
 * writing, or what ends a sentence. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"\p{Cc}\p{Cf}]*[^\s<>"\p{Cc}\p{Cf}.,;:!?'()[\]{}]/giu;
/** Marks piled up on a letter: no script has letters with more than five. */
const PILE = /(\p{M}{5})\p{M}+/gu;
/** What has no place in a name, because it cannot be seen, or turns the
 * direction of the text around it. The joiners within emoji may stay. */
const UNSEEN = /[\p{Cc}\p{Cs}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/**
 * @typedef {object} Message
 * @property {string} name "" for none
 * @property {string} text
 * @property {boolean} json the text is the item's JSON, because nothing in it
 *   looks like a message
 */

/**
 * Reads an item. This page publishes {"name", "text"}; older clients have fields
 * of their own.
 *
 * @param {import("../feed.js").Item} item
 * @returns {Message}
 */
export function messageOf(item) {
  const {data} = item;
  if (typeof data === "string") return {name: "", text: data, json: false};
  const {name, user, from, text, message, msg} = data ?? {};
  const said = [text, message, msg].find(v => typeof v === "string");
  if (said === undefined) return {name: "", text: laidOut(sourceOf(item), LENGTH), json: true};
  const who = [name, user, user?.name, from].find(v => typeof v === "string");
  return {name: nameOf(who ?? ""), text: said, json: false};
}

/** A name as it is shown: one line that can be seen, of bounded length.
 * @param {string} name */
export function nameOf(name) {
  // No name is so long that its end matters, whatever is taken out of it.
  const seen = name.slice(0, 40 * NAME).replace(/\s+/gu, " ").replace(UNSEEN, "").replace(PILE, "$1").trim();
  return /[^\u200c\u200d\p{M}\s]/u.test(seen) ? Array.from(seen).slice(0, NAME).join("").trim() : "";
}

/** As much of a text as is shown.
 * @param {string} text
 * @returns {{text: string, whole: boolean}} */
export function shorten(text) {
  let end = Math.min(text.length, LENGTH);
  for (let at = -1, lines = 0; (at = text.indexOf("\n", at + 1)) >= 0 && at < end;) {
    if (++lines === LINES) end = at;
  }
  const whole = end === text.length;
  // Not in the middle of a character.
  if (!whole && /[\ud800-\udbff]/.test(text[end - 1])) end--;
  return {text: text.slice(0, end).replace(PILE, "$1"), whole};
}

/** Puts a text into an element, its addresses as links.
 * @param {HTMLElement} element
 * @param {string} text */
export function putText(element, text) {
  /** @type {(string | Node)[]} */
  const parts = [];
  let rest = 0;
  for (const {0: address, index} of text.matchAll(ADDRESS)) {
    if (parts.length >= 2 * LINKS) break;
    if (!URL.canParse(address)) continue;
    const link = document.createElement("a");
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    link.textContent = address;
    parts.push(text.slice(rest, index), link);
    rest = index + address.length;
  }
  element.replaceChildren(...parts, text.slice(rest));
  // The style sheet finds an element without text by :empty, which an empty text
  // node would hinder.
  element.normalize();
}
