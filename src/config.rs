//! The configuration: flags over environment over file over defaults.
//!
//! One map takes key → (value, where it came from); each section takes its keys, and what is left
//! over is unknown. All problems are reported at once, each where it was written. Values of keys
//! that may hold a secret are in no finding.
//!
//! **Environment**: `CEDARGATE_`, then the key in capitals, `__` between levels, a number for an
//! entry of a list of tables: `CEDARGATE_STORE__URL`, `CEDARGATE_ISSUERS__0__JWKS`. A list is
//! written as in TOML, `["a", "b"]`; a list of one may be written plainly, `a`.
//!
//! **Paths** that are relative count from the folder of the configuration file, the defaults too;
//! those in flags and in the environment count from the working folder.

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
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::mfa::backup_codes::{Pepper, Peppers};
use crate::streams::DecisionLog;
use crate::{authn, mfa, store};
use cedargate_core::{Finding, Findings, Origin};
use cedargate_policy::{Mask, Requirements};
use files::{Files, Trouble};
pub use policies::ForPolicies;
use problems::{Place, Problems};
use section::Section;

/// Everything that a gateway needs to know.
pub struct Config {
    /// Where the API is served.
    pub listen: SocketAddr,
    /// Where health, readiness and metrics are served.
    pub admin_listen: SocketAddr,
    /// The host names, in lower case, that operators call the admin address by. IP addresses and
    /// `localhost` need no entry.
    pub admin_hosts: Vec<String>,
    /// The folder of the policies.
    pub policies: PathBuf,
    /// The folder of the schema.
    pub schema: PathBuf,
    /// What the policies must fulfil to be put in force.
    pub requirements: Requirements,
    /// Where accounts are kept.
    pub store: store::Settings,
    /// Whose tokens are accepted.
    pub authn: authn::Settings,
    /// The settings of operations on authenticators.
    pub mfa: mfa::Parts,
    /// The peers whose `X-Forwarded-For` is believed, and whose connections are not counted.
    pub trusted_proxies: Vec<IpNet>,
    /// The origins of the pages that may read answers (CORS).
    pub cors_origins: Vec<Origin>,
    /// Where decisions are written, if they are.
    pub decision_log: Option<DecisionLog>,
    /// The file of the audit stream, if there is to be one.
    pub audit: Option<PathBuf>,
}

/// The least length of a pepper, in bytes.
const SHORTEST_PEPPER: usize = 32;

/// Reads the configuration file at `path`, puts the layers together, and reads the files that they
/// refer to; the folders of policies and schema only have to be there. `flags` are dotted keys, such as `store.url`, with their values; `env` is the whole
/// environment.
pub fn load(
    flags: &[(&str, String)],
    env: impl IntoIterator<Item = (OsString, OsString)>,
    path: &Path,
) -> Result<Config, Findings> {
    let text = text(path)?;
    layered(flags, texts(env), Some((path, &text)))
}

/// As [`load`], of what concerns policies alone: the rest need not be right, nor the files there that
/// it names.
///
/// # Errors
/// All that is wrong with this part.
pub fn load_for_policies(
    env: impl IntoIterator<Item = (OsString, OsString)>,
    path: &Path,
) -> Result<ForPolicies, Findings> {
    let text = text(path)?;
    read(&[], texts(env), Some((path, &text)), policies::take)
}

fn text(path: &Path) -> Result<String, Findings> {
    let error = |message: String| {
        let finding = Finding::error("unreadable_file", path.display().to_string(), message);
        Findings(vec![finding])
    };
    let bytes = files::read(path).map_err(|trouble| error(trouble.message))?;
    String::from_utf8(bytes).map_err(|_| error("the configuration is not UTF-8 text".to_owned()))
}

/// No key is written in other bytes than text. A value that is none is wrong for its key, and that is
/// said when it is read.
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

/// Top-level tables whose features come in later versions.
const NOT_BUILT: [&str; 1] = ["tls"];

fn take(root: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Option<Config> {
    let (listen, admin_listen) = listeners(root, problems);
    let admin_hosts = hosts::take(root, problems);
    let (policies, schema, requirements) = policies(root, files, problems);
    let (store, enrollment_ttl) = store(root, files, problems);
    let issuers = issuers::take(root, files, problems);
    let step_up = step_up::take(root, issuers.as_deref(), files, problems);
    let parties = parties::take(root, files, problems);
    let peppers = peppers(root, files, problems);
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
            .map_err(|_| "it is an address and a port, such as 127.0.0.1:8080 or [::1]:8080")
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
            "`admin_listen` is the same as `listen`: each needs a port of its own",
            None,
        );
    }
    (listen, admin_listen)
}

