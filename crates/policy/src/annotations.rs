//! The annotations of policies, such as `@notice` and `@step_up`.

use cedargate_core::{Finding, nearest};

use super::place::Place;
use super::syntax::{Annotation, Located, Syntax, duration_millis};

/// The annotations of a policy that affect decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// `@notice`: the text for the caller if the policy determined the decision.
    pub notice: Option<String>,
    /// `@code`: the code of the error if the policy denied the request.
    pub code: Option<String>,
    /// `@step_up` and `@max_age`: the sign-in that satisfies the forbid.
    pub step_up: Option<StepUpAnnotation>,
    /// `@mode("shadow")`: the policy is evaluated and logged, and never determines a decision.
    pub shadow: bool,
}

/// The sign-in that satisfies a forbid.
#[derive(Clone, Debug, PartialEq)]
pub struct StepUpAnnotation {
    /// The required authentication context class.
    pub acr: String,
    /// The greatest age of the sign-in in seconds.
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

/// The error codes of the gateway itself, which clients must be able to tell from those of policies.
pub(crate) const RESERVED_CODES: [&str; 20] = [
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

/// Reads the annotations of a policy or template. Returns its id, if that is valid, and the others.
pub(crate) fn read(
    syntax: Syntax<'_>,
    place: &Place<'_>,
    findings: &mut Vec<Finding>,
) -> (Option<String>, Annotations) {
    let mut reader = AnnotationReader {
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

struct AnnotationReader<'a> {
    forbids: bool,
    place: &'a Place<'a>,
    findings: &'a mut Vec<Finding>,
    id: Option<String>,
    acr: Option<String>,
    max_age: Option<u64>,
    read: Annotations,
}

impl AnnotationReader<'_> {
    fn annotation(&mut self, annotation: &Located<Annotation<'_>>) {
        let Annotation { name, value } = annotation.item;
        if !self.forbids && matches!(name, "code" | "step_up" | "max_age") {
            let message = format!("@{name} is for a forbid, because a permit refuses no request");
            return self.refuse("annotation_place", annotation, message, "remove it");
        }
        match name {
            "id" if is_policy_id(value) => self.id = Some(value.to_owned()),
            "id" => self.refuse_value(annotation, ID_RULE),
            "notice" if is_notice(value) => self.read.notice = Some(value.to_owned()),
            "notice" => self.refuse_value(annotation, NOTICE_RULE),
            "code" if RESERVED_CODES.contains(&value) => {
                self.refuse_value(
                    annotation,
                    "this code is reserved: the gateway itself answers with it",
                );
            }
            "code" if is_code(value) => self.read.code = Some(value.to_owned()),
            "code" => self.refuse_value(annotation, CODE_RULE),
            "step_up" if is_acr(value) => self.acr = Some(value.to_owned()),
            "step_up" => self.refuse_value(annotation, ACR_RULE),
            "max_age" => match whole_seconds(value) {
                Some(seconds) => self.max_age = Some(seconds),
                None => self.refuse_value(annotation, AGE_RULE),
            },
            "mode" if value == "shadow" => self.read.shadow = true,
            "mode" => self.refuse_value(annotation, "the only mode is @mode(\"shadow\")"),
            "description" | "owner" | "ticket" => {}
            _ if name.starts_with("x_") => {}
            _ => self.refuse_unknown(annotation),
        }
    }

    /// Combines `@step_up` and `@max_age`, which are only valid together.
    fn pair(&mut self, syntax: Syntax<'_>) {
        let (annotation, missing) = match (self.acr.take(), self.max_age) {
            (Some(acr), Some(max_age)) => {
                self.read.step_up = Some(StepUpAnnotation { acr, max_age });
                return;
            }
            _ => match (syntax.annotation("step_up"), syntax.annotation("max_age")) {
                (Some(step_up), None) => (step_up, "@max_age"),
                (None, Some(max_age)) => (max_age, "@step_up"),
                // Both are missing, or a malformed one has been reported above.
                _ => return,
            },
        };
        if self.forbids {
            let message = format!("{missing} is missing: @step_up and @max_age go together");
            let help = "such as @step_up(\"phr\") @max_age(\"5m\")";
            self.refuse("annotation_place", &annotation, message, help);
        }
    }

    fn refuse_unknown(&mut self, annotation: &Located<Annotation<'_>>) {
        let name = annotation.item.name;
        let message = format!("there is no annotation @{name}");
        let help = match nearest(&name.to_lowercase(), KNOWN) {
            Some(known) => format!("did you mean @{known}? Your own annotations begin with @x_"),
            None => format!("your own annotations begin with @x_, such as @x_{name}"),
        };
        self.refuse("annotation_unknown", annotation, message, help);
    }

    fn refuse_value(&mut self, annotation: &Located<Annotation<'_>>, rule: &str) {
        let message = format!("the value of @{} is invalid", annotation.item.name);
        self.refuse("annotation_value", annotation, message, rule);
    }

    fn refuse(
        &mut self,
        code: &'static str,
        annotation: &Located<Annotation<'_>>,
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
    "it is one acr value, such as \"phr\": visible ASCII, except spaces, \" and \\";
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

/// Returns true for a value that can be in `acr_values` of a `WWW-Authenticate` header (RFC 9470 §3),
/// which is a list separated by spaces.
fn is_acr(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
}

/// Parses a Cedar duration of at least one second into seconds. Returns `None` for fractions of a second.
pub fn whole_seconds(text: &str) -> Option<u64> {
    let millis = duration_millis(text)?;
    let seconds = u64::try_from(millis / 1000).ok()?;
    (millis % 1000 == 0 && seconds > 0).then_some(seconds)
}
