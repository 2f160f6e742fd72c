// What is in force: the meaning of an acknowledgement, and the configuration.

import {one} from "../shared/dom.js";
import {phraseOf, problemIn, request} from "../shared/http.js";

/** @type {Record<string, {short: string, long: string}>} */
const DURABILITY = {
  fsync: {short: "on disk", long: "on disk, and survives a crash and a power loss"},
  memory: {short: "in memory", long: "in memory only, and gone when the server stops"},
};

/** What the Feedd-Durability header of an answer says, in words.
 * @param {Headers} headers
 * @returns {{short: string, long: string}} */
export function durabilityIn(headers) {
  const value = headers.get("Feedd-Durability") ?? "";
  return DURABILITY[value] ?? {short: value, long: value || "not known"};
}

/** @param {HTMLElement} section has the block, the button and the words
 * @param {{tell: (text: string, how?: string) => void, failed: (problem: import("../feed.js").Problem) => void, store: (where: string) => void}} to
 *   store is told where the store is
 * @returns {() => Promise<void>} shows what is in force now */
export function configIn(section, to) {
  const block = one(section, "pre");
  const words = one(section, ".durability");
  one(section, "button").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      to.tell("The configuration was copied.", "good");
    } catch {
      // The browser does not let the page copy, but it can select.
      block.focus();
      getSelection()?.selectAllChildren(block);
      to.tell("The configuration is selected, to be copied.", "busy");
    }
  });
  return async () => {
    try {
      const {text, headers} = await request("GET", "/config");
      block.textContent = text;
      const {short, long} = durabilityIn(headers);
      words.textContent = long;
      to.store(short);
    } catch (error) {
      const problem = problemIn(error);
      to.failed(problem);
      words.textContent = phraseOf(problem);
    }
  };
}
