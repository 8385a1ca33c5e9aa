//! Annotations: what a policy says of itself beside its condition.

use cedargate_core::{Finding, nearest};

use super::place::Place;
use super::syntax::{Annotation, Found, Syntax, duration_millis};

/// What a policy's annotations mean to a decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// For the caller, when the policy determined the decision.
    pub notice: Option<String>,
    /// The error's code.
    pub code: Option<String>,
    /// What would lift the forbid.
    pub step_up: Option<StepUp>,
    /// `@mode("shadow")`: it is evaluated and told of, and never counts.
    pub shadow: bool,
}

/// What lifts a forbid: a sign-in of this `acr`, not older than this.
#[derive(Clone, Debug, PartialEq)]
pub struct StepUp {
    pub acr: String,
    /// In seconds.
    pub max_age: u64,
}

const KNOWN: [&str; 9] = [
    "id",
    "notice",
    "code",
    "step_up",
    "max_age",
    "mode",
    "description",
    "owner",
    "ticket",
];

/// Codes of answers that the gateway gives by itself: clients could not tell the two apart.
const TAKEN_CODES: [&str; 20] = [
    "invalid_request",
    "invalid_credential",
    "unauthenticated",
    "step_up_required",
    "recovery_required",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "payload_too_large",
    "uri_too_long",
    "unsupported_media_type",
    "headers_too_large",
    "credential_exists",
    "limit_reached",
    "codes_replaced",
    "rate_limited",
    "policy_error",
    "internal",
    "not_implemented",
    "unavailable",
];

/// Reads the annotations of a policy or template: its id, and the rest.
pub(crate) fn read(
    syntax: Syntax<'_>,
    place: &Place<'_>,
    findings: &mut Vec<Finding>,
) -> (Option<String>, Annotations) {
    let mut reader = Reader {
        forbids: syntax.forbids(),
        place,
        findings,
        id: None,
        acr: None,
        max_age: None,
        read: Annotations::default(),
    };
    for annotation in syntax.annotations() {
        reader.annotation(&annotation);
    }
    reader.pair(syntax);
    (reader.id, reader.read)
}

struct Reader<'a> {
    forbids: bool,
    place: &'a Place<'a>,
    findings: &'a mut Vec<Finding>,
    id: Option<String>,
    acr: Option<String>,
    max_age: Option<u64>,
    read: Annotations,
}

impl Reader<'_> {
    fn annotation(&mut self, annotation: &Found<Annotation<'_>>) {
        let Annotation { name, value } = annotation.what;
        if !self.forbids && matches!(name, "code" | "step_up" | "max_age") {
            let message = format!("@{name} is for a forbid: a permit refuses nobody");
            return self.refuse("annotation_place", annotation, message, "remove it");
        }
        match name {
            "id" if is_policy_id(value) => self.id = Some(value.to_owned()),
            "id" => self.value(annotation, ID_RULE),
            "notice" if is_notice(value) => self.read.notice = Some(value.to_owned()),
            "notice" => self.value(annotation, NOTICE_RULE),
            "code" if TAKEN_CODES.contains(&value) => {
                self.value(
                    annotation,
                    "this code is that of an answer which the gateway gives by itself",
                );
            }
            "code" if is_code(value) => self.read.code = Some(value.to_owned()),
            "code" => self.value(annotation, CODE_RULE),
            "step_up" if is_acr(value) => self.acr = Some(value.to_owned()),
            "step_up" => self.value(annotation, ACR_RULE),
            "max_age" => match whole_seconds(value) {
                Some(seconds) => self.max_age = Some(seconds),
                None => self.value(annotation, AGE_RULE),
            },
            "mode" if value == "shadow" => self.read.shadow = true,
            "mode" => self.value(annotation, "the only mode is @mode(\"shadow\")"),
            "description" | "owner" | "ticket" => {}
            _ if name.starts_with("x_") => {}
            _ => self.unknown(annotation),
        }
    }

    /// `@step_up` and `@max_age` are one statement in two annotations.
    fn pair(&mut self, syntax: Syntax<'_>) {
        let (there, missing) = match (self.acr.take(), self.max_age) {
            (Some(acr), Some(max_age)) => {
                self.read.step_up = Some(StepUp { acr, max_age });
                return;
            }
            _ => match (syntax.annotation("step_up"), syntax.annotation("max_age")) {
                (Some(there), None) => (there, "@max_age"),
                (None, Some(there)) => (there, "@step_up"),
                // Neither, or one of them was found malformed above.
                _ => return,
            },
        };
        if self.forbids {
            let message = format!("{missing} is missing: @step_up and @max_age go together");
            let help = "such as @step_up(\"phr\") @max_age(\"5m\")";
            self.refuse("annotation_place", &there, message, help);
        }
    }

    fn unknown(&mut self, annotation: &Found<Annotation<'_>>) {
        let name = annotation.what.name;
        let message = format!("there is no annotation @{name}");
        let help = match nearest(&name.to_lowercase(), KNOWN) {
            Some(known) => format!("did you mean @{known}? Your own begin with @x_"),
            None => format!("your own annotations begin with @x_, such as @x_{name}"),
        };
        self.refuse("annotation_unknown", annotation, message, help);
    }

    fn value(&mut self, annotation: &Found<Annotation<'_>>, rule: &str) {
        let message = format!("@{} has a wrong value", annotation.what.name);
        self.refuse("annotation_value", annotation, message, rule);
    }

    fn refuse(
        &mut self,
        code: &'static str,
        annotation: &Found<Annotation<'_>>,
        message: String,
        help: impl Into<String>,
    ) {
        let finding = self.place.error(code, annotation.span.clone(), message);
        self.findings.push(finding.help(help));
    }
}

pub(crate) const ID_RULE: &str =
    "it is 1 to 64 of a-z, 0-9 and -, and begins with a letter or a digit";
const NOTICE_RULE: &str = "it is 1 to 300 characters in one line";
const CODE_RULE: &str = "it is 1 to 64 of a-z, 0-9 and _, and begins with a letter";
const ACR_RULE: &str =
    "it is one acr value, such as \"phr\": visible ASCII without spaces, \" and \\";
const AGE_RULE: &str = "it is a Cedar duration in whole seconds, 1s or more, such as \"5m\"";

/// `[a-z0-9][a-z0-9-]{0,63}`.
pub(crate) fn is_policy_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `[a-z][a-z0-9_]{0,63}`.
fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_notice(text: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    (1..=300).contains(&text.chars().count()) && !text.contains(breaks)
}

/// What can stand in `acr_values` of a `WWW-Authenticate` header (RFC 9470 §3), which are separated
/// by spaces.
fn is_acr(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
}

/// A Cedar duration, if it is of whole seconds and at least one.
pub fn whole_seconds(text: &str) -> Option<u64> {
    let millis = duration_millis(text)?;
    let seconds = u64::try_from(millis / 1000).ok()?;
    (millis % 1000 == 0 && seconds > 0).then_some(seconds)
}
