//! Checks that policies name only issuers of a configuration.

use cedar_policy::EntityUid;

use cedargate_core::{Finding, IssuerName, Severity, nearest};
use cedargate_policy::analysis::{ExaminedSources, Place};

/// An issuer that a configuration names.
#[derive(Clone, Debug)]
pub struct KnownIssuer {
    /// The name, as policies write it.
    pub name: IssuerName,
    /// True if the configuration names the claim of its tokens that lists groups.
    pub has_groups: bool,
}

pub(super) fn check(
    examined: &ExaminedSources<'_>,
    known: &[KnownIssuer],
    findings: &mut Vec<Finding>,
) {
    for statement in &examined.statements {
        for named in statement.syntax().entities() {
            let place = named.span.map(|span| statement.place.part(span));
            let place = place.unwrap_or_else(|| statement.place.clone());
            findings.extend(unknown_issuer(&named.item, &place, known));
        }
    }
    for link in &examined.links {
        for named in link.arguments.values() {
            findings.extend(unknown_issuer(named, &link.place, known));
        }
    }
}

fn unknown_issuer(named: &EntityUid, place: &Place<'_>, known: &[KnownIssuer]) -> Option<Finding> {
    let id = named.id().unescaped();
    let type_name = named.type_name().to_string();
    let name = match type_name.as_str() {
        "Gate::Issuer" => id,
        "Gate::User" | "Gate::Account" | "Gate::Group" => id.split_once('|')?.0,
        _ => return None,
    };
    // A malformed name is reported elsewhere.
    name.parse::<IssuerName>().ok()?;
    let (code, message, help) = match known.iter().find(|one| one.name.as_str() == name) {
        Some(issuer) if issuer.has_groups || type_name != "Gate::Group" => return None,
        Some(_) => (
            "issuer_without_groups",
            format!("{named} never matches: the issuer {name:?} has no groups_claim, so its tokens name no groups"),
            "name the claim of its tokens that lists groups in the configuration: groups_claim = \"groups\"".to_owned(),
        ),
        None => {
            let names = known.iter().map(|one| one.name.as_str());
            let help = match nearest(name, names.clone()) {
                Some(near) => format!("did you mean {near:?}?"),
                None if name == "dev" => "\"dev\" is the issuer of `cedargate dev` alone: remove it where `dev` does not run".to_owned(),
                None => format!("the configured issuers are {}", names.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("{named} never matches: no issuer {name:?} is configured");
            ("issuer_unknown", message, help)
        }
    };
    let finding = place.error(code, None, message);
    Some(finding.severity(Severity::Finding).help(help))
}
