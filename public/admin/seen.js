// Work that is repeated only while its result can be seen.

/** How long a typed filter must stay unchanged before the server is asked, in
 * ms: longer than the time between two keys. */
export const TYPING = 250;
/** How far outside of the window an element counts as seen, so that it is up to
 * date when the reader scrolls to it. */
const NEAR = "100px";

/**
 * Does something as soon as an element is seen, and again some time after it
 * was done, as long as the element and the page are seen.
 *
 * @param {Element} element
 * @param {number} every in ms
 * @param {() => Promise<void>} work it handles its errors
 * @returns {{now: () => Promise<void>}} now does it at once
 */
export function whileSeen(element, every, work) {
  let near = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let turn = 0;
  const seen = () => near && !document.hidden && !element.closest("[hidden]");
  const again = async () => {
    clearTimeout(timer);
    const mine = ++turn;
    await work();
    if (mine !== turn) return; // a later turn goes on
    if (seen()) timer = setTimeout(again, every);
  };
  const look = () => {
    clearTimeout(timer);
    if (seen()) again();
  };
  new IntersectionObserver(entries => {
    near = entries.at(-1)?.isIntersecting ?? near;
    look();
  }, {rootMargin: NEAR}).observe(element);
  document.addEventListener("visibilitychange", look);
  return {now: again};
}
