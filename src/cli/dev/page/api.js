// Calls the API, as any client does, and the three helper routes of dev.

export const METHODS = "/v1/users/me/mfa";
export const REGISTER = `${METHODS}/webauthn/register`;
export const AUTHENTICATE = `${METHODS}/webauthn/authenticate`;
export const CODES = `${METHODS}/backup-codes`;

const TIMEOUT_MS = 15_000;

/** An error answer of the gateway. */
export class Refused extends Error {
  constructor(response, body) {
    super(body.message ?? `The gateway answered ${response.status}.`);
    this.status = response.status;
    this.code = body.code ?? "";
    this.details = body.details ?? {};
    this.notices = body.notices ?? [];
    this.requestId = response.headers.get("x-request-id");
  }
}

/** A request without an answer, or with one that is not JSON. */
export class Unreachable extends Error {}

/** Sends a request. Returns the body of its answer, and the request id. */
async function send(path, init) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  let response, body;
  try {
    response = await fetch(path, { ...init, signal, cache: "no-store", redirect: "error" });
    body = await response.json();
  } catch (cause) {
    throw new Unreachable("The gateway does not answer.", { cause });
  }
  if (!response.ok) {
    // the removal of an authenticator ends earlier step-ups
    if (body.code === "unauthenticated") stepUp = undefined;
    throw new Refused(response, body);
  }
  return { body, requestId: response.headers.get("x-request-id") };
}

const json = (method, body, headers) => ({
  method,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const get = (path, headers) => send(path, { headers });
export const post = (path, body, headers) => send(path, json("POST", body, headers));
export const patch = (path, body, headers) => send(path, json("PATCH", body, headers));
export const remove = (path, headers) => send(path, { method: "DELETE", headers });

/** The token of the last step-up, with its owner and its expiry. */
let stepUp;

const keyOf = (signIn) => JSON.stringify([signIn.user, signIn.tenant, signIn.groups]);

/** Stores the token of a step-up. The page sends it in the place of a sign-in token. */
export function storeStepUp(signIn, { access_token: token, expires_in: seconds, acr }) {
  stepUp = { token, acr, owner: keyOf(signIn), until: Date.now() + seconds * 1000 };
}

/** Returns the step-up of this sign-in, if there is one that has not expired. */
export function stepUpOf(signIn) {
  if (stepUp && (stepUp.owner !== keyOf(signIn) || stepUp.until <= Date.now())) stepUp = undefined;
  return stepUp;
}

export function forgetStepUp() {
  stepUp = undefined;
}

/**
 * Returns the headers of a request: with the token of a step-up that has not expired, otherwise with a
 * new token. A new token for each step works after a restart of the gateway, too.
 */
export async function headersFor(signIn) {
  const { user, tenant, groups, strong } = signIn;
  const current = strong ? undefined : stepUpOf(signIn);
  if (current) return { authorization: `Bearer ${current.token}`, "x-tenant-id": tenant };
  const request = { user, tenant, groups };
  if (strong) Object.assign(request, { acr: "phr", auth_time: "0s" });
  const { body } = await post("/dev/token", request);
  return { authorization: `Bearer ${body.token}`, "x-tenant-id": tenant };
}

/** Reads the last request events, oldest first. */
export async function readRecords() {
  const { body } = await get("/dev/records");
  return body.records;
}

/** Reads the explanation of a decision. `index` counts the decisions of the request from 0. */
export async function readExplanation(requestId, index) {
  const { body } = await get(`/dev/why?${new URLSearchParams({ request_id: requestId, decision: index })}`);
  return body;
}
