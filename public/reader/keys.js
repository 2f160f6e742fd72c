// Shortcuts: single keys, which the reader can switch off.

const OFF = "feedd.noShortcuts";

/** Where keys are text. */
const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

/**
 * @param {Record<string, () => void>} actions by key
 * @param {HTMLInputElement} box switches them on and off
 */
export function listenForKeys(actions, box) {
  box.checked = read() === null;
  box.addEventListener("change", () => {
    try {
      if (box.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "1");
    } catch {
      // It holds for this page then.
    }
  });
  document.addEventListener("keydown", event => {
    const {key, target} = event;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || !Object.hasOwn(actions, key)) return;
    if (key !== "Escape" && (!box.checked || target.closest?.(TYPING))) return;
    event.preventDefault();
    actions[key]();
  });
}

function read() {
  try {
    return localStorage.getItem(OFF);
  } catch {
    return null;
  }
}
