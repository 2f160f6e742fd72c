// Numbers for people.

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** @param {number} n a count, or a rate
 * @returns {string} with at most three digits that matter below 1000 */
export function count(n) {
  const digits = n >= 100 || Number.isInteger(n) ? 0 : n >= 10 ? 1 : 2;
  return n.toLocaleString("en", {maximumFractionDigits: digits});
}

/** @param {number} n in bytes
 * @returns {string} */
export function bytes(n) {
  let unit = 0;
  while (Math.abs(n) >= 1024 && unit < SIZES.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${count(unit && n < 100 ? Math.round(n * 10) / 10 : Math.round(n))} ${SIZES[unit]}`;
}

/** @param {number} ms
 * @returns {string} */
export function milliseconds(ms) {
  return ms >= 1000 ? `${count(ms / 1000)} s` : `${count(ms < 10 ? Math.round(ms * 100) / 100 : ms)} ms`;
}

/** Two digits say enough about a length of time, so a unit is used up to 99,
 * and hours up to 47, which people still count.
 *
 * @param {number} ms a length of time
 * @returns {string} its largest unit: 5 s, 3 min, 2 h, 4 d */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${count(Math.round(seconds / 86400))} d`;
}

/** @param {number} n
 * @param {string} one its name for 1
 * @param {string} [many] */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
