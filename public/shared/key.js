// Keys under which the server stores a message once, however often it comes.

/** A word that no one else has: 128 random bits.
 * @returns {string} */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
}
