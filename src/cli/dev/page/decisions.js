// Each request as it happens, with what was decided and by which policies.

import { readRecords } from "./api.js";
import { byId, element, plural, say } from "./dom.js";
import { policiesOf } from "./outcome.js";
import { whyOf } from "./why.js";
import { GATEWAY_GONE } from "./words.js";

const LOOK_EVERY_MS = 1000;
const SHOWN_AT_FIRST = 12;
const EFFECT = { allow: "allowed", deny: "denied", step_up: "step-up asked", error: "failed" };

let records = [];
let asked = 0;
let answered = 0;
let all = false;
let lost = false;

const key = (record) => `${record.timestamp} ${record.request_id}`;

/** Reads the records again. Says whether the gateway was lost before and is there again. */
export async function lookAtDecisions() {
  const mine = ++asked;
  let read;
  try {
    read = await readRecords();
  } catch {
    lost = true;
    say("decisions-note", GATEWAY_GONE);
    return false;
  }
  if (mine > answered) { // else a later look was faster
    answered = mine;
    show(read);
  }
  const back = lost;
  lost = false;
  return back;
}

/** Looks again and again while the page is seen; `back` is called when a lost gateway is there again. */
export async function watchDecisions(back) {
  if (!document.hidden && await lookAtDecisions()) await back();
  setTimeout(() => watchDecisions(back), LOOK_EVERY_MS);
}

/** Adds what is new. What is shown stays as it is: a selection in it, or a reader's place. */
function show(read) {
  const newest = records.length > 0 ? key(records.at(-1)) : undefined;
  const known = read.findLastIndex((record) => key(record) === newest);
  const list = byId("decisions");
  if (known < 0) list.replaceChildren();
  const added = read.slice(known + 1).reverse().map(item);
  list.prepend(...added);
  records = read;
  trim();
  say("decisions-note", records.length === 0 ? "Each request shows up here as it happens." : "The newest first.");
}

function trim() {
  const items = [...byId("decisions").children];
  items.slice(records.length).forEach((old) => old.remove());
  items.forEach((one, at) => { one.hidden = !all && at >= SHOWN_AT_FIRST; });
  const older = records.length - SHOWN_AT_FIRST;
  byId("older-row").hidden = all || older <= 0;
  say("older", `Show ${plural(older, "older request")}`);
}

export function startDecisions() {
  byId("older").addEventListener("click", () => {
    all = true;
    trim();
    const first = byId("decisions").children[SHOWN_AT_FIRST];
    first.tabIndex = -1;
    first.focus();
  });
}

function item(record) {
  const time = element("time", "", new Date(record.timestamp).toLocaleTimeString());
  time.dateTime = record.timestamp;
  const answer = [record.status ?? "hung up", record.code].filter(Boolean).join(" ");
  const made = element("li", `request effect-${record.effect ?? "none"}`,
    element("div", "head", element("span", "path", ...breakable(`${record.method} ${record.route}`)), element("span", "answer", answer)),
    element("p", "note", time, record.principal ? ` · ${whoOf(record)}` : ""));
  made.append(...record.decisions.map((one, at) => decision(one, record.request_id, at)));
  if (record.undecided) made.append(element("p", "note", `Not decided: ${record.undecided}.`));
  if (record.cause) made.append(element("p", "note", `Cause: ${record.cause}`));
  return made;
}

/** A path breaks before its slashes, where it has to. */
const breakable = (path) => path.split(/(?=\/)/).flatMap((part) => [document.createElement("wbr"), part]);

/** Who asked; and the header's tenant, where it is not the token's. */
function whoOf({ principal, tenant }) {
  const [, own, ...user] = principal.split("|");
  if (user.length === 0) return principal;
  const asked = tenant && tenant !== own ? `, header: ${tenantName(tenant)}` : "";
  return `${user.join("|")} of ${tenantName(own)}${asked}`;
}

/** A tenant by the name that the page has for it. */
export const tenantName = (id) =>
  [...byId("tenant").options].find(({ value }) => value === id)?.dataset.name ?? id;

function decision(one, requestId, at) {
  const effect = element("span", "effect", EFFECT[one.effect] ?? one.effect);
  const made = element("div", `decision effect-${one.effect}`,
    element("p", "", effect, " ", element("code", "action", one.action), " by ", ...policiesOf(one)));
  made.append(...one.notices.map((notice) => element("p", "notice", notice)));
  made.append(...(one.errors ?? []).map((error) => element("p", "notice", error)));
  made.append(whyOf(one, requestId, at));
  made.dataset.action = one.action;
  made.dataset.effect = one.effect;
  return made;
}
