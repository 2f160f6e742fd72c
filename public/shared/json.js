// JSON taken apart as it is written.

/** Strings, marks, and the rest: numbers, true, false, null. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/g;

/**
 * The members of an object, or the elements of an array, each as its source.
 * It looks into none of them, so depth costs nothing.
 *
 * @param {string} source valid JSON
 * @returns {{name?: string, source: string}[] | undefined} undefined for a
 *   value that is neither
 */
export function membersOf(source) {
  if (!/^\s*[[{]/.test(source)) return undefined;
  const members = [];
  let depth = 0;
  let from = -1;
  let name;
  for (const {0: token, index} of source.matchAll(TOKENS)) {
    const closes = token === "}" || token === "]";
    if (depth === 1 && (closes || token === ",")) {
      if (from >= 0) members.push({name, source: source.slice(from, index).trimEnd()});
      from = -1;
      name = undefined;
    } else if (depth === 1 && token === ":") {
      name = JSON.parse(source.slice(from, index));
      from = -1;
    } else if (depth === 1 && from < 0) {
      from = index;
    }
    if (closes) depth--;
    else if (token === "{" || token === "[") depth++;
    if (depth === 0) break;
  }
  return members;
}

/**
 * JSON with each member on a line of its own, numbers as they are written. It
 * ends soon after so many characters: what is nested deep is many times as long
 * as its source.
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
