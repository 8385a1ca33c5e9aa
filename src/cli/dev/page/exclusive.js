// Runs one step at a time: the browser has one dialog, and a second step would close the first one's.

/** Closes the dialog of the running step; `undefined` while no step runs. */
let controller;

/**
 * Runs a step, unless another one is running. Returns whether it ran. `work` gets the signal that
 * closes its dialog. Meanwhile the buttons that begin steps keep the focus and do nothing.
 */
export async function runExclusively(work) {
  if (controller) return false;
  controller = new AbortController();
  document.querySelectorAll("[data-step]").forEach(markAsStep);
  try {
    await work(controller.signal);
  } finally {
    controller = undefined;
    document.querySelectorAll("[data-step]").forEach(markAsStep);
  }
  return true;
}

export const isStepRunning = () => controller !== undefined;

/** Closes the dialog of the running step, if there is one. */
export const abortStep = () => controller?.abort();

/** Marks a button that begins a step. It is disabled while a step is running. */
export function markAsStep(button) {
  button.dataset.step = "";
  button.setAttribute("aria-disabled", String(isStepRunning()));
  return button;
}
