//! The keys `store.url` and `store.url_file`: the place of the store.

use std::borrow::Cow;

use super::files::{self, FileProblem, Files};
use super::problems::Problems;
use super::section::{Located, Section};
use crate::error::with_causes;
use crate::store::Location;

pub(super) const FORMS: &str = "it must be embedded:FOLDER, redis://HOST:PORT/DATABASE, rediss://… or \
                     redis+unix:///SOCKET";

/// Takes `url` or `url_file`. No message quotes the URL, because it may hold a password.
pub(super) fn take(
    section: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<Location> {
    let both = section.has("url") && section.has("url_file");
    if !section.has("url") && !section.has("url_file") {
        section.missing("url", problems);
    }
    let url = section.text("url", problems);
    let file = section.text("url_file", problems);
    if both {
        let message = "`store.url` and `store.url_file` are both set: remove one of them";
        problems.add(section.place_of("url_file"), "invalid_value", message, None);
        return None;
    }
    let (name, url) = match (url, file) {
        (Some(url), _) => ("store.url", url),
        (None, Some(file)) => match from_file(files, &file) {
            Ok(url) => ("store.url_file", url),
            Err(problem) => {
                problem.report("store.url_file", &file.place, problems);
                return None;
            }
        },
        (None, None) => return None,
    };
    match location(&url, files) {
        Ok(location) => Some(location),
        Err((code, sentence)) => {
            problems.add(&url.place, code, format!("`{name}`: {sentence}"), None);
            None
        }
    }
}

fn from_file(files: &Files, file: &Located<String>) -> Result<Located<String>, FileProblem> {
    let path = files.resolve(file);
    let text = String::from_utf8(files::read_secret(&path)?).map_err(|_| FileProblem {
        message: format!("{} is not UTF-8 text", path.display()),
        help: None,
    })?;
    Ok(Located {
        value: text.trim().to_owned(),
        place: file.place.clone(),
    })
}

fn location(
    url: &Located<String>,
    files: &Files,
) -> Result<Location, (&'static str, Cow<'static, str>)> {
    if let Some(folder) = url.value.strip_prefix("embedded:") {
        if folder.is_empty() {
            return Err((
                "invalid_value",
                "`embedded:` must be followed by a folder".into(),
            ));
        }
        return Ok(Location::Embedded(files.resolve(&Located {
            value: folder.to_owned(),
            place: url.place.clone(),
        })));
    }
    match url.value.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis" | "rediss" | "redis+unix") => Location::redis(&url.value)
            .map_err(|error| ("invalid_value", with_causes(&error).into())),
        Some(scheme) if scheme.ends_with("+sentinel") || scheme.ends_with("+cluster") => Err((
            "not_built",
            "Redis Sentinel and Redis Cluster are not supported in this version: name one server"
                .into(),
        )),
        _ => Err(("invalid_value", FORMS.into())),
    }
}
