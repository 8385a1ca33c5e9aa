// Helpers for the document. They set text only as text, never as HTML.

export const byId = (id) => document.getElementById(id);

/** Creates an element with a class and children. Strings become text nodes. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Sets the text of an element, unless it is the same: a screen reader would repeat it. */
export function setText(id, text) {
  const target = byId(id);
  if (target.textContent !== text) target.textContent = text;
}

export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export const formatTime = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
