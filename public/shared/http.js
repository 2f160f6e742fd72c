// Requests of a page to its server, and what goes wrong with them in words.

import {NO_REASON, Failure, Refusal, ask, parsed} from "../feed-pages.js";

/** @typedef {import("../feed.js").Problem} Problem */

/** A page's requests last as long as the page. */
export const ALWAYS = new AbortController().signal;

/** What feedd answers pages with: JSON, or its configuration as YAML. */
const ANSWERS = /^application\/(([^;]+\+)?json|yaml)\b/;

/**
 * Asks the server for something.
 *
 * @param {string} method
 * @param {string} path
 * @param {{body?: string, type?: string, headers?: Record<string, string>}} [sent]
 *   type is that of the body, JSON without it
 * @returns {Promise<{value: any, text: string, headers: Headers}>} value is
 *   undefined if the answer is no JSON
 * @throws {Failure | Refusal} see {@link problemIn}
 */
export async function request(method, path, {body, type = "application/json", headers = {}} = {}) {
  const init = {method, body, headers: body === undefined ? headers : {"Content-Type": type, ...headers}};
  const answer = await ask(path, init, ALWAYS, ANSWERS);
  const value = parsed(answer.text);
  const json = answer.text !== "" && !answer.headers.get("Content-Type")?.includes("yaml");
  if (json && value === undefined) throw new Failure({problem: {title: "the server's answer cannot be read"}});
  return {...answer, value};
}

/** Why a request failed. Without a status there was no answer, or none that is
 * feedd's.
 * @param {unknown} error one of another kind is a fault of the scripts, and is
 *   thrown on
 * @returns {Problem} */
export function problemIn(error) {
  if (error instanceof Failure || error instanceof Refusal) return error.problem ?? {title: "the server does not answer"};
  throw error;
}

/** Whether a request that failed in this way may have been done all the same: its
 * answer was lost, or the server does not know.
 * @param {Problem} problem */
export const unsettled = ({status, type}) => status === undefined || status === 502 || status === 504 || type === "outcome-unknown";

/** What went wrong, for people: a part of a sentence.
 * @param {Problem} problem
 * @returns {string} */
export function wordsOf({status, type, title, detail}) {
  // This may be a proxy's page instead of a problem document; then its title is
  // that of the status.
  if (status && !type && detail === undefined) return ["the server answers", status, title === NO_REASON ? "" : title].filter(Boolean).join(" ");
  return [title, detail].filter(Boolean).join(": ");
}

/** The same with a capital letter.
 * @param {Problem} problem
 * @returns {string} */
export function phraseOf(problem) {
  const words = wordsOf(problem);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

/** The same as a sentence.
 * @param {Problem} problem
 * @returns {string} */
export const sentenceOf = problem => `${phraseOf(problem)}.`;

/** The path of a feed.
 * @param {string} feed
 * @param {string} [rest] such as "/settings" */
export const feedPath = (feed, rest = "") => `/feeds/${encodeURIComponent(feed)}${rest}`;
