// The page of `cedargate dev`: chooses a sign-in, enrols authenticators and shows decisions. It decides
// nothing itself: it calls the API as any client does.

import { forgetStepUp, stepUpOf } from "./api.js";
import { hideCodes, showCodes, startCodes } from "./codes.js";
import { refreshDecisions, startDecisions, tenantName, watchDecisions } from "./decisions.js";
import { byId, formatTime, plural, setText } from "./dom.js";
import { complete, enrol, unsupported } from "./enrol.js";
import { abortStep, runExclusively } from "./exclusive.js";
import { clearMethods, readMethods, startMethods } from "./methods.js";
import { nameIn } from "./names.js";
import { clear, showOutcome } from "./outcome.js";
import { startRefusals } from "./refusals.js";
import { confirm, startStepUps } from "./stepup.js";
import { NOUN, ceremony, explain } from "./words.js";

const BUTTON = { webauthn_passkey: "add-passkey", webauthn_fido: "add-security-key" };

/** Returns the sign-in that the form describes. */
function currentSignIn() {
  const groups = byId("groups").value.split(",").map((group) => group.trim()).filter(Boolean);
  return { user: byId("user").value.trim(), tenant: byId("tenant").value, groups, strong: byId("strong").checked };
}

/**
 * Returns the name in the form, or nothing if the gateway would refuse it: the gateway checks a name only
 * after the authenticator has answered.
 */
const deviceName = () => nameIn(byId("device-name"), byId("device-name-wrong"));

function add(methodType) {
  const name = deviceName();
  if (name === undefined) return;
  const signIn = currentSignIn();
  step(signIn, methodType, (signal) => enrol(signIn, { methodType, deviceName: name, signal, waiting: waitingFor(NOUN[methodType]) }));
}

/** Returns a function that shows that the browser's dialog is open. */
const waitingFor = (noun) => () => showOutcome("status", {
  tone: "ask", headline: `Waiting for your ${noun}: answer the browser’s dialog.`, waits: true,
});

function sendAgain(unsent) {
  const signIn = currentSignIn();
  step(signIn, unsent.method_type, () => complete(signIn, unsent));
}

async function step(signIn, methodType, work) {
  const done = await runExclusively(async (signal) => {
    clearOutcome();
    byId(BUTTON[methodType]).focus(); // the pressed button may be gone with its panel
    try {
      const { body, requestId } = await work(signal);
      await added(signIn, methodType, body, requestId);
    } catch (error) {
      await failed(methodType, error);
    }
    if (document.activeElement === document.body) byId(BUTTON[methodType]).focus(); // the button “Stop waiting” is gone
  });
  if (done) await refresh();
}

async function added(signIn, methodType, { codes, remaining }, requestId) {
  byId("device-name").value = "";
  // the answer has no codes while older ones work: codes on the page then stay
  if (codes.length > 0) showCodes(codes, `${signIn.user} of ${tenantName(signIn.tenant)}`);
  const headline = `The ${NOUN[methodType]} is added. ${plural(remaining, "backup code")} left.`;
  await showOutcome("status", { tone: "allow", headline, answer: { requestId } });
}

async function failed(methodType, error) {
  clear("status");
  const { unsent } = error;
  const stepUpRequired = error.code === "step_up_required";
  const stepUpFailed = error.step === "stepUp";
  const offers = [];
  if (stepUpFailed || (stepUpRequired && error.details.method_types?.length > 0)) {
    offers.push(["Confirm with an authenticator and try again", () => confirmFirst(methodType, unsent)]);
  }
  // the user may have stepped up with a backup code meanwhile
  if (unsent) offers.push(["Send it again", () => sendAgain(unsent)]);
  if (stepUpFailed || stepUpRequired) {
    offers.push(["Sign in strongly and try again", () => {
      byId("strong").checked = true;
      if (unsent) sendAgain(unsent);
      else add(methodType);
    }]);
  }
  await showOutcome("error", { tone: stepUpRequired ? "ask" : "deny", ...explain(error, NOUN[methodType]), answer: error, offers });
}

/** Steps up, and then runs the step that required it. */
function confirmFirst(methodType, unsent) {
  const signIn = currentSignIn();
  const name = unsent ? unsent.device_name : deviceName();
  if (name === undefined) return;
  step(signIn, methodType, async (signal) => {
    try {
      await confirm(signIn, { signal, waiting: waitingFor("authenticator") });
    } catch (error) {
      error.unsent = unsent; // the authenticator's answer is still valid
      throw error;
    }
    showStepUp();
    if (unsent) return complete(signIn, unsent);
    return enrol(signIn, { methodType, deviceName: name, signal, waiting: waitingFor(NOUN[methodType]) });
  });
}

/** Runs a change of enrolled authenticators or codes, and shows its outcome. */
async function change({ headline, work }) {
  const done = await runExclusively(async () => {
    clearMethods();
    const signIn = currentSignIn();
    try {
      const { body, requestId } = await work(signIn);
      if (body.codes) showCodes(body.codes, `${signIn.user} of ${tenantName(signIn.tenant)}`);
      await showOutcome("methods-status", { tone: "allow", headline, answer: { requestId } });
    } catch (error) {
      const stepUpRequired = error.code === "step_up_required";
      const offers = stepUpRequired && error.details.method_types?.length > 0
        ? [["Confirm with an authenticator", () => byId("use-authenticator").click()]]
        : [];
      const tone = stepUpRequired ? "ask" : "deny";
      await showOutcome("methods-error", { tone, ...explain(error, "authenticator", "change"), answer: error, offers });
    }
  });
  if (!done) return;
  await refresh();
  if (document.activeElement === document.body) byId("methods-title").focus(); // the pressed button is gone
}

/** Shows how the user is confirmed, and which token is sent. */
function showStepUp() {
  const signIn = currentSignIn();
  const stepUp = stepUpOf(signIn);
  if (!stepUp) {
    setText("step-up-note", "Not confirmed: requests use the sign-in above.");
    return;
  }
  const sent = signIn.strong
    ? "But its token is not sent while “Just signed in strongly” is ticked: requests use a new sign-in."
    : `Its token is sent until ${formatTime(stepUp.until)}.`;
  setText("step-up-note", `Confirmed ${stepUp.acr ? "with an authenticator" : "with a backup code"}. ${sent}`);
}

function clearOutcome() {
  clear("status");
  clear("error");
}

async function refresh() {
  showStepUp();
  await readMethods(currentSignIn());
  await refreshDecisions();
}

/** Clears outcomes, codes and the step-up if another user or tenant is chosen. */
function signInChanged({ target }) {
  if (["user", "tenant"].includes(target.id)) {
    abortStep();
    clearOutcome();
    clearMethods();
    forgetStepUp();
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
  startStepUps(currentSignIn, refresh);
  startDecisions();
  startRefusals(currentSignIn, refreshDecisions);
  if (unsupported()) {
    const { headline, advice } = ceremony({ kind: unsupported() });
    byId("browser-note").hidden = false;
    setText("browser-note", `${headline} ${advice}`);
  }
  refresh().then(() => watchDecisions(refresh));
}

start();
