// An enrolment: begun, answered by an authenticator, completed.

import { REGISTER, Refused, Unreachable, post, signedIn } from "./api.js";
import { CeremonyFailed } from "./failed.js";

/** Whether this browser can add authenticators, as a kind of `CeremonyFailed`; empty if it can. */
export function lacking() {
  if (!window.isSecureContext) return "origin";
  if (!window.PublicKeyCredential) return "none";
  return PublicKeyCredential.parseCreationOptionsFromJSON ? "" : "old";
}

/** Adds an authenticator. `waiting` is called when the browser's dialog opens, `signal` closes it. */
export async function enrol(who, { methodType, deviceName, signal, waiting }) {
  if (lacking()) throw new CeremonyFailed(lacking());
  const begun = await post(`${REGISTER}?method_type=${methodType}`, {}, await signedIn(who));
  waiting();
  const credential = await create(begun.body.options, signal);
  return complete(who, { credential, device_name: deviceName, method_type: methodType });
}

/** Sends what the authenticator answered. Where that may be sent again, the error holds it. */
export async function complete(who, enrolment) {
  try {
    return await post(`${REGISTER}/complete`, enrolment, await signedIn(who));
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

/** Lets one of the user's authenticators answer request options. */
export const get = (options, signal) => ceremony(options, () => {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey, signal });
});

async function ceremony(options, dialog) {
  const started = performance.now();
  try {
    return (await dialog()).toJSON();
  } catch (error) {
    const late = performance.now() - started >= options.timeout;
    throw new CeremonyFailed(kindOf(error, late), error);
  }
}

/** The names are those of WebAuthn Level 3, §5.1.3 and §5.1.4. A timeout has none of its own there. */
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

/** A refusal before anything was verified, and a failure of the gateway, leave an enrolment pending. */
function canBeSentAgain(error) {
  if (error instanceof Unreachable) return true;
  if (!(error instanceof Refused)) return false;
  const { status, details } = error;
  return status === 401 || (status === 403 && !details.signal) || status === 408 || status >= 500;
}

/**
 * A credential that was not kept leaves the browser's list, too (WebAuthn Level 3, §5.1.10). False
 * where the browser cannot do that.
 */
async function unlist(signal) {
  if (!signal) return true;
  if (!PublicKeyCredential.signalUnknownCredential) return false;
  return PublicKeyCredential.signalUnknownCredential(signal).then(() => true, () => false);
}
