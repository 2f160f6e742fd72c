// How much a feed keeps: in words, and to be changed.

import {feedPath, request} from "./request.js";
import {count} from "./units.js";

const $ = id => document.getElementById(id);

/** The bounds, as the settings call them. */
const BOUNDS = ["max_items", "max_bytes", "max_age"];

/** @typedef {{retention?: {max_items?: number, max_bytes?: string | number, max_age?: string | number}}} Settings */

/** @param {Settings | undefined} settings
 * @returns {string} such as "10,000 items, 64MiB, 30d" */
export function retentionWords(settings) {
  const {max_items: items, max_bytes: size, max_age: time} = settings?.retention ?? {};
  const bounded = value => value !== undefined && !/^0\D*$/.test(String(value));
  return [bounded(items) && `${count(Number(items))} items`, bounded(size) && String(size), bounded(time) && String(time)]
    .filter(Boolean).join(", ") || "everything";
}

/**
 * Lets somebody change what a feed keeps.
 *
 * @param {string} feed
 * @param {Settings} settings those in force
 * @param {boolean} own they are set for this feed alone
 * @param {(error: Error) => void} failed is told of errors that are shown here
 * @returns {Promise<string>} what was done, "" for nothing
 */
export function editRetention(feed, settings, own, failed) {
  const dialog = $("keep");
  const problem = $("keep-problem");
  $("keep-title").textContent = `What ${feed} keeps`;
  $("keep-whose").textContent = own ? "These settings were made for this feed alone." : "These settings come from the configuration.";
  $("keep-reset").hidden = !own;
  problem.hidden = true;
  for (const name of BOUNDS) $(name).value = settings.retention?.[name] ?? "";
  return new Promise(resolve => {
    let done = "";
    const attempt = async (words, method, sent) => {
      try {
        await request(method, feedPath(feed, "/settings"), sent);
        done = words;
        dialog.close();
      } catch (error) {
        failed(error);
        problem.textContent = error.message;
        problem.hidden = false;
      }
    };
    $("keep-form").onsubmit = event => {
      event.preventDefault();
      const given = BOUNDS.map(name => [name, $(name).value.trim()]).filter(([, text]) => text !== "");
      // A number is one; anything else is for the server to understand.
      const retention = Object.fromEntries(given.map(([name, text]) => [name, /^\d{1,15}$/.test(text) ? Number(text) : text]));
      attempt(`${feed} has settings of its own now.`, "PUT", {body: JSON.stringify({retention})});
    };
    $("keep-reset").onclick = () => attempt(`For ${feed} the configuration holds again.`, "DELETE");
    $("keep-cancel").onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(done), {once: true});
    dialog.showModal();
  });
}
