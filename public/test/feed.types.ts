// Compiles only where feed.d.ts says what feed.js has: scripts/types derives the
// declarations from feed.js, and here both are compared.

import type * as written from "../feed.js";
import type * as derived from "../node_modules/.declarations/feed.js";

/** true for types that are the same, to the last property. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

type Feed = written.Feed;
type Derived = derived.Feed;

const same: {
  item: Same<written.Item, derived.Item>;
  gap: Same<written.Gap, derived.Gap>;
  problem: Same<written.Problem, derived.Problem>;
  state: Same<written.State, derived.State>;
  options: Same<written.Options, derived.Options>;
  push: Same<written.Push, derived.Push>;
  to: Same<written.PushTo, derived.PushTo>;
  end: Same<written.End, derived.End>;
  exports: Same<keyof typeof written, keyof typeof derived>;
  feed: Same<ConstructorParameters<typeof written.Feed>, ConstructorParameters<typeof derived.Feed>>;
  refusal: Same<ConstructorParameters<typeof written.Refusal>, ConstructorParameters<typeof derived.Refusal>>;
  members: Same<keyof Feed, keyof Derived>;
  // Listeners apart: only what is written by hand knows the events' details.
  methods: Same<Omit<Feed, keyof EventTarget>, Omit<Derived, keyof EventTarget>>;
  problems: Same<written.Refusal["problem"], derived.Refusal["problem"]>;
} = {
  item: true, gap: true, problem: true, state: true, options: true, push: true, to: true, end: true,
  exports: true, feed: true, refusal: true, members: true, methods: true, problems: true,
};
export default same;
