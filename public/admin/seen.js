// Work that is repeated only while somebody can see what it is for.

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
  let timer;
  let turn = 0;
  const seen = () => near && !document.hidden && !element.closest("[hidden]");
  const again = async () => {
    clearTimeout(timer);
    const mine = ++turn;
    await work();
    if (mine !== turn) return; // a later one goes on
    if (seen()) timer = setTimeout(again, every);
  };
  const look = () => {
    clearTimeout(timer);
    if (seen()) again();
  };
  new IntersectionObserver(entries => {
    near = entries.at(-1).isIntersecting;
    look();
  }, {rootMargin: "100px"}).observe(element);
  document.addEventListener("visibilitychange", look);
  return {now: again};
}
