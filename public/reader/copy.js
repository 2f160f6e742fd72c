// Copies of an item, and of the way to a feed, for use elsewhere.

import {feedAt, pageFor} from "../shared/address.js";

/** A word as a shell takes it: [::1] would be a pattern.
 * @param {string} word */
export function shellWord(word) {
  return /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A script that hears all items. An EventSource hears items with a name only by
 * names that it knows, so they come as envelopes.
 * @param {import("../shared/address.js").Address} address
 * @param {Record<string, string>} start */
function source(address, start) {
  const url = feedAt(address, {envelope: "all", ...start});
  return `const feed = new EventSource(${JSON.stringify(url.href)});
feed.onmessage = (e) => {
  const {id, event, data, gap} = JSON.parse(e.data);
  if (id) console.log(id, event, data);
  if (gap) console.log("items are missing", gap);
};`;
}

/** How others follow the feed.
 * @param {import("../shared/address.js").Address} address */
export function followers(address) {
  return {
    curl: `curl -N ${shellWord(feedAt(address).href)}`,
    source: source(address, {last: "20"}),
  };
}

/** What can be copied of an item.
 * @param {import("../feed.js").Item} item
 * @param {import("../shared/address.js").Address} address
 * @returns {Record<string, string>} */
export function copiesOf(item, address) {
  const own = new URL(`/feeds/${encodeURIComponent(item.feed)}/items/${encodeURIComponent(item.id)}`, location.origin);
  return {
    link: new URL(pageFor({...address, at: item.id}), location.origin).href,
    json: item.line ?? JSON.stringify(item),
    curl: `curl ${shellWord(own.href)}`,
    source: source(address, {last_event_id: item.id}),
  };
}

/**
 * Copies a text.
 *
 * @param {string} text
 * @param {HTMLElement} place where the text is shown and selected, when the
 *   browser does not let a page copy
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copy(text, place) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    place.hidden = false;
    place.textContent = text;
    place.focus();
    getSelection()?.selectAllChildren(place);
    return false;
  }
}
