// Texts about errors: what happened, and what to do.

import { Refused, Unreachable } from "./api.js";
import { CeremonyFailed } from "./failed.js";

export const NOUN = { webauthn_passkey: "passkey", webauthn_fido: "security key" };

export const GATEWAY_GONE = "The gateway does not answer. Is “cedargate dev” still running? Start it again: this page then continues by itself.";

/**
 * Returns the texts about an error: a headline, sometimes a reason, and advice. `noun` names the
 * authenticator. `step` is `stepUp` or `change` if the step was no enrolment; an error may carry its own.
 */
export function explain(error, noun, step = error.step) {
  if (error instanceof CeremonyFailed) return step === "stepUp" ? failedStepUp(error) : ceremony(error, noun);
  if (error instanceof Unreachable) return { headline: "The gateway does not answer.", advice: "Is “cedargate dev” still running? Start it again, then try again." };
  if (error instanceof Refused) {
    switch (step) {
      case "stepUp": return refusedStepUp(error);
      case "change": return refusedChange(error);
      default: return refusal(error);
    }
  }
  return { headline: `The page failed: ${error.message ?? error}`, advice: "Load the page again." };
}

export function ceremony({ kind, cause }, noun = "authenticator") {
  switch (kind) {
    case "cancelled":
      return { headline: "Nothing was added: the dialog was closed, or nothing answered it.", advice: `Try again when your ${noun} is at hand.` };
    case "late":
      return { headline: "Nothing was added: the dialog was open for too long.", advice: "Try again, and answer it within a few minutes." };
    case "excluded":
      return { headline: `This ${noun} is already yours.`, advice: "To add a second one, use another one." };
    case "unsuitable":
      return { headline: `This authenticator cannot be added as a ${noun}: it lacks an algorithm, or cannot verify the user.`, advice: "Set up a PIN, a fingerprint or a face on it, or use another one." };
    case "origin":
      return { headline: "Browsers use authenticators here under the name localhost only.", advice: `Open http://localhost:${location.port}/ instead.` };
    case "none":
      return { headline: "This browser has no WebAuthn, or it is switched off.", advice: "Open the page in a current Chrome, Edge, Firefox or Safari." };
    case "old":
      return { headline: "This browser is too old to use authenticators here.", advice: "Update it, or open the page in a current Chrome, Edge, Firefox or Safari." };
    default:
      return { headline: `The browser could not add it (${cause?.name ?? "unknown error"}: ${cause?.message ?? ""}).`, advice: "If an extension manages your passwords, switch it off here and try again." };
  }
}

/** Returns the texts about a ceremony with an enrolled authenticator that was not finished. */
function failedStepUp(error) {
  switch (error.kind) {
    case "cancelled":
    case "late":
      return { headline: "You were not confirmed: the dialog was closed, or nothing answered it.", advice: "Try again with one of your authenticators, or use a backup code." };
    case "origin":
    case "none":
    case "old":
      return ceremony(error);
    case "unsuitable":
      return { headline: "You were not confirmed: the authenticator lacks an algorithm, or cannot verify the user.", advice: "Use another of your authenticators, or a backup code." };
    default:
      return { headline: `You were not confirmed: the browser could not ask your authenticator (${error.cause?.name ?? "unknown error"}: ${error.cause?.message ?? ""}).`, advice: "If an extension manages your passwords, switch it off here and try again." };
  }
}

/** Returns the texts about a refused assertion or backup code. */
function refusedStepUp(error) {
  const { code, details, status } = error;
  switch (code) {
    case "not_found":
      return { headline: "You were not confirmed.", reason: error.message, advice: "Try again with an authenticator in the list, or use a backup code." };
    case "invalid_credential":
      return details.reason === "code"
        ? { headline: "This backup code does not work.", advice: "Try another one." }
        : { headline: "You were not confirmed.", reason: error.message, advice: "Try again with another of your authenticators, or use a backup code." };
    case "rate_limited":
      return { headline: "Too many attempts.", reason: error.message, advice: "Use an authenticator meanwhile." };
    case "not_implemented":
      return { headline: error.message, advice: "Choose another tenant, or tick “Just signed in strongly”." };
  }
  return status === 403 ? forbidden(error) : refusal(error);
}

/** Returns the texts about a refused change of enrolled authenticators or codes. */
function refusedChange(error) {
  switch (error.code) {
    case "not_found":
      return { headline: "This authenticator no longer exists.", reason: error.message, advice: "Read the list of authenticators again." };
    case "step_up_required":
      return { headline: "A fresh and strong sign-in is needed.", advice: "Step up above, then try again." };
  }
  return error.status === 403 ? forbidden(error) : refusal(error);
}

/** Returns the texts about a refusal by a policy in a step without a choice of authenticator. */
function forbidden(error) {
  const texts = refusal(error);
  if (error.code !== "tenant_mismatch" && error.code !== "recovery_required") texts.advice = "Choose another tenant, or edit the policy that is named here.";
  return texts;
}

/** Codes whose message says what happened and what to do. */
const SELF_EXPLAINED = ["recovery_required", "limit_reached", "codes_replaced", "rate_limited"];

function refusal(error) {
  if (SELF_EXPLAINED.includes(error.code)) return { headline: error.message };
  const left = error.leftBehind ? " Your device may still list it: delete it there." : "";
  const reason = error.code === "unauthenticated" ? error.message : undefined;
  return { headline: headlineFor(error), reason, advice: adviceFor(error) + left };
}

function headlineFor({ status, code, details, message }) {
  switch (code) {
    case "step_up_required":
      return "A fresh and strong sign-in is needed.";
    case "unauthenticated":
      return "The sign-in was not accepted.";
    case "tenant_mismatch":
      return message;
    case "not_found":
      return "This enrolment has expired, or was completed already.";
    case "invalid_request":
      return (details.fields ?? []).map(({ field, rule }) => `${field} ${rule}.`).join(" ") || message;
    default:
      // the panel shows the notices, which give the reason
      return status === 403 ? "Your policies do not permit this." : message;
  }
}

function adviceFor({ code, status }) {
  switch (code) {
    case "step_up_required":
      return "Confirm with an authenticator that you have, or tick “Just signed in strongly” under “Sign-in”.";
    case "tenant_mismatch":
      return "Send the tenant that the token is for.";
    case "unauthenticated":
      return "Try again: the page requests a new token for each step.";
    case "not_found":
      return "Add it again from the start.";
    case "invalid_credential":
      return "Add it again from the start, or use another authenticator.";
    case "credential_exists":
      return "It is in the list below.";
    case "policy_error":
      return "The list of decisions names the policy and its error: correct it, wait a second and try again.";
    case "not_implemented":
      return "Choose another tenant, or the other kind of authenticator.";
    case "unavailable":
      return "Wait a second, then send it again.";
    case "invalid_request":
      return "Correct it and try again.";
  }
  if (status === 403) return "Choose another kind of authenticator or another tenant, or edit the policy that is named here.";
  return "Try again. If the error stays, read what “cedargate dev” prints.";
}
