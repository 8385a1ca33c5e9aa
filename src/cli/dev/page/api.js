// Calls of the gateway, as any client makes them, and of dev's two helpers.

export const METHODS = "/v1/users/me/mfa";
export const REGISTER = `${METHODS}/webauthn/register`;

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
  if (!response.ok) throw new Refused(response, body);
  return { body, requestId: response.headers.get("x-request-id") };
}

const json = (body, headers) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

export const get = (path, headers) => send(path, { headers });
export const post = (path, body, headers) => send(path, json(body, headers));

/** The headers of who asks. Each step takes a token of its own, so that a restart is no matter. */
export async function signedIn({ user, tenant, groups, strong }) {
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
