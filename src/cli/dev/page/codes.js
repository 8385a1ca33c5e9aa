// Shows backup codes. The gateway returns them only once, so they stay until the user hides them.

import { byId, element, formatTime, setText } from "./dom.js";

/** The owner of the codes, and the time at which they were shown. */
let caption = "";

const codesShown = () => [...byId("codes").children].map((item) => item.textContent);

/** Shows codes and moves the focus to them. */
export function showCodes(codes, owner) {
  caption = `${owner} · ${formatTime(Date.now())}`;
  setText("codes-whose", caption);
  setText("codes-note", "");
  byId("codes").replaceChildren(...codes.map((code) => element("li", "", code)));
  byId("codes-section").hidden = false;
  byId("codes-title").focus();
}

export function hideCodes() {
  byId("codes").replaceChildren();
  byId("codes-section").hidden = true;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(codesShown().join("\n"));
    setText("codes-note", "Copied.");
  } catch {
    getSelection().selectAllChildren(byId("codes"));
    setText("codes-note", "The browser does not let the page copy them. The codes are selected: copy them with the keyboard.");
  }
}

function download() {
  const text = `Backup codes of cedargate dev\n${caption}\nEach works once.\n\n${codesShown().join("\n")}\n`;
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "cedargate-backup-codes.txt";
  link.click();
  // the browser has started to read the data by the next task
  setTimeout(() => URL.revokeObjectURL(link.href));
  setText("codes-note", "Saved as cedargate-backup-codes.txt.");
}

export function startCodes() {
  byId("copy-codes").addEventListener("click", copy);
  byId("download-codes").addEventListener("click", download);
  // while codes are shown, the style sheet prints only them
  byId("print-codes").addEventListener("click", () => window.print());
  byId("hide-codes").addEventListener("click", () => {
    hideCodes();
    byId("methods-title").focus();
  });
}
