// The copies of an item, offered in its row.

import {around, one} from "../shared/dom.js";
import {copiesOf, copy} from "./copy.js";

/**
 * @param {HTMLElement} row
 * @param {import("../feed.js").Item} item
 * @param {import("../shared/address.js").Address} address
 * @param {HTMLElement} menu a new one, with a button for each copy
 * @param {(text: string) => void} say
 */
export function openMenu(row, item, address, menu, say) {
  const button = one(row, ".copy");
  const place = one(menu, "pre");
  const copies = copiesOf(item, address);
  menu.addEventListener("click", async event => {
    const what = around(event, "button")?.dataset.copy;
    if (what) say(await copy(copies[what], place) ? "Copied" : "Selected, to be copied");
  });
  button.after(menu);
  button.setAttribute("aria-expanded", "true");
  one(menu, "button").focus();
}

/** @param {Element | null} menu */
export function closeMenu(menu) {
  const button = menu?.previousElementSibling;
  menu?.remove();
  button?.setAttribute("aria-expanded", "false");
  if (button instanceof HTMLElement) button.focus();
}
