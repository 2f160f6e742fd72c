// Ids, which are integers below 2^53, in decimal: microseconds since 1970.

/** Whether an id is above another.
 * @param {string} id
 * @param {string} other "" is below all */
export const above = (id, other) => Number(id) > Number(other);

/** Whether a text is an id.
 * @param {string} text */
export const isId = text => /^\d{1,16}$/.test(text);

/** When an id was given.
 * @param {string} id
 * @returns {Date} */
export const timeOf = id => new Date(Number(id) / 1000);
