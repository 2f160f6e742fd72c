// How much a feed keeps: in words, and to be changed.

import {$} from "../shared/dom.js";
import {feedPath, phraseOf, problemIn, request} from "../shared/http.js";
import {count} from "./units.js";

/** The bounds, as the settings call them; the dialog has an input for each. */
const BOUNDS = /** @type {const} */ (["max_items", "max_bytes", "max_age"]);

/** @typedef {{retention?: {max_items?: number, max_bytes?: string | number, max_age?: string | number}}} Settings */

/** @param {Settings | undefined} settings
 * @returns {string} such as "10,000 items, 64MiB, 30d" */
export function retentionWords(settings) {
  const {max_items: items, max_bytes: size, max_age: time} = settings?.retention ?? {};
  const bounded = (/** @type {string | number | undefined} */ value) => value !== undefined && !/^0\D*$/.test(String(value));
  return [bounded(items) && `${count(Number(items))} items`, bounded(size) && String(size), bounded(time) && String(time)]
    .filter(Boolean).join(", ") || "everything";
}

/**
 * Opens the dialog that changes what a feed keeps.
 *
 * @param {string} feed
 * @param {Settings} settings those in force
 * @param {boolean} own they were made for this feed alone
 * @param {(problem: import("../feed.js").Problem) => void} failed is told of
 *   problems that are shown here
 * @returns {Promise<string>} what was done, "" for nothing
 */
export function editRetention(feed, settings, own, failed) {
  const dialog = $("keep", HTMLDialogElement);
  const notice = $("keep-problem");
  $("keep-title").textContent = `What ${feed} keeps`;
  $("keep-whose").textContent = own ? "These settings were made for this feed alone." : "These settings come from the configuration.";
  $("keep-reset").hidden = !own;
  notice.hidden = true;
  for (const name of BOUNDS) $(name, HTMLInputElement).value = String(settings.retention?.[name] ?? "");
  return new Promise(resolve => {
    let done = "";
    /** @type {(words: string, method: string, sent?: {body: string}) => Promise<void>} */
    const attempt = async (words, method, sent) => {
      try {
        await request(method, feedPath(feed, "/settings"), sent);
        done = words;
        dialog.close();
      } catch (error) {
        failed(problemIn(error));
        notice.textContent = phraseOf(problemIn(error));
        notice.hidden = false;
      }
    };
    $("keep-form").onsubmit = event => {
      event.preventDefault();
      const given = BOUNDS.map(name => [name, $(name, HTMLInputElement).value.trim()]).filter(([, text]) => text !== "");
      // Digits are sent as a number; the server understands the rest, or says why not.
      const retention = Object.fromEntries(given.map(([name, text]) => [name, /^\d{1,15}$/.test(text) ? Number(text) : text]));
      attempt(`${feed} has settings of its own now.`, "PUT", {body: JSON.stringify({retention})});
    };
    $("keep-reset").onclick = () => attempt(`For ${feed} the configuration holds again.`, "DELETE");
    $("keep-cancel").onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(done), {once: true});
    dialog.showModal();
  });
}
