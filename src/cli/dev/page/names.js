// Names of authenticators: which the gateway takes, and the form that changes one.

import { asStep } from "./alone.js";
import { element } from "./dom.js";

const NAME_CHARACTERS = 100;

/** The name in a field, if the gateway will take it. Else `note` says why not, and nothing is given. */
export function nameIn(field, note) {
  const name = field.value;
  const wrong = [...name].length > NAME_CHARACTERS
    ? `This name has ${[...name].length} characters. Shorten it to ${NAME_CHARACTERS}.`
    : /\p{Cc}/u.test(name) ? "This name has a control character in it. Type it anew." : "";
  if (note.textContent !== wrong) note.textContent = wrong;
  if (wrong === "") {
    field.removeAttribute("aria-invalid");
    return name;
  }
  field.setAttribute("aria-invalid", "true");
  field.focus();
  return undefined;
}

/** The form that renames an authenticator. `save` gets the new name, `cancel` nothing. */
export class Renaming {
  constructor({ id, device_name: name }, { save, cancel }) {
    this.field = element("input", "");
    this.field.value = name;
    this.save = element("button", "quiet", "Save");
    this.cancel = element("button", "quiet", "Cancel");
    this.cancel.type = "button";
    const note = element("small", "wrong");
    note.id = `name-wrong-${id}`;
    note.setAttribute("role", "alert");
    this.field.setAttribute("aria-describedby", note.id);
    this.form = element("form", "rename", this.field, this.save, this.cancel, note);
    this.form.autocomplete = "off";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const wanted = nameIn(this.field, note);
      if (wanted !== undefined) save(wanted);
    });
    this.cancel.addEventListener("click", cancel);
  }

  /** Says in its controls whose name it changes, as the list calls that now. */
  call(whose) {
    this.field.setAttribute("aria-label", `New name of ${whose}`);
    this.save.setAttribute("aria-label", `Save the name of ${whose}`);
    this.cancel.setAttribute("aria-label", `Cancel the renaming of ${whose}`);
    asStep(this.save);
  }
}
