//! `cedargate recovery-code`: makes a code that lets a user without an authenticator enrol one.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::streams::Streams;
use super::{block_on, now, output, serve};
use crate::app::Sinks;
use crate::config::Config;
use crate::error::with_causes;
use crate::event::RequestEvent;
use crate::mfa::admin::{self, named_user};
use crate::store::{self, ResetOutcome, Store};
use cedargate_core::{Tenant, Timestamp, UserId};

/// Make a recovery code for a user who has no authenticator.
///
/// The first administrator gets a trusted authenticator this way: the user sends the code to
/// POST /v1/users/me/mfa/backup-codes/verify, and enrols with the token in the answer. The code works
/// once and is shown only here. Until the user has enrolled an authenticator, enrolling one takes the
/// code or a strong sign-in.
///
/// The command needs the configuration of the gateway, with its store and peppers. Only one process
/// can open an embedded store: stop the gateway first. If an audit stream is configured, it records
/// that the code was made.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate recovery-code --user 'corp|alice' --tenant 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0
  for a user who lost all authenticators (the command removes them):
    cedargate recovery-code --user 'corp|alice' --tenant 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0 --reset

With --json it prints one object: {\"account\", \"recovery_code\", \"expires_at\", \"removed\"}. It exits with
0 if the code was made, otherwise with 2.")]
pub(super) struct Arguments {
    /// The configuration file of the gateway.
    #[arg(long, value_name = "FILE", default_value = serve::DEFAULT_CONFIG)]
    config: PathBuf,
    /// The user who gets the code, as <issuer name>|<sub>.
    #[arg(long, value_name = "ISSUER|SUB")]
    user: String,
    /// The tenant that the user signs in to.
    #[arg(long, value_name = "UUID")]
    tenant: Tenant,
    /// Remove the authenticators and backup codes that the user has.
    #[arg(long)]
    reset: bool,
    /// Print one JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made {
    account: String,
    recovery_code: String,
    expires_at: Timestamp,
    removed: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut config = serve::configuration(&arguments.config, &[])?;
    let user = user(arguments, &config)?;
    if config.mfa.step_up.is_none() {
        let message = "[step_up] is not configured, so the gateway accepts no recovery code";
        return Err(Failure::usage("step_up", message).help("add [step_up] to the configuration"));
    }
    let streams = Streams::open(None, config.audit.take())?;
    let made = block_on(make(arguments, config, user, &streams));
    streams.finish();
    let made = made?;
    if arguments.json {
        return output::print_json(&made);
    }
    output::print(&format!(
        "recovery code of {}: {}\n\
         It works once, until {}. Hand it over by a channel that reaches only this user.\n",
        made.account, made.recovery_code, made.expires_at
    ))
}

fn user(arguments: &Arguments, config: &Config) -> Result<UserId, Failure> {
    let user = named_user(&arguments.user, arguments.tenant).map_err(|_| {
        let message = format!("--user {:?} is not <issuer name>|<sub>", arguments.user);
        Failure::usage("user", message).help("write it as in --user 'corp|alice'")
    })?;
    let issuers = config.authn.issuers.iter();
    let names: Vec<&str> = issuers
        .filter_map(|issuer| Some(issuer.kind.name()?.as_str()))
        .collect();
    if names.contains(&user.issuer.as_str()) {
        return Ok(user);
    }
    let message = format!("--user: the issuer {} is not configured", user.issuer);
    Err(Failure::usage("user", message).help(format!(
        "use one of the configured issuers: {}",
        names.join(", ")
    )))
}

async fn make(
    arguments: &Arguments,
    config: Config,
    user: UserId,
    streams: &Streams,
) -> Result<Made, Failure> {
    let store = Store::open(config.store)
        .await
        .map_err(|error| Failure::usage("store", with_causes(&error)))?;
    let sink = Arc::new(Sinks(streams.sinks().collect()));
    let now = now();
    let mut event = RequestEvent::open(
        sink,
        now,
        now.uuid().to_string(),
        "recovery-code".to_owned(),
    );
    event.principal("operator");
    let mfa = config.mfa;
    let made = mfa.peppers.issue_recovery(mfa.recovery_code_ttl);
    let (recovery_code, recovery) =
        made.map_err(|error| Failure::usage("store", with_causes(&error)))?;
    let reset = admin::reset_account(&store, &user, &recovery, arguments.reset, &mut event);
    match reset.await.map_err(|error| failed(&error))? {
        ResetOutcome::Done {
            removed,
            expires_at,
        } => Ok(Made {
            account: user.to_string(),
            recovery_code,
            expires_at,
            removed: removed.len(),
        }),
        ResetOutcome::Enrolled => {
            let message = format!("{user} has authenticators");
            Err(Failure::usage("enrolled", message)
                .help("to remove them and the backup codes, add --reset"))
        }
    }
}

fn failed(error: &store::Error) -> Failure {
    let message = match error {
        store::Error::Unavailable { cause } => format!("the store did not answer: {cause}"),
        store::Error::OutcomeUnknown { cause } => format!(
            "the store did not answer: {cause}; the code may or may not be stored: make another one"
        ),
        error => error.to_string(),
    };
    Failure::usage("store", message)
}
