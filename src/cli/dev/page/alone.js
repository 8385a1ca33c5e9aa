// One step at a time: the browser has one dialog, and a second would close the first.

/** Closes the dialog of the step that is under way; none: nothing is. */
let controller;

/**
 * Does a step, unless one is under way: says whether it did. `work` gets the signal that closes its
 * dialog. The buttons that begin steps keep the focus, and do nothing meanwhile.
 */
export async function alone(work) {
  if (controller) return false;
  controller = new AbortController();
  document.querySelectorAll("[data-step]").forEach(asStep);
  try {
    await work(controller.signal);
  } finally {
    controller = undefined;
    document.querySelectorAll("[data-step]").forEach(asStep);
  }
  return true;
}

export const underWay = () => controller !== undefined;

/** Closes the dialog, if there is one. */
export const stop = () => controller?.abort();

/** Marks a button that begins a step, as long as one is under way. */
export function asStep(button) {
  button.dataset.step = "";
  button.setAttribute("aria-disabled", String(underWay()));
  return button;
}
