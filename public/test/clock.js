// A clock that stands still until a test moves it.

/** Takes the place of setTimeout, clearTimeout and Date.now in a test.
 * @param {import("node:test").TestContext} t */
export function fakeClock(t) {
  const real = {setTimeout, clearTimeout, now: Date.now};
  let now = 1_700_000_000_000;
  let count = 0;
  /** @type {Map<number, {at: number, run: () => void}>} */
  const timers = new Map();
  Object.assign(globalThis, {
    setTimeout: (/** @type {(...args: any[]) => void} */ run, ms = 0, /** @type {any[]} */ ...args) => {
      timers.set(++count, {at: now + ms, run: () => run(...args)});
      return count;
    },
    clearTimeout: (/** @type {number} */ id) => timers.delete(id),
  });
  Date.now = () => now;
  t.after(() => {
    Object.assign(globalThis, {setTimeout: real.setTimeout, clearTimeout: real.clearTimeout});
    Date.now = real.now;
  });
  return {
    /** Lets all that waits for nothing but other promises go on. */
    async settle() {
      await new Promise(resolve => real.setTimeout(resolve));
      await new Promise(resolve => real.setTimeout(resolve));
    },
    /** Moves the clock, and runs what is due meanwhile, in its order.
     * @param {number} ms */
    async pass(ms) {
      const end = now + ms;
      await this.settle();
      for (;;) {
        const [next] = [...timers].filter(([, {at}]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (!next) break;
        const [id, {at, run}] = next;
        timers.delete(id);
        now = at;
        run();
        await this.settle();
      }
      now = end;
    },
  };
}
