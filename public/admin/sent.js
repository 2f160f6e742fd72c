// What was published from this page, to be sent again or changed.

import {pageFor} from "../shared/address.js";
import {make, makeButton} from "../shared/dom.js";

/** How many messages are remembered: more than a person looks back at. */
const MOST = 50;
/** How much of a message is shown, in characters: one line. */
const LENGTH = 120;

export class Sent {
  /**
   * @param {HTMLOListElement} list
   * @param {object} to
   * @param {(message: import("./publishing.js").Message, key?: string) => void} to.again
   *   with the key of a message that may be stored already
   * @param {(kind: string, draft: Record<string, string>, message: import("./publishing.js").Message) => void} to.edit
   */
  constructor(list, to) {
    this.list = list;
    this.to = to;
  }

  /** Adds a message that is on its way.
   * @param {import("./publishing.js").Message} message
   * @param {string} key
   * @param {string} kind of the form
   * @param {Record<string, string>} draft what was in the form
   * @returns {{stored: (id: string, where: string) => void, refused: (why: string, open: boolean) => void}} */
  add(message, key, kind, draft) {
    const outcome = make("span", "outcome", "under way");
    const again = makeButton("quiet", "Send again");
    const edit = makeButton("quiet", "Edit");
    const words = [message.feed, message.event].filter(Boolean).join(" · ");
    const text = message.body.replaceAll(/\s+/g, " ");
    const row = make("li", "", make("p", "about", make("time", "", new Date().toLocaleTimeString("en-GB")), make("b", "", words), outcome),
      make("p", "what", text.length > LENGTH ? `${text.slice(0, LENGTH)}…` : text), make("p", "bar", again, edit));
    this.list.prepend(row);
    for (const old of [...this.list.children].slice(MOST)) old.remove();
    if (this.list.parentElement) this.list.parentElement.hidden = false;

    /** @type {string | undefined} */
    let sameKey;
    again.addEventListener("click", () => {
      // A message that may be stored already is sent with its key, once.
      this.to.again(message, sameKey);
      if (sameKey) row.remove();
    });
    edit.addEventListener("click", () => this.to.edit(kind, draft, message));
    return {
      stored(id, where) {
        const link = make("a", "", id);
        link.href = pageFor({selector: message.feed, at: id});
        link.target = "feedd-reader";
        outcome.replaceChildren(link, ` ${where}`);
      },
      refused(why, open) {
        outcome.textContent = open ? `no answer: ${why}` : `refused: ${why}`;
        outcome.classList.add("bad");
        if (!open) return;
        sameKey = key;
        again.textContent = "Try again";
      },
    };
  }
}
