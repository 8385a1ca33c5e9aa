//! A real Chromium with virtual authenticators: what only a browser can show to work.

mod chromium;
mod page;
mod raw;
