// Steps up with an authenticator or a backup code. The page then sends the stronger token.

import { AUTHENTICATE, CODES, forgetStepUp, headersFor, post, storeStepUp } from "./api.js";
import { byId, plural } from "./dom.js";
import { getAssertion, unsupported } from "./enrol.js";
import { runExclusively } from "./exclusive.js";
import { CeremonyFailed } from "./failed.js";
import { clear, showOutcome } from "./outcome.js";
import { explain } from "./words.js";

/**
 * Steps up with an authenticator. Calls `waiting` when the browser's dialog opens; `signal` closes it.
 * Marks an error as one of a step-up, which selects its text.
 */
export async function confirm(signIn, dialog) {
  try {
    return await authenticate(signIn, dialog);
  } catch (error) {
    error.step = "stepUp";
    throw error;
  }
}

async function authenticate(signIn, { signal, waiting }) {
  if (unsupported()) throw new CeremonyFailed(unsupported());
  // a step-up is completed in the session that began it, so both requests send the same token
  const headers = await headersFor(signIn);
  const begun = await post(AUTHENTICATE, {}, headers);
  waiting();
  const credential = await getAssertion(begun.body.options, signal);
  const done = await post(`${AUTHENTICATE}/complete`, { credential }, headers);
  storeStepUp(signIn, done.body);
  return done;
}

async function useCode(signIn) {
  const done = await post(`${CODES}/verify`, { code: byId("code").value }, await headersFor(signIn));
  storeStepUp(signIn, done.body);
  byId("code").value = "";
  return done;
}

/** `currentSignIn` returns the sign-in that is chosen; `after` is called after each step. */
export function startStepUps(currentSignIn, after) {
  const clearOutcome = () => {
    clear("step-up-status");
    clear("step-up-error");
  };
  const waiting = () => showOutcome("step-up-status", {
    tone: "ask", headline: "Waiting for your authenticator: answer the browser’s dialog.", waits: true,
  });
  const attempt = async (headline, work) => {
    const done = await runExclusively(async (signal) => {
      clearOutcome();
      try {
        const { body, requestId } = await work({ signal, waiting });
        await showOutcome("step-up-status", { tone: "allow", headline, reason: strength(body), answer: { requestId } });
      } catch (error) {
        clear("step-up-status");
        await showOutcome("step-up-error", { tone: "deny", ...explain(error, "authenticator", "stepUp"), answer: error });
      }
    });
    if (done) await after();
  };
  byId("confirm").addEventListener("submit", () => attempt("You are confirmed.", (dialog) => confirm(currentSignIn(), dialog)));
  byId("use-code").addEventListener("submit", () => attempt("The code is used.", () => useCode(currentSignIn())));
  byId("step-down").addEventListener("click", async () => {
    const done = await runExclusively(() => {
      forgetStepUp();
      clearOutcome();
      byId("confirm-title").focus();
    });
    if (done) await after();
  });
}

/** Describes the token of a step-up. */
function strength({ acr, amr, expires_in: seconds, remaining }) {
  if (acr) return `The token of this step-up is valid for ${Math.round(seconds / 60)} minutes (acr ${acr}, amr ${amr.join(" ")}).`;
  return `With it you can begin to add an authenticator; the shipped policies give you 5 minutes (amr ${amr.join(" ")}). ${plural(remaining, "backup code")} left.`;
}
