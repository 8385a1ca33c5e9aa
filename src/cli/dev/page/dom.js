// What the other modules need of the document. Text is only ever set as text.

export const byId = (id) => document.getElementById(id);

/** An element with a class and children; strings among them become text. */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Sets an element's text. What is the same stays untouched, so that no reader repeats it. */
export function say(id, text) {
  const target = byId(id);
  if (target.textContent !== text) target.textContent = text;
}

export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export const when = (time) => new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
