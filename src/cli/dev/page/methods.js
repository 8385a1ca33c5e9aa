// Lists the authenticators of the chosen user, with buttons to rename and remove them.

import { CODES, METHODS, forgetStepUp, get, headersFor, patch, post, remove } from "./api.js";
import { byId, element, formatTime, plural, setText } from "./dom.js";
import { isStepRunning, markAsStep } from "./exclusive.js";
import { Renaming } from "./names.js";
import { clear } from "./outcome.js";
import { NOUN, explain } from "./words.js";

/** The number of the last read. An answer to an earlier one is dropped. */
let lastRead = 0;

/** The open forms, by the id of the authenticator. They keep their text when the list is read again. */
const renamings = new Map();

export async function readMethods(signIn) {
  const read = ++lastRead;
  setText("methods-user", signIn.user || "nobody");
  let note, items = [];
  try {
    const { methods, backup_codes: codes } = (await get(METHODS, await headersFor(signIn))).body;
    if (read !== lastRead) return; // another user was chosen meanwhile
    for (const id of renamings.keys()) if (!methods.some((method) => method.id === id)) renamings.delete(id);
    items = methods.map((method, index) => item(method, index + 1));
    byId("new-codes").hidden = methods.length === 0;
    note = methods.length === 0
      ? "None yet. With the first one you get ten backup codes."
      : `${plural(methods.length, "authenticator")}, ${plural(codes.remaining, "backup code")} left.`;
  } catch (error) {
    const { headline, advice } = explain(error, "authenticator");
    note = [headline, ...(error.notices ?? []), advice].join(" ");
  }
  if (read !== lastRead) return;
  setText("methods-note", note);
  const focused = document.activeElement;
  byId("methods").replaceChildren(...items);
  if (focused?.closest(".rename")?.isConnected) focused.focus();
}

let runChange = () => {};

/** Sets the function that runs a change and shows its outcome. */
export function startMethods(run) {
  runChange = run;
  byId("new-codes").addEventListener("click", () => runChange({
    headline: "You have new backup codes. The old ones no longer work.",
    work: async (signIn) => post(CODES, {}, await headersFor(signIn)),
  }));
}

function item(method, number) {
  const synced = method.backed_up ? "synced" : method.backup_eligible ? "may be synced" : "not synced";
  const used = method.last_used_at ? `used ${formatTime(method.last_used_at)}` : "not used yet";
  const facts = [NOUN[method.method_type] ?? method.method_type, method.model, synced, `added ${formatTime(method.created_at)}`, used];
  const renaming = renamings.get(method.id);
  renaming?.label(label(method, number));
  const buttons = element("div", "buttons", ...renaming ? [] : [renameButton(method, number)], removeButton(method, number));
  const made = element("li", "", element("strong", "", method.device_name),
    element("p", "note", facts.filter(Boolean).join(" · ")), buttons, ...renaming ? [renaming.form] : []);
  made.dataset.methodType = method.method_type;
  made.redraw = () => {
    const fresh = item(method, number);
    made.replaceWith(fresh);
    return fresh;
  };
  return made;
}

const label = ({ device_name: name }, number) => `${name}, number ${number}`;

function renameButton(method, number) {
  const { id } = method;
  return button("Rename", method, number, (pressed) => {
    const renaming = new Renaming(method, {
      save: (name) => runChange({
        headline: "The authenticator has a new name.",
        work: async (signIn) => {
          const done = await patch(`${METHODS}/${id}`, { device_name: name }, await headersFor(signIn));
          renamings.delete(id);
          return done;
        },
      }),
      cancel: () => {
        renamings.delete(id);
        renaming.form.closest("li").redraw().querySelector("button").focus();
      },
    });
    renamings.set(id, renaming);
    pressed.closest("li").redraw();
    renaming.field.focus();
  });
}

function removeButton(method, number) {
  return button("Remove", method, number, () => runChange({
    headline: `${method.device_name} is removed. Earlier step-ups no longer count.`,
    work: async (signIn) => {
      const done = await remove(`${METHODS}/${method.id}`, await headersFor(signIn));
      forgetStepUp(); // a removal ends earlier step-ups
      // the browser lists only the remaining credentials (WebAuthn Level 3, §5.1.10.2)
      await window.PublicKeyCredential?.signalAllAcceptedCredentials?.(done.body.signal).catch(() => {});
      return done;
    },
  }));
}

function button(text, method, number, action) {
  const made = element("button", "quiet", text);
  made.type = "button";
  made.setAttribute("aria-label", `${text} ${label(method, number)}`);
  made.addEventListener("click", () => isStepRunning() || action(made));
  return markAsStep(made);
}

/** Clears the outcome of the last change. */
export function clearMethods() {
  clear("methods-status");
  clear("methods-error");
}
