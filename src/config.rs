//! The configuration. Flags override the environment, which overrides the file, which overrides the
//! defaults.
//!
//! The layers become one tree, in which each value knows its place. Each section takes its keys out
//! of the tree, and the keys that are left over are unknown. All problems are reported at once, each
//! with its place. No finding shows the value of a key that may hold a secret.
//!
//! **Environment**: the name of a variable is `CEDARGATE_` and the key in capitals, with `__` between
//! levels and the index for an entry of a list: `CEDARGATE_STORE__URL`, `CEDARGATE_ISSUERS__0__JWKS`.
//! A list is written as in TOML, `["a", "b"]`; the brackets and quotes can be left out for a list with
//! one entry, `a`.
//!
//! **Relative paths** in the file, and the defaults, are resolved against the folder of the file.
//! Relative paths in flags and in the environment are resolved against the working folder.

mod backup_codes;
mod files;
mod hosts;
mod issuers;
mod layers;
mod parties;
mod policies;
mod problems;
mod section;
mod step_up;
mod store_url;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::streams::DecisionLog;
use crate::{authn, mfa, store};
use cedargate_core::{Finding, Findings, Origin};
use cedargate_policy::{Mask, Requirements};
use files::Files;
pub use policies::PolicyConfig;
use problems::Problems;
use section::Section;

/// The settings of a gateway.
pub struct Config {
    /// The address of the API.
    pub listen: SocketAddr,
    /// The address of health, readiness and metrics.
    pub admin_listen: SocketAddr,
    /// The host names, in lower case, that requests to the admin address may name. IP addresses and
    /// `localhost` need no entry.
    pub admin_hosts: Vec<String>,
    /// The folder of the policies.
    pub policies: PathBuf,
    /// The folder of the schema.
    pub schema: PathBuf,
    /// The conditions that policies must meet to be put in force.
    pub requirements: Requirements,
    pub store: store::Settings,
    pub authn: authn::Settings,
    pub mfa: mfa::Parts,
    /// The proxies whose `X-Forwarded-For` is used. The limit on connections of one peer does not
    /// apply to them.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins of the pages that may read answers (CORS).
    pub cors_origins: Vec<Origin>,
    pub decision_log: Option<DecisionLog>,
    /// The file of the audit stream.
    pub audit: Option<PathBuf>,
}

/// Reads the configuration file at `path`, merges the layers, and reads the files that they name. The
/// folders of policies and schema are not read, but must exist. `flags` are dotted keys, such as
/// `store.url`, with their values; `env` is the whole environment.
///
/// # Errors
/// Returns all problems of the configuration and of the files that it names.
pub fn load(
    flags: &[(&str, String)],
    env: impl IntoIterator<Item = (OsString, OsString)>,
    path: &Path,
) -> Result<Config, Findings> {
    let text = text(path)?;
    layered(flags, texts(env), Some((path, &text)))
}

/// Loads the settings of the policy tools as [`load`] does. The other parts may be invalid, and the
/// files that they name may be missing.
///
/// # Errors
/// Returns all problems of these settings.
pub fn load_for_policies(
    env: impl IntoIterator<Item = (OsString, OsString)>,
    path: &Path,
) -> Result<PolicyConfig, Findings> {
    let text = text(path)?;
    read(&[], texts(env), Some((path, &text)), policies::take)
}

fn text(path: &Path) -> Result<String, Findings> {
    let error = |message: String| {
        let finding = Finding::error("unreadable_file", path.display().to_string(), message);
        Findings(vec![finding])
    };
    let bytes = files::read(path).map_err(|problem| error(problem.message))?;
    String::from_utf8(bytes)
        .map_err(|_| error("the configuration file is not UTF-8 text".to_owned()))
}

/// Returns the variables as text. Keys are UTF-8. A value that is not UTF-8 is reported when its key is
/// parsed.
fn texts(
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (String, String)> {
    env.into_iter().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    })
}

fn layered(
    flags: &[(&str, String)],
    env: impl IntoIterator<Item = (String, String)>,
    file: Option<(&Path, &str)>,
) -> Result<Config, Findings> {
    read(flags, env, file, |root, files, problems| {
        let config = take(root, files, problems);
        root.finish(problems);
        config
    })
}

