// Lists requests as they arrive, with their decisions and the determining policies.

import { readRecords } from "./api.js";
import { byId, element, plural, setText } from "./dom.js";
import { policiesOf } from "./outcome.js";
import { explanationOf } from "./why.js";
import { GATEWAY_GONE } from "./words.js";

const REFRESH_MS = 1000;
const SHOWN_AT_FIRST = 12;
const EFFECT = { allow: "allowed", deny: "denied", step_up: "step-up required", error: "failed" };

let records = [];
let lastSent = 0;
let lastShown = 0;
let showAll = false;
let gatewayLost = false;

const key = (record) => `${record.timestamp} ${record.request_id}`;

/** Reads the records again. Returns whether the gateway answers again after it did not. */
export async function refreshDecisions() {
  const sent = ++lastSent;
  let read;
  try {
    read = await readRecords();
  } catch {
    gatewayLost = true;
    setText("decisions-note", GATEWAY_GONE);
    return false;
  }
  if (sent > lastShown) { // otherwise the answer to a later read came first
    lastShown = sent;
    show(read);
  }
  const back = gatewayLost;
  gatewayLost = false;
  return back;
}

/** Refreshes the list every second while the page is visible. Calls `back` when the gateway answers again. */
export async function watchDecisions(back) {
  if (!document.hidden && await refreshDecisions()) await back();
  setTimeout(() => watchDecisions(back), REFRESH_MS);
}

/** Adds the new records. The others stay untouched, which keeps a selection and the scroll position. */
function show(read) {
  const newest = records.length > 0 ? key(records.at(-1)) : undefined;
  const known = read.findLastIndex((record) => key(record) === newest);
  const list = byId("decisions");
  if (known < 0) list.replaceChildren();
  const added = read.slice(known + 1).reverse().map(item);
  list.prepend(...added);
  records = read;
  trim();
  setText("decisions-note", records.length === 0 ? "Requests appear here as they arrive." : "The newest first.");
}

function trim() {
  const items = [...byId("decisions").children];
  items.slice(records.length).forEach((old) => old.remove());
  items.forEach((listed, index) => { listed.hidden = !showAll && index >= SHOWN_AT_FIRST; });
  const older = records.length - SHOWN_AT_FIRST;
  byId("older-row").hidden = showAll || older <= 0;
  setText("older", `Show ${plural(older, "older request")}`);
}

export function startDecisions() {
  byId("older").addEventListener("click", () => {
    showAll = true;
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
    element("p", "note", time, record.principal ? ` · ${callerOf(record)}` : ""));
  made.append(...record.decisions.map((made, index) => decision(made, record.request_id, index)));
  if (record.undecided) made.append(element("p", "note", `Not decided: ${record.undecided}.`));
  if (record.cause) made.append(element("p", "note", `Cause: ${record.cause}`));
  return made;
}

/** Lets a long path wrap before its slashes. */
const breakable = (path) => path.split(/(?=\/)/).flatMap((part) => [document.createElement("wbr"), part]);

/** Names the caller, and the tenant of the header if it differs from that of the token. */
function callerOf({ principal, tenant }) {
  const [, own, ...user] = principal.split("|");
  if (user.length === 0) return principal;
  const header = tenant && tenant !== own ? `, header: ${tenantName(tenant)}` : "";
  return `${user.join("|")} of ${tenantName(own)}${header}`;
}

/** Returns the name that the page has for a tenant, or its id. */
export const tenantName = (id) =>
  [...byId("tenant").options].find(({ value }) => value === id)?.dataset.name ?? id;

function decision(made, requestId, index) {
  const effect = element("span", "effect", EFFECT[made.effect] ?? made.effect);
  const shown = element("div", `decision effect-${made.effect}`,
    element("p", "", effect, " ", element("code", "action", made.action), " by ", ...policiesOf(made)));
  shown.append(...made.notices.map((notice) => element("p", "notice", notice)));
  shown.append(...(made.errors ?? []).map((error) => element("p", "notice", error)));
  shown.append(explanationOf(made, requestId, index));
  shown.dataset.action = made.action;
  shown.dataset.effect = made.effect;
  return shown;
}
