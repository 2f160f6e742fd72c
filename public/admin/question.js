// Questions before an action that cannot be undone. The browser puts the
// keyboard on the first control of a dialog, and back when that is closed.

import {$} from "../shared/dom.js";

/**
 * Asks whether to do something. The keyboard begins on No. While another question
 * is open the answer is No at once, because the person has not read this one.
 *
 * @param {{title: string, text: string, yes: string}} question yes is what the
 *   button says that does it
 * @returns {Promise<boolean>}
 */
export function confirmed({title, text, yes}) {
  const dialog = $("question", HTMLDialogElement);
  if (dialog.open) return Promise.resolve(false);
  $("question-title").textContent = title;
  $("question-text").textContent = text;
  $("question-yes").textContent = yes;
  return new Promise(resolve => {
    dialog.returnValue = "";
    dialog.showModal();
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {once: true});
    $("question-yes").onclick = () => dialog.close("yes");
    $("question-no").onclick = () => dialog.close("");
  });
}
