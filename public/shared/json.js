// JSON laid out for people.

import {TOKENS} from "../feed-pages.js";

/**
 * JSON with each member on a line of its own, numbers as they are written. It
 * ends soon after length characters, because deep nesting makes it many times
 * as long as its source.
 *
 * @param {string} source valid JSON
 * @param {number} length
 * @returns {string}
 */
export function laidOut(source, length) {
  let text = "";
  let depth = 0;
  let last = "";
  for (const [token] of source.matchAll(TOKENS)) {
    const opened = last === "{" || last === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth--;
    if (last === "," || opened !== closes) text += `\n${"  ".repeat(depth)}`;
    if (token === "{" || token === "[") depth++;
    // Once decoded, so that \u00e9 is shown as the letter it stands for.
    text += token === ":" ? ": " : token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token;
    if (text.length > length) break;
    last = token;
  }
  return text;
}
