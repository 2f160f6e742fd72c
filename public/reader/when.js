// A place in a feed, as people write it: an id or a time of theirs.

/** @type {Record<string, number>} in ms */
const UNITS = {s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000};

/**
 * @param {string} text an id; 14:30, 2:30 pm (the last time that was); 2026-11-22,
 *   with or without a time; 22.11. or 22.11.2026; 10m, 2h, 3d ago; today,
 *   yesterday; any of RFC 3339
 * @param {Date} now
 * @returns {string | undefined} an id, or RFC 3339 in UTC; undefined for what is
 *   neither
 */
export function placeOf(text, now) {
  const words = text.trim().toLowerCase().replace(/\s+ago$/, "");
  if (/^\d{6,16}$/.test(words)) return words;
  const back = /^(\d{1,6})\s*([smhd])[a-z]*$/.exec(words);
  if (back) return new Date(now.valueOf() - Number(back[1]) * UNITS[back[2]]).toISOString();
  const exact = /^(\d{4}-\d\d-\d\d)[t ](\d\d:\d\d:\d\d(\.\d+)?)\s*(z|[+-]\d\d:\d\d)$/.exec(words);
  if (exact) return valid(new Date(`${exact[1]}T${exact[2]}${exact[4].toUpperCase()}`));

  const [, day = "", clock] = /^(.*?)(?:(?:^|[\s,t]+)(\d{1,2}(?::\d\d(?::\d\d)?)?(?:\s*[ap]m)?))?$/.exec(words) ?? [];
  const time = clock === undefined ? [0, 0, 0] : timeOf(clock);
  const date = dayOf(day.trim(), now);
  if (!time || !date || (!day && clock === undefined)) return undefined;
  const [year, month, dayOfMonth] = date;
  const at = new Date(year, month, dayOfMonth, ...time);
  if (at.getMonth() !== month || at.getDate() !== dayOfMonth) return undefined;
  if (!day && at > now) at.setDate(at.getDate() - 1);
  return valid(at);
}

/** @param {string} clock
 * @returns {[number, number, number] | undefined} hours, minutes, seconds */
function timeOf(clock) {
  const [, h, m, s, half] = /^(\d+)(?::(\d+))?(?::(\d+))?\s*([ap]m)?$/.exec(clock) ?? [];
  if (m === undefined && !half) return undefined; // a bare number
  let hours = Number(h);
  if (half) {
    if (hours < 1 || hours > 12) return undefined;
    hours = hours % 12 + (half === "pm" ? 12 : 0);
  }
  /** @type {[number, number, number]} */
  const time = [hours, Number(m ?? 0), Number(s ?? 0)];
  return time[0] < 24 && time[1] < 60 && time[2] < 60 ? time : undefined;
}

/** @param {string} day
 * @param {Date} now
 * @returns {[number, number, number] | undefined} year, month from 0, day */
function dayOf(day, now) {
  if (day === "" || day === "today") return [now.getFullYear(), now.getMonth(), now.getDate()];
  if (day === "yesterday") return dayOf("", new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1));
  const iso = /^(\d{4})-(\d\d?)-(\d\d?)$/.exec(day);
  if (iso) return [Number(iso[1]), Number(iso[2]) - 1, Number(iso[3])];
  const dotted = /^(\d\d?)\.\s?(\d\d?)\.(?:\s?(\d{4}))?$/.exec(day);
  if (dotted) return [Number(dotted[3] ?? now.getFullYear()), Number(dotted[2]) - 1, Number(dotted[1])];
  return undefined; // 11/12 is one day here and another there
}

/** @param {Date} date */
function valid(date) {
  return Number.isNaN(date.valueOf()) ? undefined : date.toISOString();
}
