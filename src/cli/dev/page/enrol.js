// Enrols an authenticator: begins, asks the authenticator, completes.

import { REGISTER, Refused, Unreachable, headersFor, post } from "./api.js";
import { CeremonyFailed } from "./failed.js";

/** Returns the kind of `CeremonyFailed` that keeps this browser from enrolling; empty if nothing does. */
export function unsupported() {
  if (!window.isSecureContext) return "origin";
  if (!window.PublicKeyCredential) return "none";
  return PublicKeyCredential.parseCreationOptionsFromJSON ? "" : "old";
}

/** Enrols an authenticator. Calls `waiting` when the browser's dialog opens; `signal` closes it. */
export async function enrol(signIn, { methodType, deviceName, signal, waiting }) {
  if (unsupported()) throw new CeremonyFailed(unsupported());
  const begun = await post(`${REGISTER}?method_type=${methodType}`, {}, await headersFor(signIn));
  waiting();
  const credential = await create(begun.body.options, signal);
  return complete(signIn, { credential, device_name: deviceName, method_type: methodType });
}

/**
 * Completes an enrolment with the authenticator's answer. If it may be sent again, the error carries it
 * as `unsent`.
 */
export async function complete(signIn, enrolment) {
  try {
    return await post(`${REGISTER}/complete`, enrolment, await headersFor(signIn));
  } catch (error) {
    if (canBeSentAgain(error)) error.unsent = enrolment;
    else error.leftBehind = !await unlist(error.details?.signal);
    throw error;
  }
}

const create = (options, signal) => ceremony(options, () => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return navigator.credentials.create({ publicKey, signal });
});

/** Asks one of the user's authenticators for an assertion. */
export const getAssertion = (options, signal) => ceremony(options, () => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey, signal });
});

async function ceremony(options, openDialog) {
  const started = performance.now();
  try {
    return (await openDialog()).toJSON();
  } catch (error) {
    const late = performance.now() - started >= options.timeout;
    throw new CeremonyFailed(kindOf(error, late), error);
  }
}

/** Names the kind of an error of WebAuthn Level 3, §5.1.3 and §5.1.4, which have no error for a timeout. */
function kindOf(error, late) {
  switch (error.name) {
    case "NotAllowedError": return late ? "late" : "cancelled";
    case "AbortError": return "cancelled";
    case "InvalidStateError": return "excluded";
    case "NotSupportedError":
    case "ConstraintError": return "unsuitable";
    case "SecurityError": return "origin";
    default: return "unknown";
  }
}

/** Returns true if the enrolment is still pending: after a refusal before the checks, or a fault. */
function canBeSentAgain(error) {
  if (error instanceof Unreachable) return true;
  if (!(error instanceof Refused)) return false;
  const { status, details } = error;
  return status === 401 || (status === 403 && !details.signal) || status === 408 || status >= 500;
}

/**
 * Removes a credential that was not stored from the browser's list (WebAuthn Level 3, §5.1.10). Returns
 * false if the browser cannot do that.
 */
async function unlist(signal) {
  if (!signal) return true;
  if (!PublicKeyCredential.signalUnknownCredential) return false;
  return PublicKeyCredential.signalUnknownCredential(signal).then(() => true, () => false);
}
