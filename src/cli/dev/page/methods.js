// The list of the chosen user's authenticators.

import { METHODS, get, signedIn } from "./api.js";
import { byId, element, plural, say, when } from "./dom.js";
import { NOUN, explain } from "./words.js";

let reading = 0;

export async function readMethods(who) {
  const mine = ++reading;
  say("methods-user", who.user || "nobody");
  let note, items = [];
  try {
    const { methods, backup_codes: codes } = (await get(METHODS, await signedIn(who))).body;
    items = methods.map(item);
    note = methods.length === 0
      ? "None yet. The first one brings ten backup codes."
      : `${plural(methods.length, "authenticator")}, ${plural(codes.remaining, "backup code")} left.`;
  } catch (error) {
    const { said, todo } = explain(error, "authenticator");
    note = [said, ...(error.notices ?? []), todo].join(" ");
  }
  if (mine !== reading) return; // somebody else was chosen meanwhile
  say("methods-note", note);
  byId("methods").replaceChildren(...items);
}

function item(method) {
  const synced = method.backed_up ? "synced" : method.backup_eligible ? "may be synced" : "stays on its device";
  const facts = [NOUN[method.method_type] ?? method.method_type, method.model, synced, `added ${when(method.created_at)}`];
  const made = element("li", "", element("strong", "", method.device_name),
    element("p", "note", facts.filter(Boolean).join(" · ")));
  made.dataset.methodType = method.method_type;
  return made;
}
