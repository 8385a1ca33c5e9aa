// The page of `cedargate dev`: who asks is chosen, authenticators are added, decisions are shown.
// Nothing here decides anything: it calls the API as any client would.

import { alone, stop } from "./alone.js";
import { stepUpOf, forget } from "./api.js";
import { clear, tell } from "./outcome.js";
import { hideCodes, showCodes, startCodes } from "./codes.js";
import { lookAtDecisions, startDecisions, tenantName, watchDecisions } from "./decisions.js";
import { byId, plural, say, when } from "./dom.js";
import { complete, enrol, lacking } from "./enrol.js";
import { clearMethods, readMethods, startMethods } from "./methods.js";
import { nameIn } from "./names.js";
import { startRefusals } from "./refusals.js";
import { confirm, startStepUps } from "./stepup.js";
import { NOUN, ceremony, explain } from "./words.js";

const BUTTON = { webauthn_passkey: "add-passkey", webauthn_fido: "add-security-key" };

function who() {
  const groups = byId("groups").value.split(",").map((one) => one.trim()).filter(Boolean);
  return { user: byId("user").value.trim(), tenant: byId("tenant").value, groups, strong: byId("strong").checked };
}

/** The name, if the gateway will take it: it looks at it last, when the authenticator has answered. */
const deviceName = () => nameIn(byId("device-name"), byId("device-name-wrong"));

function add(methodType) {
  const name = deviceName();
  if (name === undefined) return;
  const owner = who();
  step(owner, methodType, (signal) => enrol(owner, { methodType, deviceName: name, signal, waiting: waitingFor(NOUN[methodType]) }));
}

/** Tells that a dialog is open for something of the user's. */
const waitingFor = (noun) => () => tell("status", {
  tone: "ask", said: `Waiting for your ${noun}: answer the browser’s dialog.`, waits: true,
});

function sendAgain(unsent) {
  const owner = who();
  step(owner, unsent.method_type, () => complete(owner, unsent));
}

async function step(owner, methodType, work) {
  const done = await alone(async (signal) => {
    quiet();
    byId(BUTTON[methodType]).focus(); // what was pressed may be gone: an offer of a panel
    try {
      const { body, requestId } = await work(signal);
      await added(owner, methodType, body, requestId);
    } catch (error) {
      await failed(methodType, error);
    }
    if (document.activeElement === document.body) byId(BUTTON[methodType]).focus(); // “Stop waiting” is gone
  });
  if (done) await refresh();
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
  const { unsent } = error;
  const asked = error.code === "step_up_required";
  const unconfirmed = error.step === "stepUp";
  const offers = [];
  if (unconfirmed || (asked && error.details.method_types?.length > 0)) {
    offers.push(["Confirm with an authenticator and try again", () => confirmed(methodType, unsent)]);
  }
  // where a step-up is asked for, a backup code may have given it meanwhile
  if (unsent) offers.push(["Send it again", () => sendAgain(unsent)]);
  if (unconfirmed || asked) {
    offers.push(["Sign in strongly and try again", () => {
      byId("strong").checked = true;
      if (unsent) sendAgain(unsent);
      else add(methodType);
    }]);
  }
  await tell("error", { tone: asked ? "ask" : "deny", ...explain(error, NOUN[methodType]), answer: error, offers });
}

/** A step-up, and then what asked for it. */
function confirmed(methodType, unsent) {
  const owner = who();
  const name = unsent ? unsent.device_name : deviceName();
  if (name === undefined) return;
  step(owner, methodType, async (signal) => {
    try {
      await confirm(owner, { signal, waiting: waitingFor("authenticator") });
    } catch (error) {
      error.unsent = unsent; // what the authenticator answered is still good
      throw error;
    }
    showStepUp();
    if (unsent) return complete(owner, unsent);
    return enrol(owner, { methodType, deviceName: name, signal, waiting: waitingFor(NOUN[methodType]) });
  });
}

/** A step with what is enrolled: renaming, removing, new codes. */
async function change({ said, work }) {
  const done = await alone(async () => {
    clearMethods();
    const owner = who();
    try {
      const { body, requestId } = await work(owner);
      if (body.codes) showCodes(body.codes, `${owner.user} of ${tenantName(owner.tenant)}`);
      await tell("methods-status", { tone: "allow", said, answer: { requestId } });
    } catch (error) {
      const asked = error.code === "step_up_required";
      const offers = asked && error.details.method_types?.length > 0
        ? [["Confirm with an authenticator", () => byId("use-authenticator").click()]]
        : [];
      await tell("methods-error", { tone: asked ? "ask" : "deny", ...explain(error, "authenticator", "change"), answer: error, offers });
    }
  });
  if (!done) return;
  await refresh();
  if (document.activeElement === document.body) byId("methods-title").focus(); // what was pressed is gone
}

/** Says how the user is confirmed, and whether that is what is sent. */
function showStepUp() {
  const owner = who();
  const stepUp = stepUpOf(owner);
  if (!stepUp) {
    say("step-up-note", "Not confirmed: the sign-in above is all there is.");
    return;
  }
  const sent = owner.strong
    ? "But its token is not sent while “Just signed in strongly” is ticked: a new sign-in is."
    : `Its token is sent until ${when(stepUp.until)}.`;
  say("step-up-note", `Confirmed ${stepUp.acr ? "with an authenticator" : "with a backup code"}. ${sent}`);
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
    stop();
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
