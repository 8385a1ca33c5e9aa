// What went wrong, in words for a person, and what to do about it.

import { Refused, Unreachable } from "./api.js";
import { CeremonyFailed } from "./failed.js";

export const NOUN = { webauthn_passkey: "passkey", webauthn_fido: "security key" };

export const GATEWAY_GONE = "The gateway does not answer. Is “cedargate dev” still running? Start it again: this page goes on by itself.";

/**
 * What happened, more about it if there is more, and the way on. `noun` is what was to be added, `step`
 * what was tried, where that is no enrolment: `stepUp` or `change`. An error may know its own.
 */
export function explain(error, noun, step = error.step) {
  if (error instanceof CeremonyFailed) return step === "stepUp" ? unconfirmed(error) : ceremony(error, noun);
  if (error instanceof Unreachable) return { said: "The gateway does not answer.", todo: "Is “cedargate dev” still running? Start it again, then try again." };
  if (error instanceof Refused) {
    switch (step) {
      case "stepUp": return notConfirmed(error);
      case "change": return notChanged(error);
      default: return refusal(error);
    }
  }
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
      return { said: "Browsers use authenticators here under the name localhost only.", todo: `Open http://localhost:${location.port}/ instead.` };
    case "none":
      return { said: "This browser has no WebAuthn, or it is switched off.", todo: "Open the page in a current Chrome, Edge, Firefox or Safari." };
    case "old":
      return { said: "This browser is too old to use authenticators here.", todo: "Update it, or open the page in a current Chrome, Edge, Firefox or Safari." };
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
    case "origin":
    case "none":
    case "old":
      return ceremony(error);
    case "unsuitable":
      return { said: "Nobody was confirmed: the authenticator lacks an algorithm, or cannot check that it is you.", todo: "Use another one that is yours, or a backup code." };
    default:
      return { said: `Nobody was confirmed: the browser could not ask your authenticator (${error.cause?.name ?? "unknown error"}: ${error.cause?.message ?? ""}).`, todo: "If an extension manages your passwords, switch it off here and try again." };
  }
}

/** Refusals of an authenticator's confirmation, or of a backup code. */
function notConfirmed(error) {
  const { code, details, status } = error;
  switch (code) {
    case "not_found":
      return { said: "Nobody was confirmed.", why: error.message, todo: "Try again with an authenticator of the list, or use a backup code." };
    case "invalid_credential":
      return details.reason === "code"
        ? { said: "This backup code does not work.", todo: "Try another one." }
        : { said: "Nobody was confirmed.", why: error.message, todo: "Try again, with another authenticator that is yours, or use a backup code." };
    case "rate_limited":
      return { said: "Too many attempts.", why: error.message, todo: "Use an authenticator meanwhile." };
    case "not_implemented":
      return { said: error.message, todo: "Choose another tenant, or tick “Just signed in strongly”." };
  }
  return status === 403 ? forbidden(error) : refusal(error);
}

/** Refusals to change what is enrolled. */
function notChanged(error) {
  switch (error.code) {
    case "not_found":
      return { said: "There is nothing to do this with.", why: error.message, todo: "Look at the list of authenticators." };
    case "step_up_required":
      return { said: "A fresh and strong sign-in is needed.", todo: "Confirm that it is you, then try again." };
  }
  return error.status === 403 ? forbidden(error) : refusal(error);
}

/** What a policy refused, with the way on where no kind of authenticator was chosen. */
function forbidden(error) {
  const told = refusal(error);
  if (error.code !== "tenant_mismatch" && error.code !== "recovery_required") told.todo = "Choose another tenant, or edit the policy that is named here.";
  return told;
}

/** Codes whose message says itself what happened and what to do. */
const SELF_EXPLAINED = ["recovery_required", "limit_reached", "codes_replaced", "rate_limited"];

function refusal(error) {
  if (SELF_EXPLAINED.includes(error.code)) return { said: error.message };
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
