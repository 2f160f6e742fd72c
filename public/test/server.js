// A server in the place of fetch.

/**
 * Answers requests in a test.
 *
 * @param {import("node:test").TestContext} t
 * @param {(url: URL, init: RequestInit) => Response | Promise<Response>} answer
 * @returns {URL[]} what was asked, as it comes
 */
export function serve(t, answer) {
  /** @type {URL[]} */
  const asked = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (url, init = {}) => {
    init.signal?.throwIfAborted();
    asked.push(new URL(String(url)));
    return answer(new URL(String(url)), init);
  };
  t.after(() => { globalThis.fetch = real; });
  return asked;
}

/** A page of a feed.
 * @param {number[]} ids
 * @param {{cursor?: number, more?: boolean, gap?: object}} [rest] */
export function page(ids, {cursor = ids.at(-1) ?? 0, more = false, gap} = {}) {
  const items = ids.map(id => ({id: String(id), feed: "main", time: "2026-11-28T12:00:00Z", data: id}));
  return Response.json({items, cursor: String(cursor), more, gap});
}

/** A problem document.
 * @param {number} status
 * @param {object} problem
 * @param {Record<string, string>} [headers] */
export function problem(status, problem, headers = {}) {
  return new Response(JSON.stringify(problem), {status, headers: {"Content-Type": "application/problem+json", ...headers}});
}
