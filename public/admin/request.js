// Requests of a page to its server, and what goes wrong with them in words.

/** How long an answer may take, in ms. The server gives up a commit earlier. */
const PATIENCE = 40_000;

/** The server said no, or nothing at all (status 0). */
export class RequestError extends Error {
  /** @param {{status: number, type?: string, title: string, detail?: string, offset?: number, line?: number}} problem
   *   as the server gives it (RFC 9457); offset is in bytes of the body, or of
   *   its line */
  constructor(problem) {
    super([problem.title, problem.detail].filter(Boolean).join(": "));
    this.name = "RequestError";
    Object.assign(this, problem);
  }
}

/** Whether a request that failed in this way may have been done all the same.
 * @param {RequestError} error */
export const unsettled = ({status, type}) => status === 0 || status === 502 || status === 504 || type === "outcome-unknown";

/**
 * Asks the server for something.
 *
 * @param {string} method
 * @param {string} path
 * @param {{body?: string, type?: string, headers?: Record<string, string>}} [sent]
 *   type is that of the body, JSON without it
 * @returns {Promise<{value: *, text: string, headers: Headers, status: number}>}
 *   value is undefined where the answer is no JSON
 * @throws {RequestError}
 */
export async function request(method, path, {body, type = "application/json", headers = {}} = {}) {
  let response, text;
  try {
    response = await fetch(path, {
      method, body, headers: body === undefined ? headers : {"Content-Type": type, ...headers},
      cache: "no-store", signal: AbortSignal.timeout(PATIENCE),
    });
    text = await response.text();
  } catch {
    throw new RequestError({status: 0, title: "The server does not answer"});
  }
  const json = /^application\/([^;]+\+)?json\b/.test(response.headers.get("Content-Type") ?? "");
  const {status} = response;
  let value;
  try {
    if (json) value = JSON.parse(text);
  } catch {
    throw new RequestError({status: 0, title: "The server's answer cannot be read"});
  }
  if (response.ok) return {value, text, headers: response.headers, status};
  // Not from feedd: a proxy's page, perhaps.
  throw new RequestError(value?.title ? {...value, status} : {status, title: `The server answers ${status} ${response.statusText}`.trim()});
}

/** The path of a feed.
 * @param {string} feed
 * @param {string} [rest] such as "/settings" */
export const feedPath = (feed, rest = "") => `/feeds/${encodeURIComponent(feed)}${rest}`;
