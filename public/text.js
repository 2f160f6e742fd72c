// An item's data as text for people.

/** The tokens of JSON: strings, marks, and the rest (numbers, true, false,
 * null). */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/g;

/** What an envelope has before its data. None of these values needs an escape. */
const BEFORE_DATA = /^\{(?:"(?:id|feed|event|time)":"[^"\\]*",)*"data":/;

/**
 * @param {import("./feed.js").Item} item
 * @param {number} limit the most characters to give
 * @returns {{text: string, json: boolean, whole: boolean}} text as it is, JSON
 *   laid out; whole says that the limit did not cut it
 */
export function textOf(item, limit) {
  const json = typeof item.data !== "string";
  let text = item.data;
  if (json) {
    // Laid out from the source: in JavaScript's values large numbers are
    // rounded and repeated names lost.
    const before = BEFORE_DATA.exec(item.line);
    text = layOut(before ? item.line.slice(before[0].length) : JSON.stringify(item.data), limit);
  }
  return {text: text.slice(0, limit), json, whole: text.length <= limit};
}

/**
 * Lays out the JSON value that source begins with, a member or element a line.
 * It stops behind the limit, since indentation may make a small, deeply nested
 * value very large.
 *
 * @param {string} source valid JSON; what follows the value is not looked at
 * @param {number} limit
 */
function layOut(source, limit) {
  let out = "";
  let depth = 0;
  let opened = false; // the last token opened an object or array
  const newLine = () => "\n" + "  ".repeat(depth);
  for (const [token] of source.matchAll(TOKENS)) {
    const closes = token === "}" || token === "]";
    if (closes) depth--;
    // Nothing between the marks of an empty object or array.
    if (opened !== closes) out += newLine();
    opened = token === "{" || token === "[";
    if (opened) depth++;
    if (token === ",") {
      out += "," + newLine();
    } else if (token === ":") {
      out += ": ";
    } else if (token.startsWith('"')) {
      // Once decoded, so that \u00e9 is shown as the letter it stands for.
      out += JSON.stringify(JSON.parse(token));
    } else {
      out += token;
    }
    if (depth === 0 || out.length > limit) break;
  }
  return out;
}
