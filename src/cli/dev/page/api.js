// Calls of the gateway, as any client makes them, and of dev's three helpers.

export const METHODS = "/v1/users/me/mfa";
export const REGISTER = `${METHODS}/webauthn/register`;
export const AUTHENTICATE = `${METHODS}/webauthn/authenticate`;
export const CODES = `${METHODS}/backup-codes`;

const PATIENCE_MS = 15_000;

/** The gateway answered, and did not do what was asked. */
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

/** Nothing came back, or nothing that a gateway says. */
export class Unreachable extends Error {}

/** Sends a request: its answer's body, and the id that its record has. */
async function send(path, init) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  let response, body;
  try {
    response = await fetch(path, { ...init, signal, cache: "no-store", redirect: "error" });
    body = await response.json();
  } catch (cause) {
    throw new Unreachable("The gateway does not answer.", { cause });
  }
  if (!response.ok) {
    // a removal ends the step-ups before it
    if (body.code === "unauthenticated") held = undefined;
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

/** The token of the last step-up, whose it is, and until when it is good. */
let held;

const sameAs = (one) => JSON.stringify([one.user, one.tenant, one.groups]);

/** Keeps the token of a step-up: it is sent in the place of a sign-in's. */
export function hold(who, { access_token: token, expires_in: seconds, acr }) {
  held = { token, acr, whose: sameAs(who), until: Date.now() + seconds * 1000 };
}

/** The step-up of who asks, if there is one. */
export function stepUpOf(who) {
  if (held && (held.whose !== sameAs(who) || held.until <= Date.now())) held = undefined;
  return held;
}

export function forget() {
  held = undefined;
}

/**
 * The headers of who asks: with the token of their step-up, while it is good. Else each step takes a
 * token of its own, so that a restart is no matter.
 */
export async function signedIn(who) {
  const { user, tenant, groups, strong } = who;
  const stepUp = strong ? undefined : stepUpOf(who);
  if (stepUp) return { authorization: `Bearer ${stepUp.token}`, "x-tenant-id": tenant };
  const wanted = { user, tenant, groups };
  if (strong) Object.assign(wanted, { acr: "phr", auth_time: "0s" });
  const { body } = await post("/dev/token", wanted);
  return { authorization: `Bearer ${body.token}`, "x-tenant-id": tenant };
}

/** The last records, oldest first. */
export async function readRecords() {
  const { body } = await get("/dev/records");
  return body.records;
}

/** Why a request was decided as it was; `at` is the place of the decision among those of the request. */
export async function readWhy(requestId, at) {
  const { body } = await get(`/dev/why?${new URLSearchParams({ request_id: requestId, decision: at })}`);
  return body;
}
