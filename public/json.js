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
