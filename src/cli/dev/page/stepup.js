// Step-ups: an authenticator or a backup code gives a stronger token, which the page then sends.

import { AUTHENTICATE, CODES, forget, hold, post, signedIn } from "./api.js";
import { byId } from "./dom.js";
import { get, lacking } from "./enrol.js";
import { CeremonyFailed } from "./failed.js";
import { clear, tell } from "./outcome.js";
import { explain } from "./words.js";

/** Confirms with an authenticator. `waiting` is called when the browser's dialog opens, `signal` closes it. */
export async function confirm(who, { signal, waiting }) {
  if (lacking()) throw new CeremonyFailed(lacking());
  // a step-up completes in the session that it was begun in: so both have the same token
  const headers = await signedIn(who);
  const begun = await post(AUTHENTICATE, {}, headers);
  waiting();
  const credential = await get(begun.body.options, signal);
  const done = await post(`${AUTHENTICATE}/complete`, { credential }, headers);
  hold(who, done.body);
  return done;
}

async function useCode(who) {
  const done = await post(`${CODES}/verify`, { code: byId("code").value }, await signedIn(who));
  hold(who, done.body);
  byId("code").value = "";
  return done;
}

/** `who` gives who asks now; `after` is called when something has happened. */
export function startStepUps(who, after) {
  let underWay;
  const attempt = async (said, work) => {
    if (underWay) return;
    underWay = new AbortController();
    clear("step-up-status");
    clear("step-up-error");
    const waiting = () => tell("step-up-status", {
      tone: "ask", said: "Waiting for your authenticator: answer the browser’s dialog.",
      offers: [["Stop waiting", () => underWay?.abort()]],
    });
    try {
      const { body, requestId } = await work({ signal: underWay.signal, waiting });
      await tell("step-up-status", { tone: "allow", said, why: strength(body), answer: { requestId } });
    } catch (error) {
      clear("step-up-status");
      await tell("step-up-error", { tone: "deny", ...explain(error, "authenticator", "stepUp"), answer: error });
    } finally {
      underWay = undefined;
    }
    await after();
  };
  byId("confirm").addEventListener("submit", () => attempt("It is you.", (dialog) => confirm(who(), dialog)));
  byId("use-code").addEventListener("submit", () => attempt("The code is used.", () => useCode(who())));
  byId("step-down").addEventListener("click", async () => {
    forget();
    clear("step-up-status");
    clear("step-up-error");
    byId("confirm-title").focus();
    await after();
  });
}

/** What the token of a step-up says. */
function strength({ acr, amr, expires_in: seconds, remaining }) {
  const left = remaining === undefined ? "" : ` ${remaining} backup codes left.`;
  const proved = acr ? `acr ${acr}, amr ${amr.join(" ")}` : `amr ${amr.join(" ")}: enough to add an authenticator`;
  return `The token of this step-up is good for ${Math.round(seconds / 60)} minutes (${proved}).${left}`;
}
