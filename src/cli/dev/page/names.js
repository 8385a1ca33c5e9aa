// Names of authenticators: checks them, and shows the form that changes one.

import { markAsStep } from "./exclusive.js";
import { element } from "./dom.js";

const NAME_CHARACTERS = 100;

/** Returns the name in a field. If the gateway would refuse it, sets `note` and returns nothing. */
export function nameIn(field, note) {
  const name = field.value;
  const mistake = [...name].length > NAME_CHARACTERS
    ? `This name has ${[...name].length} characters. Shorten it to ${NAME_CHARACTERS}.`
    : /\p{Cc}/u.test(name) ? "This name contains a control character. Type it again." : "";
  if (note.textContent !== mistake) note.textContent = mistake;
  if (mistake === "") {
    field.removeAttribute("aria-invalid");
    return name;
  }
  field.setAttribute("aria-invalid", "true");
  field.focus();
  return undefined;
}

/** The form that renames an authenticator. Calls `save` with the new name, or `cancel`. */
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
      const newName = nameIn(this.field, note);
      if (newName !== undefined) save(newName);
    });
    this.cancel.addEventListener("click", cancel);
  }

  /** Labels the controls with the current name of the authenticator. */
  label(method) {
    this.field.setAttribute("aria-label", `New name of ${method}`);
    this.save.setAttribute("aria-label", `Save the name of ${method}`);
    this.cancel.setAttribute("aria-label", `Cancel the renaming of ${method}`);
    markAsStep(this.save);
  }
}
