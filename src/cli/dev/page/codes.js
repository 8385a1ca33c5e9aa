// Backup codes, which the gateway shows once: so they stay until they are put away.

import { byId, element, say, when } from "./dom.js";

let whose = "";

const list = () => [...byId("codes").children].map((item) => item.textContent);

/** Shows codes and moves the focus to them. */
export function showCodes(codes, owner) {
  whose = `${owner} · ${when(Date.now())}`;
  say("codes-whose", whose);
  say("codes-note", "");
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
    await navigator.clipboard.writeText(list().join("\n"));
    say("codes-note", "Copied.");
  } catch {
    getSelection().selectAllChildren(byId("codes"));
    say("codes-note", "The browser does not let the page copy. They are selected: copy them with the keyboard.");
  }
}

function download() {
  const text = `Backup codes of cedargate dev\n${whose}\nEach works once.\n\n${list().join("\n")}\n`;
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "cedargate-backup-codes.txt";
  link.click();
  // the download has its own hold on the data by the next task
  setTimeout(() => URL.revokeObjectURL(link.href));
  say("codes-note", "Saved as cedargate-backup-codes.txt.");
}

export function startCodes() {
  byId("copy-codes").addEventListener("click", copy);
  byId("download-codes").addEventListener("click", download);
  // the style sheet prints nothing but the codes while they are shown
  byId("print-codes").addEventListener("click", () => window.print());
  byId("hide-codes").addEventListener("click", () => {
    hideCodes();
    byId("methods-title").focus();
  });
}
