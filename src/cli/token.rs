//! `cedargate token`: prints a token that the issuer of `dev` has signed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};

use super::dev::{self, data, issuer};
use super::failure::Failure;
use super::{now, output};
use cedargate_core::Tenant;

/// Print a token for `cedargate dev`.
///
/// The token is signed with the development key in the data folder of dev, which `cedargate serve`
/// does not trust. `cedargate dev` makes that key when it first runs with the folder; it need not be
/// running now.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  cedargate token --user alice --tenant 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0
  a strong sign-in ten seconds ago:
    cedargate token --user alice --tenant 2489e9ad-2ee2-8e00-8ec9-32d5f69181c0 --acr phr --auth-time -10s
  a claim that policies read:
    cedargate token --user bob --tenant 0e0e0e0e-0000-4000-8000-000000000003 --claim employment='\"contractor\"'")]
pub(super) struct Arguments {
    /// The user, as the `sub` of the token.
    #[arg(long, value_name = "USER", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: String,
    /// The tenant that the token is for.
    #[arg(long, value_name = "UUID")]
    tenant: Tenant,
    /// The groups of the user, separated by commas.
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    groups: Vec<String>,
    /// The `acr` of the sign-in; dev treats phr as strong.
    #[arg(long)]
    acr: Option<String>,
    /// The methods of the sign-in (RFC 8176), separated by commas.
    #[arg(long, value_delimiter = ',', default_value = issuer::PASSWORD)]
    amr: Vec<String>,
    /// The time since the sign-in, such as -10s, -5m or 0s [default: no `auth_time` in the token].
    #[arg(
        long,
        value_name = "-DURATION",
        allow_hyphen_values = true,
        value_parser = dev::parse_age
    )]
    auth_time: Option<Duration>,
    /// The lifetime of the token.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// A further claim, with its value in JSON; can be repeated, and overrides the other flags.
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = parse_claim)]
    claims: Vec<(String, Value)>,
    /// The data folder of dev.
    #[arg(long, value_name = "FOLDER", default_value = dev::DEFAULT_DATA)]
    data: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let key = data::signing_key(&arguments.data)?;
    let now = now();
    let sign_in = issuer::SignIn {
        user: arguments.user.clone(),
        tenant: arguments.tenant,
        groups: arguments.groups.clone(),
        acr: arguments.acr.clone(),
        amr: arguments.amr.clone(),
        auth_time: arguments.auth_time.map(|age| dev::seconds_before(now, age)),
        ttl: arguments.ttl,
        claims: arguments.claims.iter().cloned().collect::<Map<_, _>>(),
    };
    let token = issuer::token(&key, &sign_in, now)
        .map_err(|error| Failure::usage("token", format!("the token cannot be signed: {error}")))?;
    output::print(&format!("{token}\n"))
}

pub(super) fn parse_claim(text: &str) -> Result<(String, Value), String> {
    let example = "write NAME=JSON, such as level=3 or employment='\"contractor\"'";
    let (name, value) = text.split_once('=').ok_or(example)?;
    if name.is_empty() {
        return Err(example.to_owned());
    }
    let value = serde_json::from_str(value)
        .map_err(|error| format!("the value of {name} is not JSON ({error}): {example}"))?;
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches as _};

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        let command = Arguments::augment_args(Command::new("token"));
        let required = ["token", "--user", "alice", "--tenant", issuer::TENANT];
        let matches = command.try_get_matches_from(required.iter().chain(arguments))?;
        Arguments::from_arg_matches(&matches)
    }

    #[test]
    fn auth_time_without_a_minus_is_refused() {
        let parsed = parse(&["--auth-time", "-5m"]).unwrap();
        assert_eq!(parsed.auth_time, Some(Duration::from_secs(300)));
        let parsed = parse(&["--auth-time=-10s", "--acr", "phr"]).unwrap();
        assert_eq!(parsed.auth_time, Some(Duration::from_secs(10)));
        let error = parse(&["--auth-time", "5m"]).unwrap_err().to_string();
        assert!(
            error.contains("write how long ago the sign-in was, such as -5m"),
            "{error}"
        );
    }

    #[test]
    fn lists_are_separated_by_commas_and_claims_are_repeated() {
        let parsed = parse(&[
            "--groups",
            "a,b",
            "--amr",
            "pwd,otp",
            "--claim",
            "level=3",
            "--claim",
            "team=\"x=y\"",
        ])
        .unwrap();
        assert_eq!(parsed.groups, ["a", "b"]);
        assert_eq!(parsed.amr, ["pwd", "otp"]);
        let level = ("level".to_owned(), Value::from(3));
        let team = ("team".to_owned(), Value::from("x=y"));
        assert_eq!(parsed.claims, [level, team]);
    }

    #[test]
    fn claim_that_is_not_json_is_refused_with_an_example() {
        let error = parse(&["--claim", "employment=contractor"]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("employment is not JSON"), "{error}");
        assert!(error.contains("employment='\"contractor\"'"), "{error}");
    }

    #[test]
    fn tenant_that_is_not_a_uuid_exits_with_2() {
        let error = parse(&["--tenant", "acme"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
