//! `cedargate recovery-code`: the way back in that an operator can give.

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
use crate::mfa::admin::{self, named_user};
use crate::model::{Tenant, Timestamp, UserId};
use crate::record::Record;
use crate::store::{self, ResetOutcome, Store};

/// Make a recovery code for a user who has no authenticator.
///
/// It is how the first administrator gets a trusted authenticator: the user presents the code at
/// POST /v1/users/me/mfa/backup-codes/verify, and enrols with the token that it gives. The code works
/// once and is shown only here. Until it is used, or the user signs in strongly, nobody enrols for that
/// user.
///
/// It needs the configuration of the gateway, with its store and peppers. An embedded store is for one
/// process: stop the gateway first. The audit stream, where one is configured, tells of the code.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate recovery-code --user 'corp|alice' --tenant 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0
  for a user who lost all authenticators, which are removed:
    cedargate recovery-code --user 'corp|alice' --tenant 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0 --reset

With --json it prints one object: {\"account\", \"recovery_code\", \"expires_at\", \"removed\"}. It exits with
0 when the code was made, else with 2.")]
pub(super) struct Arguments {
    /// The configuration file of the gateway.
    #[arg(long, value_name = "FILE", default_value = serve::DEFAULT_CONFIG)]
    config: PathBuf,
    /// Who gets the code, as <issuer name>|<sub>.
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
        let message = "[step_up] is not configured, so no gateway takes a recovery code";
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
         It works once, until {}. Hand it over by a channel that reaches nobody else.\n",
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
        .filter_map(|one| Some(one.kind.name()?.as_str()))
        .collect();
    if names.contains(&user.issuer.as_str()) {
        return Ok(user);
    }
    let message = format!("--user: no issuer {} is configured", user.issuer);
    Err(Failure::usage("user", message).help(format!("configured are: {}", names.join(", "))))
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
    let mut record = Record::open(
        sink,
        now,
        now.uuid().to_string(),
        "recovery-code".to_owned(),
    );
    record.principal("operator");
    let mfa = config.mfa;
    let made = mfa.peppers.issue_recovery(mfa.recovery_code_ttl);
    let (recovery_code, recovery) =
        made.map_err(|error| Failure::usage("store", with_causes(&error)))?;
    let reset = admin::reset_account(&store, &user, &recovery, arguments.reset, &mut record);
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
                .help("to remove them, and the backup codes with them, add --reset"))
        }
    }
}

fn failed(error: &store::Error) -> Failure {
    let message = match error {
        store::Error::Unavailable { cause } => format!("the store did not answer: {cause}"),
        store::Error::OutcomeUnknown { cause } => format!(
            "the store did not answer: {cause}; whether the code was stored is not known: make \
             another one"
        ),
        error => error.to_string(),
    };
    Failure::usage("store", message)
}
