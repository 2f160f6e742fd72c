// What is in force: the meaning of an acknowledgement, and the configuration.

import {request} from "./request.js";

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
 * @param {{tell: (text: string, how?: string) => void, failed: (error: Error) => void, store: (where: string) => void}} to
 *   store is told where the store is
 * @returns {() => Promise<void>} shows what is in force now */
export function settingsIn(section, to) {
  const block = section.querySelector("pre");
  const words = section.querySelector(".durability");
  section.querySelector("button").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      to.tell("The configuration was copied.", "good");
    } catch {
      // Without leave to copy it can be chosen at least.
      block.focus();
      getSelection().selectAllChildren(block);
      to.tell("The configuration is chosen, to be copied.", "busy");
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
      to.failed(error);
      words.textContent = error.message;
    }
  };
}
