// Explains a decision. The explanation is read when its element is opened, with the policies in force then.

import { readExplanation } from "./api.js";
import { element } from "./dom.js";

let count = 0;

/** Creates an element that shows the explanation of a decision when it is opened. */
export function explanationOf({ action, revision }, requestId, index) {
  const summary = element("summary", "", "Why");
  summary.setAttribute("aria-label", `Why: ${action}, decision ${++count}`); // accessible names must differ
  const body = element("div", "");
  const made = element("details", "why", summary, body);
  made.addEventListener("toggle", async () => {
    if (!made.open || body.dataset.read) return;
    body.replaceChildren(element("p", "note", "Reading…"));
    try {
      body.replaceChildren(...linesOf(await readExplanation(requestId, index), revision));
      body.dataset.read = "true";
    } catch (error) { // the next opening reads it again
      body.replaceChildren(element("p", "note", error.message));
    }
  });
  return made;
}

function linesOf(explanation, revision) {
  const lines = [];
  if (explanation.revision !== revision) {
    lines.push(element("p", "note", "The policies have changed since. The policies in force now decide like this:"));
  }
  const { policies, would_permit: changes } = explanation;
  const fails = (policy) => policy.head.length === 0 && policy.clauses.some(({ value }) => value === "error");
  const byDefault = explanation.decision === "deny" && explanation.reason.length === 0 && explanation.errors.length === 0;
  const nearest = (policy) => byDefault && policy.effect === "permit" && !policy.shadow;
  const determined = explanation.decision === "allow" ? "Permitted by"
    : explanation.errors.length > 0 ? "Without the error, decided by" : "Forbidden by";
  const other = (policy) => !policy.determined && !fails(policy) && !nearest(policy);
  lines.push(...group("These failed, so the request is refused whatever the other policies decide", policies.filter(fails), whole));
  lines.push(...group(determined, policies.filter((policy) => policy.determined && !fails(policy)), whole));
  if (byDefault) {
    const permits = group("No policy permits it. The permits that came nearest", policies.filter(nearest), whole);
    lines.push(...permits.length > 0 ? permits : [element("p", "", "No policy permits it.")]);
  }
  if (changes.length > 0) {
    lines.push(element("p", "group", "Any one of these changes would permit it"));
    lines.push(element("ul", "", ...changes.map(({ help }) => element("li", "", help))));
  }
  lines.push(...group("These apply, but did not determine the decision", policies.filter((policy) => other(policy) && policy.applies), name));
  lines.push(...group("These do not apply", policies.filter((policy) => other(policy) && !policy.applies), failing));
  return lines;
}

/** Returns a heading and its policies, or nothing if there are no policies. */
function group(heading, policies, show) {
  if (policies.length === 0) return [];
  return [element("p", "group", heading), ...policies.flatMap(show)];
}

function name({ id, effect, shadow, file, line }) {
  const kind = shadow ? `${effect}, shadow` : effect;
  return [element("p", "", element("code", "policy", id), ` (${kind}) `, element("span", "fine", `${file}:${line}`))];
}

/** Shows a policy with its text and all its clauses. */
function whole(policy) {
  return [...name(policy), element("pre", "", policy.text), parts(policy, policy.clauses)];
}

/** Shows a policy with the clauses that keep it from applying. */
function failing(policy) {
  return [...name(policy), parts(policy, policy.clauses.filter(({ fails }) => fails))];
}

function parts({ head }, clauses) {
  return element("ul", "", ...head.map(headPart), ...clauses.map(clause));
}

function headPart({ text, needed }) {
  return element("li", "", element("code", "", text), " does not match", ...needed ? [element("p", "", needed)] : []);
}

function clause({ text, unless, value, error, observed, needed }) {
  const result = value === "error" ? " failed" : ` was ${value}`;
  const facts = needed ? [needed] : Object.entries(observed).map(([path, fact]) => `${path} was ${fact ?? "absent"}`);
  const lines = error ? [error, ...facts] : facts;
  return element("li", "", unless ? "unless " : "when ", element("code", "", text), result, ...lines.map((line) => element("p", "", line)));
}
