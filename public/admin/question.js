// Questions before what cannot be taken back. The browser puts the keyboard on
// the first control of a dialog, and back when that is closed.

const $ = id => document.getElementById(id);

/**
 * Asks. No is what is chosen at first, and what is answered while there is
 * another question: nobody has seen this one.
 *
 * @param {{title: string, text: string, yes: string}} question yes is what the
 *   button says that does it
 * @returns {Promise<boolean>}
 */
export function ask({title, text, yes}) {
  const dialog = $("question");
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
