// JSON as a tree whose branches open and close.

import {membersOf} from "../feed-pages.js";
import {make, makeButton} from "./dom.js";
import {addressIn, link} from "./text.js";

/** @typedef {import("../feed-pages.js").Member} Member */

/** A branch whose source is no longer than this, in characters, is open from the
 * beginning: it takes a few lines. */
const SHORT = 160;
/** A list of numbers that is no longer than this, in characters, stands on one
 * line, also on a phone. */
const INLINE = 60;
/** How many members are shown at once: some two screens. */
const MEMBERS = 50;
/** How much of a closed branch is shown, in characters. */
const PREVIEW = 60;

/**
 * Numbers are shown as they are written, all repeated names are there, and what
 * is closed is not on the page.
 *
 * @param {string} source valid JSON
 * @returns {HTMLElement}
 */
export function treeOf(source) {
  const members = membersOf(source);
  return members?.length ? branches(members, source) : make("p", "tree", leaf(source));
}

/** @param {Member[]} members
 * @param {string} source */
function branches(members, source) {
  const list = make("ul", "tree");
  const array = /^\s*\[/.test(source);
  let shown = 0;
  const more = makeButton("quiet", "");
  const showMore = () => {
    for (const end = Math.min(shown + MEMBERS, members.length); shown < end; shown++) {
      const {name, source} = members[shown];
      list.append(make("li", "", branch(array ? String(shown) : name, source)));
    }
    more.textContent = `${members.length - shown} more`;
    if (shown < members.length) list.append(make("li", "", more));
    else more.parentElement?.remove();
  };
  more.addEventListener("click", () => {
    more.parentElement?.remove();
    showMore();
  });
  showMore();
  return list;
}

/** @param {string} name
 * @param {string} source */
function branch(name, source) {
  const label = make("span", "name", `${name}: `);
  const members = membersOf(source);
  if (!members?.length) return make("div", "", label, leaf(source));
  if (source.length <= INLINE && /^\[[^"[{]*\]$/.test(source)) return make("div", "", label, make("span", "value", source));
  const preview = source.length > PREVIEW ? `${source.slice(0, PREVIEW)}…` : source;
  const details = make("details", "", make("summary", "", label, make("span", "preview", preview)));
  const fill = () => details.append(branches(members, source));
  if (source.length <= SHORT) {
    details.open = true;
    fill();
  } else {
    details.addEventListener("toggle", fill, {once: true});
  }
  return details;
}

/** @param {string} source */
function leaf(source) {
  if (!source.startsWith('"')) return make("span", "value", source);
  // Once decoded, so that \u00e9 is shown as the letter it stands for.
  const text = JSON.parse(source);
  const value = make("span", "value string");
  value.append(addressIn(text) ? link(text, JSON.stringify(text)) : JSON.stringify(text));
  return value;
}
