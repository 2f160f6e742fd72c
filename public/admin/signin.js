// Signing in, by the ticket in a link or by the key. Neither is kept: a cookie
// that scripts cannot read comes in their place.

import {Refusal} from "../feed-pages.js";
import {problemIn, request} from "../shared/http.js";

/**
 * Takes the ticket out of the address, so that it stays in no history and no
 * copy of the link.
 *
 * @returns {string} "" if there is none
 */
export function takeTicket() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket") ?? "";
  if (/^#(.*&)?ticket=/.test(location.hash)) history.replaceState(null, "", location.pathname + location.search);
  return ticket;
}

/** @returns {Promise<boolean>} whether this browser is the administrator's
 * @throws see problemIn */
export async function signedIn() {
  return (await request("GET", "/session")).value?.admin === true;
}

/** @param {{key: string} | {ticket: string}} by
 * @throws see problemIn; with words for the person who has the key or the link */
export async function signIn(by) {
  try {
    await request("POST", "/session", {body: JSON.stringify(by)});
  } catch (error) {
    if (problemIn(error).status !== 401) throw error;
    throw new Refusal({
      title: "ticket" in by
        ? "This link was used already, or is older than ten minutes. “feedd link” on the server prints another one"
        : "This is not the key. The server keeps it in the file admin.key in its data directory",
    });
  }
  if (!await signedIn()) {
    throw new Refusal({title: "The browser does not keep the cookie of the session, which it needs to come in"});
  }
}

/** @throws see problemIn */
export async function signOut() {
  await request("DELETE", "/session");
}
