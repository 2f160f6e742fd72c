// Questions before what cannot be taken back.

const $ = id => document.getElementById(id);

/**
 * Asks, and gives the keyboard back to where it was.
 *
 * @param {{title: string, text: string, yes: string}} question yes is what the
 *   button says that does it
 * @returns {Promise<boolean>}
 */
export function ask({title, text, yes}) {
  const dialog = $("question");
  $("question-title").textContent = title;
  $("question-text").textContent = text;
  $("question-yes").textContent = yes;
  return new Promise(resolve => {
    open(dialog, $("question-no"), () => resolve(dialog.returnValue === "yes"));
    $("question-yes").onclick = () => dialog.close("yes");
    $("question-no").onclick = () => dialog.close("");
  });
}

/**
 * Opens a dialog.
 *
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement} first has the keyboard then
 * @param {() => void} closed
 */
export function open(dialog, first, closed) {
  const before = document.activeElement;
  dialog.returnValue = "";
  dialog.showModal();
  first.focus();
  dialog.addEventListener("close", () => {
    // What the keyboard was on may have been made anew.
    if (before?.isConnected) before.focus();
    closed();
  }, {once: true});
}
