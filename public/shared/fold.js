// Items that are tall are folded, so that none pushes all others off the screen.
// The style sheet says how tall they may be.

import {makeButton} from "./dom.js";

const sizes = new ResizeObserver(entries => {
  for (const {target} of entries) {
    const tall = target.scrollHeight > target.clientHeight + 1;
    const button = target.querySelector(":scope > .fold");
    // What was opened in it may be closed again.
    if (button instanceof HTMLElement) button.hidden = !tall && !target.classList.contains("unfolded");
    else if (tall && target instanceof HTMLElement) addButton(target);
  }
});

/** Gives an element, once it is seen to be too tall, a button that shows all of
 * it.
 * @param {HTMLElement} element */
export function foldWhenTall(element) {
  sizes.observe(element);
}

/** @param {HTMLElement} element */
function addButton(element) {
  const button = makeButton("fold", "");
  const unfold = (/** @type {boolean} */ on) => {
    element.classList.toggle("unfolded", on);
    button.textContent = on ? "Show less" : "Show more";
    button.setAttribute("aria-expanded", String(on));
  };
  unfold(false);
  button.addEventListener("click", () => {
    const on = !element.classList.contains("unfolded");
    unfold(on);
    if (!on) button.scrollIntoView({block: "nearest", behavior: "instant"}); // it was at the end, perhaps far down
  });
  // The keyboard's place must be seen.
  element.addEventListener("focusin", ({target}) => {
    if (target instanceof Element && target !== button && target.matches(":focus-visible")) unfold(true);
  });
  element.append(button);
}
