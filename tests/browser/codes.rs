//! Backup codes on the page: copying, saving, printing and dismissing them.

use std::fs;
use std::path::Path;

use super::Page;
use super::chromium::built_in;
use crate::support::poll;

#[tokio::test]
async fn codes_are_copied_saved_and_printed_and_are_gone_when_put_away() {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    page.click("#add-passkey").await;
    page.until("#codes-whose", "alice of Dev").await;
    assert_eq!(page.focused().await, "codes-title");
    let codes = page.texts("#codes li").await;

    page.click("#copy-codes").await;
    page.until("#codes-note", "Copied.").await;
    assert_eq!(pasted(&page).await, codes.join(" "));

    page.click("#download-codes").await;
    page.until("#codes-note", "Saved as").await;
    let saved = downloaded(&page.downloads.path().join("cedargate-backup-codes.txt")).await;
    assert!(saved.contains("alice of Dev"), "{saved}");
    assert!(saved.contains(&codes.join("\n")), "{saved}");

    let printed = "window.print = () => { window.printed = true; }";
    page.run(printed, Vec::new()).await;
    page.click("#print-codes").await;
    assert_eq!(page.run("return window.printed", Vec::new()).await, true);

    page.click("#hide-codes").await;
    assert_eq!(page.focused().await, "methods-title");
    assert_eq!(page.texts("#codes li").await, [""; 0]);
    page.close().await;
}

#[tokio::test]
async fn printed_page_holds_the_codes_only() {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    page.click("#add-passkey").await;
    page.until("#codes-whose", "alice of Dev").await;
    page.media("print").await;
    let seen = page.texts("body").await.join("");
    let codes = page.texts("#codes li").await;
    assert!(codes.iter().all(|code| seen.contains(code)), "{seen}");
    for other in ["Sign-in", "Copy", "Decisions", "Refusals", "cedargate"] {
        assert!(!seen.contains(other), "{other} in {seen}");
    }
    page.close().await;
}

/// The text in the clipboard, pasted into a text area.
async fn pasted(page: &Page) -> String {
    let area = "const area = document.body.appendChild(document.createElement('textarea'));
                area.id = 'pasted';
                area.focus();";
    page.run(area, Vec::new()).await;
    page.keys("\u{e009}v\u{e000}").await;
    let text = page.run("return document.querySelector('#pasted').value", Vec::new());
    text.await.as_str().unwrap().replace('\n', " ")
}

async fn downloaded(file: &Path) -> String {
    poll::first(&format!("the file {}", file.display()), async || {
        let text = fs::read_to_string(file).ok()?;
        Some(text).filter(|text| !text.is_empty())
    })
    .await
}
