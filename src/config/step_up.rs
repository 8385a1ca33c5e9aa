//! The `[step_up]` section: the issuer of step-up tokens.

use std::time::Duration;

use super::files::{self, FileProblem, Files};
use super::not_empty;
use super::problems::Problems;
use super::section::Section;
use crate::authn::Issuer;
use crate::authn::signing::SigningKey;
use crate::authn::step_up::{Settings, StepUpIssuer};

const REQUIRED: [&str; 3] = ["issuer", "audience", "signing_key_files"];

/// The default lifetime of a step-up token.
const TTL: Duration = Duration::from_secs(10 * 60);
/// The least value leaves time for one request; the greatest limits the use of a stolen token.
const TTLS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(60 * 60);

/// Returns `None` if the section is absent or has a problem.
pub(super) fn take(
    root: &mut Section,
    issuers: Option<&[Issuer]>,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<StepUpIssuer> {
    if !root.has("step_up") {
        // Makes `step_up` a known key.
        root.section("step_up", problems).finish(problems);
        return None;
    }
    let mut section = root.section("step_up", problems);
    section.require(&REQUIRED, problems);
    let issuer = section.parsed_located("issuer", problems, not_empty);
    if let Some(issuer) = &issuer
        && issuers.is_some_and(|all| all.iter().any(|other| other.issuer == issuer.value))
    {
        let message = "`step_up.issuer`: one of `issuers` has the same value, so its signing keys could sign step-up tokens: choose another value";
        problems.add(&issuer.place, "duplicate", message, None);
    }
    let audience = section.parsed("audience", problems, not_empty);
    let rule = "it must be a duration from 1m to 1h, such as \"10m\"";
    let ttl = section.duration("ttl", TTLS, rule, problems);
    let keys = keys(&mut section, files, problems);
    section.finish(problems);
    let settings = Settings {
        issuer: issuer?.value,
        audience: audience?,
        ttl: ttl.unwrap_or(TTL),
        keys: keys?,
    };
    match StepUpIssuer::new(settings) {
        Ok(issuer) => Some(issuer),
        Err(error) => {
            let message = format!("`step_up.signing_key_files`: {error}");
            problems.add(root.place_of("step_up"), "invalid_value", message, None);
            None
        }
    }
}

fn keys(
    section: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<Vec<SigningKey>> {
    let name = "step_up.signing_key_files";
    let paths = section.filled_list("signing_key_files", problems)?;
    let mut keys: Vec<SigningKey> = Vec::new();
    let mut all_valid = true;
    for path in &paths {
        let file = files.resolve(path);
        let key = files::read_secret(&file).and_then(|pkcs8| {
            SigningKey::parse(&pkcs8).map_err(|error| FileProblem {
                message: format!("{} {error}", file.display()),
                help: Some(format!(
                    "create one with (umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {})",
                    file.display()
                )),
            })
        });
        match key {
            Ok(key) if keys.iter().any(|other| other.id() == key.id()) => {
                let message = format!(
                    "`{name}`: this file holds the same key as an earlier entry: remove one of them"
                );
                problems.add(&path.place, "duplicate", message, None);
                all_valid = false;
            }
            Ok(key) => keys.push(key),
            Err(problem) => {
                problem.report(name, &path.place, problems);
                all_valid = false;
            }
        }
    }
    all_valid.then_some(keys)
}
