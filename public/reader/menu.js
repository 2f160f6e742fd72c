// The copies of an item, offered in its row.

import {copiesOf, copy} from "./copy.js";

/**
 * @param {HTMLElement} row
 * @param {import("../feed.js").Item} item
 * @param {import("../shared/address.js").Address} address
 * @param {HTMLElement} menu a new one, with a button for each copy
 * @param {(text: string) => void} say
 */
export function openMenu(row, item, address, menu, say) {
  const button = row.querySelector(".copy");
  const place = menu.querySelector("pre");
  const copies = copiesOf(item, address);
  menu.addEventListener("click", async ({target}) => {
    const what = target.closest("button")?.dataset.copy;
    if (what) say(await copy(copies[what], place) ? "Copied" : "Chosen, to be copied");
  });
  button.after(menu);
  button.setAttribute("aria-expanded", "true");
  menu.querySelector("button").focus();
}

/** @param {Element | null} menu */
export function closeMenu(menu) {
  const button = menu?.previousElementSibling;
  menu?.remove();
  button?.setAttribute("aria-expanded", "false");
  button?.focus();
}
