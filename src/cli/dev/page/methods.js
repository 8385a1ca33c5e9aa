// The list of the chosen user's authenticators, and what can be done with each.

import { CODES, METHODS, forget, get, patch, post, remove, signedIn } from "./api.js";
import { asStep, underWay } from "./alone.js";
import { byId, element, plural, say, when } from "./dom.js";
import { Renaming } from "./names.js";
import { clear } from "./outcome.js";
import { NOUN, explain } from "./words.js";

let reading = 0;

/** The open forms, by the id of what they rename: what is typed outlives a reading of the list. */
const renamings = new Map();

export async function readMethods(who) {
  const mine = ++reading;
  say("methods-user", who.user || "nobody");
  let note, items = [];
  try {
    const { methods, backup_codes: codes } = (await get(METHODS, await signedIn(who))).body;
    if (mine !== reading) return; // somebody else was chosen meanwhile
    for (const id of renamings.keys()) if (!methods.some((one) => one.id === id)) renamings.delete(id);
    items = methods.map((method, at) => item(method, at + 1));
    byId("new-codes").hidden = methods.length === 0;
    note = methods.length === 0
      ? "None yet. The first one brings ten backup codes."
      : `${plural(methods.length, "authenticator")}, ${plural(codes.remaining, "backup code")} left.`;
  } catch (error) {
    const { said, todo } = explain(error, "authenticator");
    note = [said, ...(error.notices ?? []), todo].join(" ");
  }
  if (mine !== reading) return;
  say("methods-note", note);
  const focused = document.activeElement;
  byId("methods").replaceChildren(...items);
  if (focused?.closest(".rename")?.isConnected) focused.focus();
}

let act = () => {};

/** `work` does a step for who asks, and tells what came of it. */
export function startMethods(work) {
  act = work;
  byId("new-codes").addEventListener("click", () => act({
    said: "These are your backup codes now: the old ones stopped working.",
    work: async (who) => post(CODES, {}, await signedIn(who)),
  }));
}

function item(method, number) {
  const synced = method.backed_up ? "synced" : method.backup_eligible ? "may be synced" : "stays on its device";
  const used = method.last_used_at ? `used ${when(method.last_used_at)}` : "not used yet";
  const facts = [NOUN[method.method_type] ?? method.method_type, method.model, synced, `added ${when(method.created_at)}`, used];
  const renaming = renamings.get(method.id);
  renaming?.call(called(method, number));
  const buttons = element("div", "buttons", ...renaming ? [] : [renamer(method, number)], remover(method, number));
  const made = element("li", "", element("strong", "", method.device_name),
    element("p", "note", facts.filter(Boolean).join(" · ")), buttons, ...renaming ? [renaming.form] : []);
  made.dataset.methodType = method.method_type;
  made.again = () => {
    const fresh = item(method, number);
    made.replaceWith(fresh);
    return fresh;
  };
  return made;
}

const called = ({ device_name: name }, number) => `${name}, number ${number}`;

function renamer(method, number) {
  const { id } = method;
  return button("Rename", method, number, (pressed) => {
    const renaming = new Renaming(method, {
      save: (name) => act({
        said: "It has a new name.",
        work: async (who) => {
          const done = await patch(`${METHODS}/${id}`, { device_name: name }, await signedIn(who));
          renamings.delete(id);
          return done;
        },
      }),
      cancel: () => {
        renamings.delete(id);
        renaming.form.closest("li").again().querySelector("button").focus();
      },
    });
    renamings.set(id, renaming);
    pressed.closest("li").again();
    renaming.field.focus();
  });
}

function remover(method, number) {
  return button("Remove", method, number, () => act({
    said: `${method.device_name} is removed. Every step-up before it is over.`,
    work: async (who) => {
      const done = await remove(`${METHODS}/${method.id}`, await signedIn(who));
      forget(); // a removal ends the step-ups before it
      // what the browser lists for this site is what is left (WebAuthn Level 3, §5.1.10.2)
      await window.PublicKeyCredential?.signalAllAcceptedCredentials?.(done.body.signal).catch(() => {});
      return done;
    },
  }));
}

function button(label, method, number, action) {
  const made = element("button", "quiet", label);
  made.type = "button";
  made.setAttribute("aria-label", `${label} ${called(method, number)}`);
  made.addEventListener("click", () => underWay() || action(made));
  return asStep(made);
}

/** Empties what was told of the last step. */
export function clearMethods() {
  clear("methods-status");
  clear("methods-error");
}
