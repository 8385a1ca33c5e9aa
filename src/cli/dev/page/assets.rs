//! The files of the page, built into the program.

pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) media_type: &'static str,
    pub(super) text: &'static str,
}

impl Asset {
    /// Returns the file at a path.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.path == path)
    }
}

/// The document, which loads the files in [`ASSETS`].
pub(super) const PAGE: &str = include_str!("page.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($name:literal, $media_type:expr) => {
        Asset {
            path: concat!("/dev/", $name),
            media_type: $media_type,
            text: include_str!($name),
        }
    };
}

pub(super) static ASSETS: [Asset; 17] = [
    asset!("icon.svg", "image/svg+xml"),
    asset!("page.css", "text/css; charset=utf-8"),
    asset!("page.js", SCRIPT),
    asset!("exclusive.js", SCRIPT),
    asset!("api.js", SCRIPT),
    asset!("codes.js", SCRIPT),
    asset!("decisions.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("enrol.js", SCRIPT),
    asset!("failed.js", SCRIPT),
    asset!("methods.js", SCRIPT),
    asset!("names.js", SCRIPT),
    asset!("outcome.js", SCRIPT),
    asset!("refusals.js", SCRIPT),
    asset!("stepup.js", SCRIPT),
    asset!("why.js", SCRIPT),
    asset!("words.js", SCRIPT),
];
