//! Accessibility of the page: keyboard, screen reader, phone.

use fantoccini::key::Key;
use serde_json::{Value, json};

use super::Page;
use super::chromium::{built_in, security_key};

/// The elements that a person can operate now.
const CONTROLS: &str =
    ":is(a[href], button, input, select, textarea, summary, [tabindex='0']):not([hidden] *)";

async fn tab_to(page: &Page, id: &str) {
    for _ in 0..30 {
        if page.focused().await == id {
            return;
        }
        page.keys(&Key::Tab).await;
    }
    panic!("Tab never comes to {id}");
}

#[tokio::test]
async fn authenticator_is_added_and_codes_put_away_by_keyboard_alone() {
    let page = Page::open().await;
    page.plug_in(built_in()).await;
    tab_to(&page, "user").await;
    tab_to(&page, "device-name").await;
    page.keys("By keyboard").await;
    tab_to(&page, "add-passkey").await;
    assert_eq!(outline(&page).await, "solid", "the focus is seen");
    page.keys(&Key::Enter).await;
    page.until("#methods li", "By keyboard").await;
    assert_eq!(page.focused().await, "codes-title", "codes are read out");
    tab_to(&page, "hide-codes").await;
    page.keys(&Key::Enter).await;
    page.until("#methods-note", "10 backup codes left").await;

    // Enter in the name's field adds a passkey
    tab_to(&page, "refresh").await;
    page.click("#device-name").await;
    page.keys(&Key::Enter).await;
    page.until("#error", "A fresh and strong sign-in is needed")
        .await;
    assert_eq!(page.focused().await, "add-passkey");
    page.close().await;
}

async fn outline(page: &Page) -> Value {
    let style = "return getComputedStyle(document.activeElement).outlineStyle";
    page.run(style, Vec::new()).await
}

#[tokio::test]
async fn every_control_has_a_name_and_every_part_a_heading() {
    let page = Page::open().await;
    let laptop = page.plug_in(built_in()).await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    page.unplug(laptop).await;
    page.plug_in(security_key()).await;
    page.click("#add-security-key").await;
    page.until("#error", "sign-in is needed").await;
    page.click("#methods button[aria-label^=Rename]").await;

    let labels = page.labels(CONTROLS).await;
    assert!(labels.len() > 15, "{labels:?}");
    let mut names: Vec<_> = labels.iter().map(|(_, name)| name).collect();
    for (html, name) in &labels {
        assert!(!name.trim().is_empty(), "no name: {html}");
    }
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "two controls have one name: {labels:?}");

    let outline = r#"
        const one = (css) => document.querySelectorAll(css).length;
        const levels = [...document.querySelectorAll("h1, h2, h3")].map(({ localName }) => Number(localName[1]));
        return {
          main: one("main"), banner: one("body > header"), h1: one("h1"), language: document.documentElement.lang,
          skips: levels.filter((level, at) => at > 0 && level > levels[at - 1] + 1).length,
          unnamed: [...document.querySelectorAll("section")]
            .filter((part) => !document.getElementById(part.getAttribute("aria-labelledby"))).length,
          dangling: [...document.querySelectorAll("[aria-describedby]")]
            .flatMap((part) => part.getAttribute("aria-describedby").split(" "))
            .filter((id) => !document.getElementById(id)).length,
          twice: [...document.querySelectorAll("[id]")].filter(({ id }, _, all) => all.filter((two) => two.id === id).length > 1).length,
        }"#;
    let expected = json!({
        "main": 1, "banner": 1, "h1": 1, "language": "en",
        "skips": 0, "unnamed": 0, "dangling": 0, "twice": 0,
    });
    assert_eq!(page.run(outline, Vec::new()).await, expected);
    for (css, role) in [("#status", "status"), ("#error", "alert")] {
        let found = format!("return document.querySelector('{css}').getAttribute('role')");
        assert_eq!(page.run(&found, Vec::new()).await, role);
    }
    page.close().await;
}

#[tokio::test]
async fn nothing_is_cut_off_on_a_phone() {
    let page = Page::open().await;
    page.widen(360).await;
    page.plug_in(built_in()).await;
    page.fill("#user", &"long-user-name-".repeat(8)).await;
    page.fill("#device-name", &"W".repeat(100)).await;
    page.click("#add-passkey").await;
    page.until("#status", "The passkey is added").await;
    page.until("#methods li", "WWW").await;
    page.click("#try-tenant").await;
    page.until("#try-tenant-result", "Refused, as expected")
        .await;
    page.until("#decisions", "denied").await;
    page.click("#decisions .effect-deny summary").await;
    page.until("#decisions", "principal was in Gate::Tenant")
        .await;
    let beyond = "const { scrollWidth, clientWidth } = document.documentElement;
                  return scrollWidth - clientWidth";
    assert_eq!(page.run(beyond, Vec::new()).await, 0);
    // WCAG 2.2 requires targets of at least 24 CSS pixels (2.5.8); checkboxes have their label, too
    let small = r#"
        return [...document.querySelectorAll("button, input:not([type=checkbox]), select, summary")]
          .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24)
          .map(({ id }) => id)"#;
    assert_eq!(page.run(small, Vec::new()).await, json!([]));
    page.close().await;
}
