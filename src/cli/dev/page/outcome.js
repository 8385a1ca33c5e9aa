// A panel that says what came of a request: in words, with the policies' own, and who decided.

import { asStep, stop } from "./alone.js";
import { byId, element } from "./dom.js";
import { readRecords } from "./api.js";

/** Empties a panel. */
export function clear(id) {
  byId(id).className = "";
  byId(id).replaceChildren();
}

/**
 * Fills one. `tone` is allow, deny or ask; `said` is the headline, `why` and `todo` are sentences;
 * `answer` is what has a status, a code, notices and a request id; `offers` are buttons that begin a
 * step, as `[label, action]`; `waits` says that a dialog is open, which a button closes.
 */
export async function tell(id, { tone, said, why, todo, answer = {}, offers = [], waits = false }) {
  const { status, code, notices = [], requestId } = answer;
  const decided = requestId ? await deciders(requestId) : undefined;
  const lines = [element("p", "said", said)];
  if (why) lines.push(element("p", "", why));
  lines.push(...notices.map((notice) => element("p", "notice", notice)));
  if (todo) lines.push(element("p", "", todo));
  if (decided) lines.push(element("p", "fine", ...decided));
  if (status) lines.push(element("p", "fine", `Answer: ${status} ${code}`));
  const buttons = offers.map((offer) => asStep(button(offer)));
  if (waits) buttons.push(button(["Stop waiting", stop]));
  if (buttons.length > 0) lines.push(element("div", "buttons", ...buttons));
  byId(id).className = `panel ${tone}`;
  byId(id).replaceChildren(...lines);
  // on a phone it may stand below what is seen; codes have the focus when all went well
  if (tone !== "allow") byId(id).scrollIntoView({ block: "nearest" });
}

function button([label, action]) {
  const made = element("button", "quiet", label);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

/** Which policies decided a request, by its record. */
async function deciders(requestId) {
  const records = await readRecords().catch(() => []);
  const decision = records.findLast((one) => one.request_id === requestId)?.decisions.at(-1);
  if (!decision) return undefined;
  return ["Decided by ", ...policiesOf(decision)];
}

/** The ids of a decision's policies, or why there are none. */
export function policiesOf({ effect, policies }) {
  if (policies.length > 0) {
    return policies.flatMap((id, at) => [at > 0 ? ", " : "", element("code", "policy", id)]);
  }
  return [effect === "deny" ? "default: no policy permits it" : "no policy"];
}
