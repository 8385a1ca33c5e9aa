// The page of `cedargate dev`: who asks is chosen, authenticators are added, decisions are shown.
// Nothing here decides anything: it calls the API as any client would.

import { stepUpOf, forget } from "./api.js";
import { clear, tell } from "./outcome.js";
import { hideCodes, showCodes, startCodes } from "./codes.js";
import { lookAtDecisions, startDecisions, tenantName, watchDecisions } from "./decisions.js";
import { byId, plural, say, when } from "./dom.js";
import { complete, enrol, lacking } from "./enrol.js";
import { clearMethods, readMethods, startMethods } from "./methods.js";
import { startRefusals } from "./refusals.js";
import { confirm, startStepUps } from "./stepup.js";
import { NOUN, ceremony, explain } from "./words.js";

const NAME_CHARACTERS = 100;
const BUTTON = { webauthn_passkey: "add-passkey", webauthn_fido: "add-security-key" };

/** Closes the dialog of the enrolment that is under way; none: nothing is. */
let underWay;

function who() {
  const groups = byId("groups").value.split(",").map((one) => one.trim()).filter(Boolean);
  return { user: byId("user").value.trim(), tenant: byId("tenant").value, groups, strong: byId("strong").checked };
}

/** The name, if the gateway will take it: it looks at it last, when the authenticator has answered. */
function deviceName() {
  const name = byId("device-name").value;
  const wrong = [...name].length > NAME_CHARACTERS
    ? `This name has ${[...name].length} characters. Shorten it to ${NAME_CHARACTERS}.`
    : /\p{Cc}/u.test(name) ? "This name has a control character in it. Type it anew." : "";
  say("device-name-wrong", wrong);
  byId("device-name").toggleAttribute("aria-invalid", wrong !== "");
  if (wrong === "") return name;
  byId("device-name").focus();
  return undefined;
}

function add(methodType) {
  const name = deviceName();
  if (name === undefined) return;
  const owner = who();
  const waiting = () => {
    const said = `Waiting for your ${NOUN[methodType]}: answer the browser’s dialog.`;
    tell("status", { tone: "ask", said, offers: [["Stop waiting", () => underWay?.abort()]] });
  };
  step(owner, methodType, (signal) => enrol(owner, { methodType, deviceName: name, signal, waiting }));
}

function sendAgain(unsent) {
  const owner = who();
  step(owner, unsent.method_type, () => complete(owner, unsent));
}

/** One at a time: the buttons keep the focus, and do nothing meanwhile. */
async function step(owner, methodType, work) {
  if (underWay) return;
  busy(new AbortController());
  quiet();
  byId(BUTTON[methodType]).focus(); // what was pressed may be gone: an offer of a panel
  try {
    const { body, requestId } = await work(underWay.signal);
    await added(owner, methodType, body, requestId);
  } catch (error) {
    await failed(methodType, error);
  } finally {
    if (document.activeElement === document.body) byId(BUTTON[methodType]).focus(); // “Stop waiting” is gone
    busy(undefined);
  }
  await refresh();
}

async function added(owner, methodType, { codes, remaining }, requestId) {
  byId("device-name").value = "";
  // none come while older ones work: those that may still be shown stay
  if (codes.length > 0) showCodes(codes, `${owner.user} of ${tenantName(owner.tenant)}`);
  const said = `The ${NOUN[methodType]} is added. ${plural(remaining, "backup code")} left.`;
  await tell("status", { tone: "allow", said, answer: { requestId } });
}

async function failed(methodType, error) {
  clear("status");
  const offers = [];
  if (error.code === "step_up_required") {
    if (error.details.method_types?.length > 0) {
      offers.push(["Confirm with an authenticator and try again", () => confirmed(methodType, error.unsent)]);
    }
    offers.push(["Sign in strongly and try again", () => {
      byId("strong").checked = true;
      if (error.unsent) sendAgain(error.unsent);
      else add(methodType);
    }]);
  } else if (error.unsent) {
    offers.push(["Send it again", () => sendAgain(error.unsent)]);
  }
  const tone = error.code === "step_up_required" ? "ask" : "deny";
  await tell("error", { tone, ...explain(error, NOUN[methodType]), answer: error, offers });
}

/** A step-up, and then what asked for it. */
function confirmed(methodType, unsent) {
  const owner = who();
  const name = deviceName();
  if (name === undefined) return;
  step(owner, methodType, async (signal) => {
    const waiting = (said) => tell("status", { tone: "ask", said, offers: [["Stop waiting", () => underWay?.abort()]] });
    await confirm(owner, { signal, waiting: () => waiting("Waiting for an authenticator that is yours: answer the browser’s dialog.") });
    await showStepUp();
    if (unsent) return complete(owner, unsent);
    return enrol(owner, { methodType, deviceName: name, signal, waiting: () => waiting(`Waiting for your ${NOUN[methodType]}: answer the browser’s dialog.`) });
  });
}

/** A step with what is enrolled: renaming, removing, new codes. */
async function change({ said, work }) {
  if (underWay) return;
  busy(new AbortController());
  clearMethods();
  const owner = who();
  try {
    const { body, requestId } = await work(owner);
    if (body.codes) showCodes(body.codes, `${owner.user} of ${tenantName(owner.tenant)}`);
    await tell("methods-status", { tone: "allow", said, answer: { requestId } });
  } catch (error) {
    const offers = error.code === "step_up_required" && error.details.method_types?.length > 0
      ? [["Confirm with an authenticator", () => byId("use-authenticator").click()]]
      : [];
    const tone = error.code === "step_up_required" ? "ask" : "deny";
    await tell("methods-error", { tone, ...explain(error, "authenticator", "change"), answer: error, offers });
  } finally {
    busy(undefined);
  }
  await refresh();
  if (document.activeElement === document.body) byId("methods-title").focus(); // what was pressed is gone
}

/** Says how the user is confirmed. */
function showStepUp() {
  const stepUp = stepUpOf(who());
  say("step-up-note", stepUp
    ? `Confirmed ${stepUp.acr ? "with an authenticator" : "with a backup code"}, until ${when(stepUp.until)}.`
    : "Not confirmed: the sign-in above is all there is.");
}

function busy(controller) {
  underWay = controller;
  for (const id of Object.values(BUTTON)) {
    byId(id).setAttribute("aria-disabled", String(controller !== undefined));
  }
}

function quiet() {
  clear("status");
  clear("error");
}

async function refresh() {
  showStepUp();
  await readMethods(who());
  await lookAtDecisions();
}

/** Another user is another story: what was said and shown to the last one goes. */
function signInChanged({ target }) {
  if (["user", "tenant"].includes(target.id)) {
    underWay?.abort();
    quiet();
    clearMethods();
    forget();
    hideCodes();
  }
  return refresh();
}

function start() {
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  byId("add").addEventListener("submit", () => add("webauthn_passkey"));
  byId("add-security-key").addEventListener("click", () => add("webauthn_fido"));
  byId("refresh").addEventListener("click", refresh);
  byId("sign-in").addEventListener("change", signInChanged);
  startCodes();
  startMethods(change);
  startStepUps(who, refresh);
  startDecisions();
  startRefusals(who, lookAtDecisions);
  if (lacking()) {
    const { said, todo } = ceremony({ kind: lacking() });
    byId("browser-note").hidden = false;
    say("browser-note", `${said} ${todo}`);
  }
  refresh().then(() => watchDecisions(refresh));
}

start();
