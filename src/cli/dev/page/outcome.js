// Shows the outcome of a request in a panel: a text, the notices, and the determining policies.

import { readRecords } from "./api.js";
import { byId, element } from "./dom.js";
import { abortStep, markAsStep } from "./exclusive.js";

/** Empties a panel. */
export function clear(id) {
  byId(id).className = "";
  byId(id).replaceChildren();
}

/**
 * Fills a panel. `tone` is allow, deny or ask. `headline`, `reason` and `advice` are sentences. `answer`
 * may have a status, a code, notices and a request id. `offers` are buttons that begin a step, as
 * `[label, action]`. `waits` adds a button that closes the open dialog.
 */
export async function showOutcome(id, outcome) {
  const { tone, headline, reason, advice, answer = {}, offers = [], waits = false } = outcome;
  const { status, code, notices = [], requestId } = answer;
  const decidedBy = requestId ? await determiningPolicies(requestId) : undefined;
  const lines = [element("p", "headline", headline)];
  if (reason) lines.push(element("p", "", reason));
  lines.push(...notices.map((notice) => element("p", "notice", notice)));
  if (advice) lines.push(element("p", "", advice));
  if (decidedBy) lines.push(element("p", "fine", ...decidedBy));
  if (status) lines.push(element("p", "fine", `Answer: ${status} ${code}`));
  const buttons = offers.map((offer) => markAsStep(button(offer)));
  if (waits) buttons.push(button(["Stop waiting", abortStep]));
  if (buttons.length > 0) lines.push(element("div", "buttons", ...buttons));
  byId(id).className = `panel ${tone}`;
  byId(id).replaceChildren(...lines);
  // on a phone the panel may be below the visible part; after a success the codes have the focus
  if (tone !== "allow") byId(id).scrollIntoView({ block: "nearest" });
}

function button([label, action]) {
  const made = element("button", "quiet", label);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

/** Names the policies that determined the last decision of a request. */
async function determiningPolicies(requestId) {
  const records = await readRecords().catch(() => []);
  const decision = records.findLast((record) => record.request_id === requestId)?.decisions.at(-1);
  if (!decision) return undefined;
  return ["Decided by ", ...policiesOf(decision)];
}

/** Returns the ids of the determining policies, or a text if there are none. */
export function policiesOf({ effect, policies }) {
  if (policies.length > 0) {
    return policies.flatMap((id, index) => [index > 0 ? ", " : "", element("code", "policy", id)]);
  }
  return [effect === "deny" ? "default: no policy permits it" : "no policy"];
}
