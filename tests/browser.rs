//! A real Chromium with virtual authenticators: what only a browser can show to work.

mod access;
mod chromium;
mod codes;
mod cross_origin;
mod family;
mod messages;
mod page;
mod raw;
mod refusals;
mod simplewebauthn;

use std::ops::Deref;

use tempfile::TempDir;

use crate::gateway::{Gateway, Port};
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

    /// As [`Page::open`], in a folder whose `policies` and `schema` count if they are there.
    async fn open_in(home: TempDir) -> Self {
        let gateway = Gateway::dev(home.path());
        Self::of(home, gateway).await
    }

    /// As [`Page::open`], at this port.
    async fn open_at(port: &Port) -> Self {
        let home = tempfile::tempdir().unwrap();
        let gateway = Gateway::dev_at(home.path(), port.number());
        Self::of(home, gateway).await
    }

    async fn of(home: TempDir, gateway: Gateway) -> Self {
        let chromium = Chromium::start().await;
        chromium.open(&gateway.url).await;
        Self {
            chromium,
            gateway,
            home,
        }
    }

    /// Closes it: nothing may have gone wrong that only the console tells.
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
