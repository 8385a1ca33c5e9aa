// Sends the requests under “Refusals to try” and shows their outcomes.

import { METHODS, REGISTER, Refused, get, headersFor, post } from "./api.js";
import { byId } from "./dom.js";
import { tenantName } from "./decisions.js";
import { clear, showOutcome } from "./outcome.js";
import { explain } from "./words.js";

const BANK = "0e0e0e0e-0000-4000-8000-000000000001";
const CLINIC = "0e0e0e0e-0000-4000-8000-000000000002";

async function otherTenant(signIn) {
  const other = signIn.tenant === BANK ? CLINIC : BANK;
  const headers = await headersFor(signIn);
  return expect("tenant_mismatch", () => get(METHODS, { ...headers, "x-tenant-id": other }), {
    reason: `The token is for ${tenantName(signIn.tenant)}, the header named ${tenantName(other)}. The gateway read nothing.`,
    permitted: `Your policies let a token for ${tenantName(signIn.tenant)} into ${tenantName(other)}.`,
  });
}

async function forbiddenType(signIn) {
  const headers = await headersFor({ ...signIn, tenant: BANK });
  return expect("method_type_not_allowed", () => post(`${REGISTER}?method_type=webauthn_passkey`, {}, headers), {
    reason: "The answer came before any dialog opened. A security key would be permitted.",
    permitted: "Your policies let Example Bank have passkeys. The enrolment that was begun expires unused.",
  });
}

async function secondWithoutStepUp(signIn) {
  const headers = await headersFor({ ...signIn, strong: false });
  const { methods } = (await get(METHODS, headers)).body;
  if (methods.length === 0) {
    return {
      tone: "ask",
      headline: `${signIn.user} has no authenticator yet.`,
      reason: "The first one needs no step-up, because there is none to confirm with.",
      advice: "Add one above, then try this again.",
    };
  }
  return expect("step_up_required", () => post(`${REGISTER}?method_type=webauthn_fido`, {}, headers), {
    reason: "A weak sign-in cannot add another one. Tick “Just signed in strongly” above, and the same request is permitted.",
    permitted: "Your policies require no step-up for a second authenticator. The enrolment that was begun expires unused.",
  });
}

/** Sends a request that should be refused with this code. Returns the outcome to show. */
async function expect(code, request, { reason, permitted }) {
  try {
    const { requestId } = await request();
    return { tone: "ask", headline: "The request was permitted.", reason: permitted, answer: { requestId } };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === code) return { tone: "deny", headline: "Refused, as expected.", reason, answer: error };
    return { tone: "ask", headline: "Refused, but for another reason.", reason: explain(error).headline, answer: error };
  }
}

/** `currentSignIn` returns the sign-in that is chosen; `after` is called after each try. */
export function startRefusals(currentSignIn, after) {
  const experiments = { "try-tenant": otherTenant, "try-type": forbiddenType, "try-second": secondWithoutStepUp };
  for (const [id, experiment] of Object.entries(experiments)) {
    byId(id).addEventListener("click", async () => {
      const result = `${id}-result`;
      clear(result);
      const outcome = await experiment(currentSignIn()).catch((error) => ({ tone: "deny", ...explain(error), answer: error }));
      await showOutcome(result, outcome);
      await after();
    });
  }
}