fn policies(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> (PathBuf, PathBuf, Requirements) {
    let mut section = root.section("policies", problems);
    let mut folder = |key, default: &str, help| {
        let name = section.name(key);
        let is_named = section.has(key);
        let named = section.parsed_located(key, problems, not_empty);
        let path = match &named {
            Some(path) => files.resolve(path),
            None => files.default(default),
        };
        // Of one whose name is wrong enough has been said.
        if is_named == named.is_some()
            && let Err(trouble) = files::folder(&path, help)
        {
            let place = named.map_or(Place::Nowhere, |path| path.place);
            trouble.report(&name, &place, problems);
        }
        path
    };
    let policies = folder("path", "policies", POLICIES_HELP);
    let schema = folder("schema", "schema", SCHEMA_HELP);
    let canaries = section.parsed("canaries", problems, |text| match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is \"on\" or \"off\""),
    });
    let required = section.parsed_list("required", problems, not_empty);
    section.finish(problems);
    let requirements = Requirements {
        canaries: canaries.unwrap_or(true),
        required: required.unwrap_or_default(),
    };
    (policies, schema, requirements)
}

const POLICIES_HELP: &str = "name the folder of the *.cedar files in policies.path";
const SCHEMA_HELP: &str = "name the folder of gate.cedarschema in policies.schema; \
                           `cedargate policy schema --write --schema FOLDER` makes one";

fn store(
    root: &mut Section,
    files: &Files,
    problems: &mut Problems<'_>,
) -> (Option<store::Settings>, Duration) {
    let mut section = root.section("store", problems);
    let location = store_url::take(&mut section, files, problems);
    let rule = "it is a duration from 1s to 1h, such as \"5m\"";
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

/// Long enough to find one's key, short enough for a browser that is left open.
const ENROLLMENT_TTL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(60 * 60);

/// The keys of the hashes of backup codes, each of at least [`SHORTEST_PEPPER`] bytes. There is one at
/// least where there is no problem.
fn peppers(root: &mut Section, files: &Files, problems: &mut Problems<'_>) -> Peppers {
    let mut section = root.section("backup_codes", problems);
    section.require(&["pepper_files"], problems);
    let paths = section.filled_list("pepper_files", problems);
    section.finish(problems);
    let mut peppers: Vec<SecretSlice<u8>> = Vec::new();
    for path in paths.unwrap_or_default() {
        match pepper(&files.resolve(&path)) {
            Ok(pepper) if peppers.iter().any(|one| same(one, &pepper)) => problems.add(
                &path.place,
                "duplicate",
                "`backup_codes.pepper_files`: this file holds the same key as an earlier one",
                None,
            ),
            Ok(pepper) => peppers.push(pepper),
            Err(trouble) => trouble.report("backup_codes.pepper_files", &path.place, problems),
        }
    }
    Peppers::new(peppers.iter().map(Pepper::new).collect())
}

fn same(one: &SecretSlice<u8>, other: &SecretSlice<u8>) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// The bytes of a pepper's file, exactly as they stand there: a line break at the end counts.
fn pepper(path: &Path) -> Result<SecretSlice<u8>, Trouble> {
    let content = files::read_secret(path)?;
    if content.len() >= SHORTEST_PEPPER {
        return Ok(content.into());
    }
    let path = path.display();
    Err(Trouble {
        message: format!("{path} is shorter than {SHORTEST_PEPPER} bytes"),
        help: Some(format!(
            "make one: (umask 077; head -c {SHORTEST_PEPPER} /dev/urandom > {path})"
        )),
    })
}

/// The lifetime of a recovery code unless the configuration says otherwise: until the same time tomorrow.
pub const RECOVERY_CODE_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The most authenticators that an account may have unless the configuration says otherwise.
pub const MAX_AUTHENTICATORS: usize = 20;

fn recovery_code_ttl(root: &mut Section, problems: &mut Problems<'_>) -> Duration {
    let mut section = root.section("recovery", problems);
    let rule = "it is a duration from 1m to 7d, such as \"24h\"";
    let ttl = section.duration("code_ttl", RECOVERY_CODE_TTLS, rule, problems);
    section.finish(problems);
    ttl.unwrap_or(RECOVERY_CODE_TTL)
}

/// Long enough to be read over the telephone, short enough that a code in a forgotten letter is dead.
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
        let address = text.parse::<IpAddr>().map(|one| one.to_canonical().into());
        address
            .or_else(|_| text.parse::<IpNet>())
            .map_err(|_| "each is an address or a network, such as 10.0.0.0/8")
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
    let is_there = root.has("decision_log");
    let mut section = root.section("decision_log", problems);
    if is_there {
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
    let is_there = root.has("audit");
    let mut section = root.section("audit", problems);
    if is_there {
        section.require(&["file"], problems);
    }
    let file = section.parsed_located("file", problems, not_empty);
    section.finish(problems);
    Some(files.resolve(&file?))
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("it is empty")
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests;
