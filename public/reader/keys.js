// Shortcuts: single keys, which the reader can switch off.

import {forget, keep, recall} from "../shared/storage.js";

/** Where it is kept that they are off. */
const OFF = "feedd.noShortcuts";

/** Where keys are text. */
const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

/**
 * @param {Record<string, () => void>} actions by key
 * @param {HTMLInputElement} box switches them on and off
 */
export function listenForKeys(actions, box) {
  box.checked = recall("localStorage", OFF) === undefined;
  box.addEventListener("change", () => {
    if (box.checked) forget("localStorage", OFF);
    else keep("localStorage", OFF, 1);
  });
  document.addEventListener("keydown", event => {
    const {key, target} = event;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || !Object.hasOwn(actions, key)) return;
    if (key !== "Escape" && (!box.checked || target instanceof Element && target.closest(TYPING))) return;
    event.preventDefault();
    actions[key]();
  });
}
