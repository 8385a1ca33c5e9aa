// Refusals to try: each says before what will happen, and after what did.

import { METHODS, REGISTER, Refused, get, post, signedIn } from "./api.js";
import { byId } from "./dom.js";
import { tenantName } from "./decisions.js";
import { clear, tell } from "./outcome.js";
import { explain } from "./words.js";

const BANK = "0e0e0e0e-0000-4000-8000-000000000001";
const CLINIC = "0e0e0e0e-0000-4000-8000-000000000002";

async function otherTenant(who) {
  const other = who.tenant === BANK ? CLINIC : BANK;
  const headers = await signedIn(who);
  return expect("tenant_mismatch", () => get(METHODS, { ...headers, "x-tenant-id": other }), {
    why: `The token is for ${tenantName(who.tenant)}, the header named ${tenantName(other)}. Nothing was read.`,
    permitted: `Your policies let a token for ${tenantName(who.tenant)} into ${tenantName(other)}.`,
  });
}

async function forbiddenType(who) {
  const headers = await signedIn({ ...who, tenant: BANK });
  return expect("method_type_not_allowed", () => post(`${REGISTER}?method_type=webauthn_passkey`, {}, headers), {
    why: "No dialog opened: the answer came before. A security key would have been let in.",
    permitted: "Your policies let Example Bank have passkeys. What was begun runs out unused.",
  });
}

async function secondWithoutStepUp(who) {
  const headers = await signedIn({ ...who, strong: false });
  const { methods } = (await get(METHODS, headers)).body;
  if (methods.length === 0) {
    return {
      tone: "ask",
      said: `${who.user} has no authenticator yet.`,
      why: "The first needs no step-up: there is nothing to confirm with.",
      todo: "Add one above, then try this again.",
    };
  }
  return expect("step_up_required", () => post(`${REGISTER}?method_type=webauthn_fido`, {}, headers), {
    why: "A weak sign-in cannot add another. Ticking “Just signed in strongly” above lets it in.",
    permitted: "Your policies ask no step-up for a second authenticator. What was begun runs out unused.",
  });
}

/** What to tell of a request that should be refused with this code. */
async function expect(code, request, { why, permitted }) {
  try {
    const { requestId } = await request();
    return { tone: "ask", said: "It was permitted.", why: permitted, answer: { requestId } };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === code) return { tone: "deny", said: "Refused, as foretold.", why, answer: error };
    return { tone: "ask", said: "Refused, but for another reason.", why: explain(error).said, answer: error };
  }
}

/** `who` gives who asks now; `after` is called when one has been tried. */
export function startRefusals(who, after) {
  const experiments = { "try-tenant": otherTenant, "try-type": forbiddenType, "try-second": secondWithoutStepUp };
  for (const [id, experiment] of Object.entries(experiments)) {
    byId(id).addEventListener("click", async () => {
      const result = `${id}-result`;
      clear(result);
      const told = await experiment(who()).catch((error) => ({ tone: "deny", ...explain(error), answer: error }));
      await tell(result, told);
      await after();
    });
  }
}
