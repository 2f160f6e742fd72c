// Text that others wrote: its length, its links, its JSON.

import {membersOf} from "../feed-pages.js";
import {make} from "./dom.js";

/** How much of an item is shown, in characters: some ten screens. Laying out much
 * more would make the page stutter. */
export const SHOWN = 20_000;

/** Web addresses in a text; what ends a sentence is no part of one. */
const ADDRESSES = /\bhttps?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]}]/gi;

/** The address that a text is, where a page may link to it; else undefined.
 * @param {string | undefined} text
 * @param {RegExp} [schemes]
 * @returns {string | undefined} */
export function addressIn(text, schemes = /^(https?:\/\/|mailto:)/i) {
  const trimmed = text?.trim() ?? "";
  return schemes.test(trimmed) && URL.canParse(trimmed) ? new URL(trimmed).href : undefined;
}

/** A link to elsewhere; an address that is none is shown as text.
 * @param {string | undefined} address
 * @param {...(Node | string | undefined)} children */
export function link(address, ...children) {
  const href = addressIn(address);
  if (!href) return make("span", "", ...children);
  const a = make("a", "", ...children);
  a.href = href;
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  a.referrerPolicy = "no-referrer";
  return a;
}

/** A text with its web addresses as links.
 * @param {string} text */
export function linked(text) {
  const all = document.createDocumentFragment();
  let from = 0;
  for (const {0: address, index} of text.matchAll(ADDRESSES)) {
    all.append(text.slice(from, index), link(address, address));
    from = index + address.length;
  }
  all.append(text.slice(from));
  return all;
}

/** The JSON of an item's data as the publisher gave it: in JavaScript's values
 * large numbers are rounded and repeated names lost.
 * @param {{line?: string, data: any}} item
 * @returns {string} */
export function sourceOf({line, data}) {
  return membersOf(line ?? "")?.findLast(({name}) => name === "data")?.source ?? JSON.stringify(data);
}