fn read<T>(
    flags: &[(&str, String)],
    env: impl IntoIterator<Item = (String, String)>,
    file: Option<(&Path, &str)>,
    take: impl FnOnce(&mut Section, &Files, &mut Problems<'_>) -> Option<T>,
) -> Result<T, Findings> {
    let mut problems = Problems::new(file);
    let files = Files::beside(file.map(|(path, _)| path));
    let text = file.map(|(_, text)| text);
    let taken = layers::merge(flags, env, text, &mut problems)
        .and_then(|entries| take(&mut Section::root(entries), &files, &mut problems));
    match taken {
        Some(taken) if problems.is_empty() => Ok(taken),
        _ => Err(problems.into_findings()),
    }
}

/// Top-level tables of features that come in later versions.
const NOT_BUILT: [&str; 1] = ["tls"];

fn take(root: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Option<Config> {
    let (listen, admin_listen) = listeners(root, problems);
    let admin_hosts = hosts::take(root, problems);
    let (policies, schema, requirements) = policies::sources(root, files, problems);
    let (store, enrollment_ttl) = store(root, files, problems);
    let issuers = issuers::take(root, files, problems);
    let step_up = step_up::take(root, issuers.as_deref(), files, problems);
    let parties = parties::take(root, files, problems);
    let peppers = backup_codes::take(root, files, problems);
    let recovery_code_ttl = recovery_code_ttl(root, problems);
    let max_authenticators = max_authenticators(root, problems);
    let trusted_proxies = trusted_proxies(root, problems);
    let cors_origins = cors_origins(root, problems);
    let decision_log = decision_log(root, files, problems);
    let audit = audit(root, files, problems);
    for key in NOT_BUILT {
        root.not_built(key, problems);
    }
    Some(Config {
        listen,
        admin_listen,
        admin_hosts,
        policies,
        schema,
        requirements,
        store: store?,
        authn: authn::Settings { issuers: issuers? },
        mfa: mfa::Parts {
            parties: Arc::new(parties?),
            peppers: Arc::new(peppers),
            step_up: step_up.map(Arc::new),
            enrollment_ttl,
            recovery_code_ttl,
            max_authenticators,
        },
        trusted_proxies,
        cors_origins,
        decision_log,
        audit,
    })
}

fn listeners(root: &mut Section, problems: &mut Problems<'_>) -> (SocketAddr, SocketAddr) {
    let address = |text: &str| {
        text.parse()
            .map_err(|_| "it must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
    };
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let listen = root.parsed("listen", problems, address);
    let admin_listen = root.parsed("admin_listen", problems, address);
    let listen = listen.unwrap_or(loopback(8080));
    let admin_listen = admin_listen.unwrap_or(loopback(9090));
    if listen == admin_listen && listen.port() != 0 {
        problems.add(
            root.place_of("admin_listen"),
            "invalid_value",
            "`admin_listen` is the same as `listen`: give each its own port",
            None,
        );
    }
    (listen, admin_listen)
}

fn store(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> (Option<store::Settings>, Duration) {
    let mut section = root.section("store", problems);
    let location = store_url::take(&mut section, files, problems);
    let rule = "it must be a duration from 1s to 1h, such as \"5m\"";
    let enrollment_ttl = section
        .duration("enrollment_ttl", ENROLLMENT_TTL, rule, problems)
        .unwrap_or(Duration::from_secs(5 * 60));
    let require_durable = section.boolean("require_durable", problems).unwrap_or(true);
    section.finish(problems);
    let settings = location.map(|location| store::Settings {
        location,
        require_durable,
    });
    (settings, enrollment_ttl)
}

/// The least value leaves time for a test; the greatest limits the time in which a browser that was
/// left open can complete an enrolment.
const ENROLLMENT_TTL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(60 * 60);

/// The default lifetime of a recovery code: 24 hours.
pub const RECOVERY_CODE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The default limit on the authenticators of an account.
pub const MAX_AUTHENTICATORS: usize = 20;

fn recovery_code_ttl(root: &mut Section, problems: &mut Problems<'_>) -> Duration {
    let mut section = root.section("recovery", problems);
    let rule = "it must be a duration from 1m to 7d, such as \"24h\"";
    let ttl = section.duration("code_ttl", RECOVERY_CODE_TTLS, rule, problems);
    section.finish(problems);
    ttl.unwrap_or(RECOVERY_CODE_TTL)
}

/// The least value leaves time to read a code over the telephone; the greatest limits how long a code
/// in a lost letter is valid.
const RECOVERY_CODE_TTLS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 60 * 60);

fn max_authenticators(root: &mut Section, problems: &mut Problems<'_>) -> usize {
    let mut section = root.section("webauthn", problems);
    let limit = section.number("max_authenticators", 1..=100, problems);
    section.finish(problems);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(MAX_AUTHENTICATORS)
}

fn trusted_proxies(root: &mut Section, problems: &mut Problems<'_>) -> Vec<IpNet> {
    let mut section = root.section("network", problems);
    let proxies = section.parsed_list("trusted_proxies", problems, |text| {
        let address = text.parse::<IpAddr>().map(|ip| ip.to_canonical().into());
        address
            .or_else(|_| text.parse::<IpNet>())
            .map_err(|_| "each entry must be an address or a network, such as 10.0.0.0/8")
    });
    section.finish(problems);
    proxies.unwrap_or_default()
}

fn cors_origins(root: &mut Section, problems: &mut Problems<'_>) -> Vec<Origin> {
    let mut section = root.section("cors", problems);
    let origins = section.parsed_list("origins", problems, str::parse::<Origin>);
    section.finish(problems);
    origins.unwrap_or_default()
}

fn decision_log(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> Option<DecisionLog> {
    let is_present = root.has("decision_log");
    let mut section = root.section("decision_log", problems);
    if is_present {
        section.require(&["file"], problems);
    }
    let file = section.parsed_located("file", problems, not_empty);
    let masks = section.parsed_list("mask", problems, str::parse::<Mask>);
    section.finish(problems);
    Some(DecisionLog {
        file: files.resolve(&file?),
        masks: masks.unwrap_or_default(),
    })
}

fn audit(root: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let is_present = root.has("audit");
    let mut section = root.section("audit", problems);
    if is_present {
        section.require(&["file"], problems);
    }
    let file = section.parsed_located("file", problems, not_empty);
    section.finish(problems);
    Some(files.resolve(&file?))
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("it must not be empty")
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests;
