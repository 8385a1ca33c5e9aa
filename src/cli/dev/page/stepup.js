// Step-ups: an authenticator or a backup code gives a stronger token, which the page then sends.

import { alone } from "./alone.js";
import { AUTHENTICATE, CODES, forget, hold, post, signedIn } from "./api.js";
import { byId, plural } from "./dom.js";
import { get, lacking } from "./enrol.js";
import { CeremonyFailed } from "./failed.js";
import { clear, tell } from "./outcome.js";
import { explain } from "./words.js";

/**
 * Confirms with an authenticator. `waiting` is called when the browser's dialog opens, `signal` closes
 * it. What fails is marked as this step's, so that wherever it is told it has the words of this step.
 */
export async function confirm(who, dialog) {
  try {
    return await ask(who, dialog);
  } catch (error) {
    error.step = "stepUp";
    throw error;
  }
}

async function ask(who, { signal, waiting }) {
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
  const quiet = () => {
    clear("step-up-status");
    clear("step-up-error");
  };
  const waiting = () => tell("step-up-status", {
    tone: "ask", said: "Waiting for your authenticator: answer the browser’s dialog.", waits: true,
  });
  const attempt = async (said, work) => {
    const done = await alone(async (signal) => {
      quiet();
      try {
        const { body, requestId } = await work({ signal, waiting });
        await tell("step-up-status", { tone: "allow", said, why: strength(body), answer: { requestId } });
      } catch (error) {
        clear("step-up-status");
        await tell("step-up-error", { tone: "deny", ...explain(error, "authenticator", "stepUp"), answer: error });
      }
    });
    if (done) await after();
  };
  byId("confirm").addEventListener("submit", () => attempt("It is you.", (dialog) => confirm(who(), dialog)));
  byId("use-code").addEventListener("submit", () => attempt("The code is used.", () => useCode(who())));
  byId("step-down").addEventListener("click", async () => {
    const done = await alone(() => {
      forget();
      quiet();
      byId("confirm-title").focus();
    });
    if (done) await after();
  });
}

/** What the token of a step-up says, and what it is good for. */
function strength({ acr, amr, expires_in: seconds, remaining }) {
  if (acr) return `The token of this step-up is good for ${Math.round(seconds / 60)} minutes (acr ${acr}, amr ${amr.join(" ")}).`;
  return `It lets you begin to add an authenticator, by the shipped policies within 5 minutes (amr ${amr.join(" ")}). ${plural(remaining, "backup code")} left.`;
}
