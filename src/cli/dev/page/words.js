// What went wrong, in words for a person, and what to do about it.

import { Refused, Unreachable } from "./api.js";
import { CeremonyFailed } from "./failed.js";

export const NOUN = { webauthn_passkey: "passkey", webauthn_fido: "security key" };

export const GATEWAY_GONE = "The gateway does not answer. Is “cedargate dev” still running? Start it again: this page goes on by itself.";

/**
 * What happened, more about it if there is more, and the way on. `noun` is what was to be added, `step`
 * what was tried, where that is no enrolment: `stepUp` or `change`.
 */
export function explain(error, noun, step) {
  if (error instanceof CeremonyFailed) return step === "stepUp" ? unconfirmed(error) : ceremony(error, noun);
  if (error instanceof Unreachable) return { said: "The gateway does not answer.", todo: "Is “cedargate dev” still running? Start it again, then try again." };
  if (error instanceof Refused) return step ? other(error) : refusal(error);
  return { said: `The page failed: ${error.message ?? error}`, todo: "Load it again." };
}

export function ceremony({ kind, cause }, noun = "authenticator") {
  switch (kind) {
    case "cancelled":
      return { said: "Nothing was added: the dialog was closed, or nothing answered it.", todo: `Try again when your ${noun} is at hand.` };
    case "late":
      return { said: "Nothing was added: the dialog was open for too long.", todo: "Try again, and answer it within a few minutes." };
    case "excluded":
      return { said: `This ${noun} is already yours.`, todo: "There is nothing to do, or use another one." };
    case "unsuitable":
      return { said: `What you have cannot be a ${noun} here: it lacks an algorithm, or cannot check that it is you.`, todo: "Set up a PIN, a fingerprint or a face on it, or use another one." };
    case "origin":
      return { said: "Browsers add authenticators here under the name localhost only.", todo: `Open http://localhost:${location.port}/ instead.` };
    case "none":
      return { said: "This browser has no WebAuthn, or it is switched off.", todo: "Open the page in a current Chrome, Edge, Firefox or Safari." };
    case "old":
      return { said: "This browser is too old to add authenticators here.", todo: "Update it, or open the page in a current Chrome, Edge, Firefox or Safari." };
    default:
      return { said: `The browser could not add it (${cause?.name ?? "unknown error"}: ${cause?.message ?? ""}).`, todo: "If an extension manages your passwords, switch it off here and try again." };
  }
}

/** A dialog that asked for an authenticator that is enrolled already. */
function unconfirmed(error) {
  switch (error.kind) {
    case "cancelled":
    case "late":
      return { said: "Nobody was confirmed: the dialog was closed, or nothing answered it.", todo: "Try again with an authenticator that is yours, or use a backup code." };
    default:
      return ceremony(error);
  }
}

/** Refusals of what is no enrolment. */
function other(error) {
  const { code, details } = error;
  switch (code) {
    case "not_found":
      return { said: "There is nothing to do this with.", why: error.message, todo: "Look at the list of authenticators." };
    case "invalid_credential":
      return { said: details.reason === "code" ? "This backup code does not work." : error.message, todo: "Try another one." };
    case "rate_limited":
      return { said: "Too many wrong codes.", why: error.message, todo: "Use an authenticator meanwhile." };
    case "step_up_required":
      return { said: "A fresh and strong sign-in is needed.", todo: "Confirm that it is you, then try again." };
    default:
      return refusal(error);
  }
}

function refusal(error) {
  const left = error.leftBehind ? " Your device may still list it: delete it there." : "";
  const why = error.code === "unauthenticated" ? error.message : undefined;
  return { said: saidOf(error), why, todo: todoOf(error) + left };
}

function saidOf({ status, code, details, message }) {
  switch (code) {
    case "step_up_required":
      return "A fresh and strong sign-in is needed.";
    case "unauthenticated":
      return "The sign-in was not accepted.";
    case "tenant_mismatch":
      return message;
    case "not_found":
      return "This enrolment has run out, or was used already.";
    case "invalid_request":
      return (details.fields ?? []).map(({ field, rule }) => `${field} ${rule}.`).join(" ") || message;
    default:
      // the notices say why, and stand beside it
      return status === 403 ? "Your policies do not permit this." : message;
  }
}

function todoOf({ code, status }) {
  switch (code) {
    case "step_up_required":
      return "Confirm that it is you with an authenticator that you have. “Just signed in strongly” under “Who asks” would do as well.";
    case "tenant_mismatch":
      return "Send the tenant that the token is for.";
    case "unauthenticated":
      return "Try again: the page takes a new token for each step.";
    case "not_found":
      return "Add it again from the start.";
    case "invalid_credential":
      return "Add it again from the start, or use another authenticator.";
    case "credential_exists":
      return "Look at the list below.";
    case "policy_error":
      return "The decision on this page names the policy and its error: mend it, wait a second and try again.";
    case "not_implemented":
      return "Choose another tenant, or the other kind of authenticator.";
    case "unavailable":
      return "Wait a second, then send it again.";
    case "invalid_request":
      return "Change that and try again.";
  }
  if (status === 403) return "Choose another kind of authenticator or another tenant, or edit the policy that is named here.";
  return "Try again. If it stays so, look at what “cedargate dev” prints.";
}
