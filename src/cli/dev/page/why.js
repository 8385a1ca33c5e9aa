// Why a request was decided as it was: read when somebody opens it, and by the policies in force then.

import { readWhy } from "./api.js";
import { element } from "./dom.js";

let count = 0;

/** A part of a decision that opens, and then says why. */
export function whyOf({ action, revision }, requestId, at) {
  const summary = element("summary", "", "Why");
  summary.setAttribute("aria-label", `Why: ${action}, decision ${++count}`); // each has a name of its own
  const said = element("div", "");
  const made = element("details", "why", summary, said);
  made.addEventListener("toggle", async () => {
    if (!made.open || said.dataset.read) return;
    said.replaceChildren(element("p", "note", "Reading…"));
    try {
      said.replaceChildren(...explained(await readWhy(requestId, at), revision));
      said.dataset.read = "true";
    } catch (error) { // opened again, it is read again
      said.replaceChildren(element("p", "note", error.message));
    }
  });
  return made;
}

function explained(why, revision) {
  const lines = [];
  if (why.revision !== revision) {
    lines.push(element("p", "note", "The policies have changed since. This is what those of now say:"));
  }
  const { policies, would_permit: changes } = why;
  const errs = (one) => one.head.length === 0 && one.clauses.some(({ value }) => value === "error");
  const byDefault = why.decision === "deny" && why.reason.length === 0 && why.errors.length === 0;
  const near = (one) => byDefault && one.effect === "permit" && !one.shadow;
  const decided = why.decision === "allow" ? "Permitted by" : why.errors.length > 0 ? "It would have been decided by" : "Forbidden by";
  const other = (one) => !one.determined && !errs(one) && !near(one);
  lines.push(...group("This failed, which refuses whatever else the policies say", policies.filter(errs), whole));
  lines.push(...group(decided, policies.filter((one) => one.determined && !errs(one)), whole));
  if (byDefault) {
    const nearest = group("No policy permits it. The permits that came nearest", policies.filter(near), whole);
    lines.push(...nearest.length > 0 ? nearest : [element("p", "", "No policy permits it.")]);
  }
  if (changes.length > 0) {
    lines.push(element("p", "group", "It would be allowed with one of these alone"));
    lines.push(element("ul", "", ...changes.map(({ help }) => element("li", "", help))));
  }
  lines.push(...group("These apply, and did not decide it", policies.filter((one) => other(one) && one.applies), name));
  lines.push(...group("These do not apply", policies.filter((one) => other(one) && !one.applies), failing));
  return lines;
}

/** A heading and what it heads; nothing, if there is nothing. */
function group(heading, policies, show) {
  if (policies.length === 0) return [];
  return [element("p", "group", heading), ...policies.flatMap(show)];
}

function name({ id, effect, shadow, file, line }) {
  const kind = shadow ? `${effect}, shadow` : effect;
  return [element("p", "", element("code", "policy", id), ` (${kind}) `, element("span", "fine", `${file}:${line}`))];
}

/** A policy, its text, and all that it asked. */
function whole(policy) {
  return [...name(policy), element("pre", "", policy.text), parts(policy, policy.clauses)];
}

/** A policy, and what kept it from applying. */
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
  const was = value === "error" ? " failed" : ` was ${value}`;
  const saw = needed ? [needed] : Object.entries(observed).map(([path, seen]) => `${path} was ${seen ?? "absent"}`);
  const lines = error ? [error, ...saw] : saw;
  return element("li", "", unless ? "unless " : "when ", element("code", "", text), was, ...lines.map((line) => element("p", "", line)));
}
