//! The page of `dev` and the API in a real Chromium with virtual authenticators.

mod access;
mod authenticators;
mod chromium;
mod codes;
mod cross_origin;
mod messages;
mod page;
mod raw;
mod refusals;
mod simplewebauthn;

use std::ops::Deref;

use tempfile::TempDir;

use crate::support::gateway::{Gateway, Port};
use chromium::Chromium;

/// The page of `dev` with the shipped policies, open in a browser.
struct Page {
    chromium: Chromium,
    gateway: Gateway,
    home: TempDir,
}

impl Page {
    async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    /// Opens the page of `dev` in a folder, whose `policies` and `schema` are used if they exist.
    async fn open_in(home: TempDir) -> Self {
        let gateway = Gateway::dev(home.path());
        Self::of(home, gateway).await
    }

    /// Opens the page of `dev` at this port.
    async fn open_at(port: &Port) -> Self {
        let home = tempfile::tempdir().unwrap();
        let gateway = Gateway::dev_at(home.path(), port.number());
        Self::of(home, gateway).await
    }

    async fn of(home: TempDir, gateway: Gateway) -> Self {
        let chromium = Chromium::start().await;
        chromium.open(&gateway.url).await;
        // The page moves its buttons while it loads, so that a click could miss.
        chromium.until("#decisions", "listMfaMethods").await;
        Self {
            chromium,
            gateway,
            home,
        }
    }

    /// Closes the page and checks that the console has no errors.
    async fn close(self) {
        let complaints = self.chromium.complaints().await;
        assert_eq!(complaints, Vec::<serde_json::Value>::new());
        self.chromium.close().await;
        self.gateway.stop();
    }
}

impl Deref for Page {
    type Target = Chromium;

    fn deref(&self) -> &Chromium {
        &self.chromium
    }
}
