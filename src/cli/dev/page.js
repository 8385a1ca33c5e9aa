// The page of `cedargate dev`: who asks is chosen, authenticators are added, decisions are shown.
// Nothing here decides anything: it calls the API as any client would.

const METHODS = "/v1/users/me/mfa";
const REGISTER = `${METHODS}/webauthn/register`;
const NOUN = { webauthn_passkey: "passkey", webauthn_fido: "security key" };
const EFFECT = { allow: "allowed", deny: "denied", step_up: "step-up asked", error: "failed" };
const LOOK_EVERY_MS = 2000;

const byId = (id) => document.getElementById(id);

/** An element with a class and children; text is never read as HTML. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** What the API answered when it did not do what was asked. */
class Refused extends Error {
  constructor(status, body) {
    super(body.message ?? `The gateway answered ${status}.`);
    this.status = status;
    this.code = body.code;
    this.notices = body.notices ?? [];
    this.signal = body.details?.signal;
  }
}

async function send(path, init) {
  let response;
  try {
    response = await fetch(path, { ...init, cache: "no-store", redirect: "error" });
  } catch {
    throw new Error("The gateway does not answer: is “cedargate dev” still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

const post = (path, body, headers = {}) =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const chosenUser = () => byId("user").value.trim();

/** The headers of whoever is chosen. Each step has a token of its own, so that a restart is no matter. */
async function signedIn() {
  const tenant = byId("tenant").value;
  const wanted = { user: chosenUser(), tenant };
  const groups = byId("groups").value.split(",").map((one) => one.trim()).filter(Boolean);
  if (groups.length > 0) wanted.groups = groups;
  if (byId("strong").checked) Object.assign(wanted, { acr: "phr", auth_time: "0s" });
  const { token } = await post("/dev/token", wanted);
  return { authorization: `Bearer ${token}`, "x-tenant-id": byId("header-tenant").value || tenant };
}

async function enrol(methodType) {
  if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
    throw new Error("This browser is too old to add an authenticator here: it has no PublicKeyCredential.parseCreationOptionsFromJSON.");
  }
  const headers = await signedIn();
  const begun = await post(`${REGISTER}?method_type=${methodType}`, {}, headers);
  tell(`Waiting for your ${NOUN[methodType]}…`);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options);
  const credential = await navigator.credentials.create({ publicKey });
  const body = { credential: credential.toJSON(), device_name: byId("device-name").value, method_type: methodType };
  return post(`${REGISTER}/complete`, body, headers);
}

async function add(methodType) {
  busy(true);
  tell("");
  try {
    const answer = await enrol(methodType);
    byId("device-name").value = "";
    // none come while older ones work: those that may still be shown stay
    if (answer.codes.length > 0) showCodes(answer.codes);
    tell(`The ${NOUN[methodType]} is added. ${plural(answer.remaining, "backup code")} left.`);
  } catch (error) {
    await forget(error.signal);
    complain(error, methodType);
  } finally {
    busy(false);
  }
  await readMethods();
  await readDecisions();
}

/** A credential that was not kept leaves the browser's list, too. */
async function forget(signal) {
  if (signal && PublicKeyCredential.signalUnknownCredential) {
    await PublicKeyCredential.signalUnknownCredential(signal).catch(() => {});
  }
}

function busy(is) {
  for (const id of ["add-passkey", "add-security-key"]) byId(id).disabled = is;
}

function tell(sentence) {
  byId("error").replaceChildren();
  byId("status").textContent = sentence;
}

function complain(error, methodType) {
  byId("status").textContent = "";
  const lines = [element("p", "", sentenceOf(error, methodType))];
  if (error instanceof Refused) {
    lines.push(...error.notices.map((notice) => element("p", "notice-text", notice)));
    lines.push(element("p", "", element("small", "", `${error.status} ${error.code ?? ""}`)));
  }
  byId("error").replaceChildren(...lines);
}

/** What happened, in words for a person. The names are those of WebAuthn Level 3, §5.1.3. */
function sentenceOf(error, methodType) {
  if (error instanceof Refused) {
    if (error.code === "step_up_required") return `${error.message} Here: tick “Just signed in strongly” and try again.`;
    return error.message;
  }
  switch (error.name) {
    case "NotAllowedError":
      return "Nothing was added: the dialog was closed, or it took too long. Try again when you are ready.";
    case "InvalidStateError":
      return `This ${NOUN[methodType]} is already yours: use another one.`;
    case "NotSupportedError":
    case "ConstraintError":
      return `What you have cannot be a ${NOUN[methodType]} here: it lacks an algorithm, or cannot verify you with a PIN or biometrics.`;
    case "SecurityError":
      return "The browser adds authenticators at localhost only: open the page under that name.";
    case "AbortError":
      return "Nothing was added: the dialog was interrupted. Try again.";
    default:
      return error.message || String(error);
  }
}

function showCodes(codes) {
  byId("codes").replaceChildren(...codes.map((code) => element("li", "", code)));
  byId("codes-section").hidden = codes.length === 0;
  byId("copy-codes").textContent = "Copy";
  if (codes.length > 0) byId("codes-title").focus();
}

async function copyCodes() {
  const codes = [...byId("codes").children].map((item) => item.textContent);
  try {
    await navigator.clipboard.writeText(codes.join("\n"));
    byId("copy-codes").textContent = "Copied";
  } catch {
    byId("copy-codes").textContent = "Select and copy them by hand";
  }
}

const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const when = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

let reading = 0;

async function readMethods() {
  const mine = ++reading;
  byId("methods-user").textContent = chosenUser() || "nobody";
  try {
    const { methods, backup_codes: codes } = await send(METHODS, { headers: await signedIn() });
    if (mine !== reading) return; // somebody else was chosen meanwhile
    byId("methods-note").textContent = methods.length === 0
      ? "None yet."
      : `${plural(methods.length, "authenticator")}, ${plural(codes.remaining, "backup code")} left.`;
    byId("methods").replaceChildren(...methods.map(methodItem));
  } catch (error) {
    if (mine !== reading) return;
    byId("methods").replaceChildren();
    byId("methods-note").textContent = [error.message, ...(error.notices ?? [])].join(" ");
  }
}

function methodItem(method) {
  const synced = method.backed_up ? "synced" : method.backup_eligible ? "may be synced" : "bound to its device";
  const facts = [NOUN[method.method_type] ?? method.method_type, method.model, synced, `added ${when(method.created_at)}`];
  const item = element("li", "", element("strong", "", method.device_name),
    element("p", "note", facts.filter(Boolean).join(" · ")));
  item.dataset.methodType = method.method_type;
  return item;
}

let shown = "";

async function readDecisions() {
  let records;
  try {
    ({ records } = await send("/dev/records"));
  } catch (error) {
    byId("decisions-note").textContent = error.message;
    shown = "";
    return;
  }
  const text = JSON.stringify(records);
  // what is the same stays as it is: a selection in it, or a reader's place
  if (text === shown) return;
  shown = text;
  byId("decisions-note").textContent = records.length === 0
    ? "Each request shows up here, the newest first."
    : `The last ${plural(records.length, "request")}, the newest first.`;
  byId("decisions").replaceChildren(...records.toReversed().map(recordItem));
}

function recordItem(record) {
  const time = element("time", "", new Date(record.timestamp).toLocaleTimeString());
  time.dateTime = record.timestamp;
  const answer = [record.status ?? "hung up", record.code].filter(Boolean).join(" ");
  const request = element("div", "request", time, element("span", "path", `${record.method} ${record.route}`),
    element("span", "answer", answer));
  const item = element("li", "", request);
  if (record.principal) item.append(element("p", "note", record.principal));
  item.append(...record.decisions.map(decisionBlock));
  if (record.undecided) item.append(element("p", "note", `Not decided: ${record.undecided}.`));
  if (record.cause) item.append(element("p", "note", `Cause: ${record.cause}`));
  return item;
}

function decisionBlock(decision) {
  const effect = element("span", `effect effect-${decision.effect}`, EFFECT[decision.effect] ?? decision.effect);
  const by = decision.policies.length === 0
    ? decision.effect === "deny" ? " by default: no policy permits it" : ""
    : [" by ", ...decision.policies.flatMap((id, at) => [at > 0 ? ", " : "", element("code", "policy", id)])];
  const block = element("div", "decision", element("code", "action", decision.action), " ", effect, ...by);
  block.append(...decision.notices.map((notice) => element("p", "notice", notice)));
  block.append(...(decision.errors ?? []).map((error) => element("p", "notice", error)));
  block.dataset.action = decision.action;
  block.dataset.effect = decision.effect;
  return block;
}

function start() {
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  byId("add-passkey").addEventListener("click", () => add("webauthn_passkey"));
  byId("add-security-key").addEventListener("click", () => add("webauthn_fido"));
  byId("copy-codes").addEventListener("click", copyCodes);
  const refresh = async () => {
    await readMethods();
    await readDecisions();
  };
  byId("refresh").addEventListener("click", refresh);
  byId("sign-in").addEventListener("change", (event) => {
    tell("");
    // codes are one user's: they do not stay when another one is chosen
    if (["user", "tenant"].includes(event.target.id)) showCodes([]);
    return refresh();
  });
  setInterval(() => document.hidden || readDecisions(), LOOK_EVERY_MS);
  return refresh();
}

start();
