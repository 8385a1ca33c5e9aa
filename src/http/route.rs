//! The one table of routes: it is looked up for each request, and the API description is made of it.

mod table;

use hyper::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use crate::model::{Action, path};

pub(super) use table::TABLE;

/// One method on one path.
pub(super) struct Row {
    pub(super) method: Method,
    /// The path as it is described, and the id of its `Gate::Route`.
    pub(super) path: &'static str,
    pub(super) door: Door,
    pub(super) about: About,
}

/// Who may knock, and what answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Door {
    /// Anybody: no token is needed, and no tenant.
    Public(Public),
    /// A caller with a token and a tenant header.
    Member(Protected),
}

/// What answers anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Public {
    ApiDescription,
    Keys,
    RelatedOrigins,
    /// Whether pages of other origins may call a path. Every path answers it: it is no row.
    Preflight,
}

impl Public {
    /// What the policies are asked.
    pub(super) fn action(self) -> Action {
        match self {
            Public::ApiDescription => Action::ReadApiDescription,
            Public::Keys => Action::ReadKeys,
            Public::RelatedOrigins => Action::ReadRelatedOrigins,
            Public::Preflight => Action::Preflight,
        }
    }
}

/// What answers a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protected {
    BeginRegistration,
    CompleteRegistration,
    BeginAuthentication,
    CompleteAuthentication,
    ListMethods,
    RenameMethod,
    DeleteMethod,
    RegenerateCodes,
    VerifyCode,
    AdminListMethods,
    AdminDeleteMethod,
    AdminReset,
}

/// What the API description says of a row.
pub(super) struct About {
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// What its query takes besides what is ignored.
    pub(super) query: &'static [Query],
    pub(super) request: Option<RequestBody>,
    pub(super) answer: &'static str,
    pub(super) response: SchemaOf,
    /// The statuses of its errors besides those that its door has.
    pub(super) errors: &'static [u16],
}

/// What is sent along.
pub(super) struct RequestBody {
    pub(super) schema: SchemaOf,
    pub(super) required: bool,
}

/// Gives the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A query member.
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: SchemaOf,
}

/// The related origins of a relying party (WebAuthn Level 3 §5.11.1).
#[derive(JsonSchema, Serialize)]
pub(super) struct RelatedOrigins<'a> {
    /// Origins that may use the relying party's id.
    pub(super) origins: &'a [String],
}

/// What the table has for a method and a path.
pub(super) enum Found {
    /// A door.
    Door(Door, &'static str),
    /// The path, but not with this method.
    OtherMethod(&'static str),
    /// Nothing.
    Nothing,
}

impl Found {
    /// The id of the `Gate::Route`.
    pub(super) fn route(&self) -> &'static str {
        match self {
            Found::Door(_, path) | Found::OtherMethod(path) => path,
            Found::Nothing => path::UNKNOWN,
        }
    }

    /// What a preflight finds where its own method, OPTIONS, found this.
    pub(super) fn preflight(self) -> Self {
        match self {
            Found::OtherMethod(path) => Found::Door(Door::Public(Public::Preflight), path),
            found => found,
        }
    }
}

/// Looks a method and a decoded path up. A path that stands in the table as it is comes before one
/// that a pattern fits.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let stands = TABLE.iter().any(|row| row.path == path);
    let mut found = Found::Nothing;
    for row in &TABLE {
        let fits = if stands {
            row.path == path
        } else {
            fits(row.path, path)
        };
        if !fits {
            continue;
        }
        if row.method == *method {
            return Found::Door(row.door, row.path);
        }
        found = Found::OtherMethod(row.path);
    }
    found
}

/// Whether a path is one of a pattern's: segment by segment, where `{…}` is any that is not empty.
fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let all = pattern.split('/').all(|wanted| {
        segments
            .next()
            .is_some_and(|one| one == wanted || (is_parameter(wanted) && !one.is_empty()))
    });
    all && segments.next().is_none()
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// The segments of a path that stand where its pattern has a parameter, in their order.
pub(super) fn parameters<'p>(pattern: &str, path: &'p str) -> impl Iterator<Item = &'p str> {
    let segments = pattern.split('/').zip(path.split('/'));
    segments.filter_map(|(wanted, one)| is_parameter(wanted).then_some(one))
}

/// The methods of a path, as the `Allow` header lists them.
pub(super) fn allow(path: &str) -> String {
    let methods: Vec<_> = TABLE
        .iter()
        .filter(|row| row.path == path)
        .map(|row| row.method.as_str())
        .collect();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error as GatewayError;
    use crate::http::Error;
    use crate::http::target::Target;
    use crate::mfa::admin::named_user;
    use crate::model::{Bytes, Tenant, UserId};
    use hyper::Uri;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Any `sub` that a token may have: 1 to 255 bytes without control characters.
    fn sub() -> impl Strategy<Value = String> {
        let awkward = "/\\.%;|~?#:@&=+ é€𝕏\u{feff}\u{2028}a0".chars();
        let one = prop_oneof![select(awkward.collect::<Vec<_>>()), any::<char>()];
        let any_sub = prop::collection::vec(one, 1..80).prop_map(String::from_iter);
        let known = [
            "a/b\\c", "/", "\\", "..", "a/../b", "%2F", "%", ";x", "~", "|",
        ];
        prop_oneof![any_sub, select(known.map(str::to_owned).to_vec())]
            .prop_filter("too long", |it| it.len() <= 255)
            .prop_filter("control character", |it| !it.contains(char::is_control))
    }

    /// The user that this segment names, as a request to remove one of their authenticators has it.
    fn named(segment: &str, tenant: Tenant) -> Result<UserId, Error> {
        let uri: Uri = format!("/v1/admin/users/{segment}/mfa/7").parse().unwrap();
        let target = Target::parse(&uri)?;
        let found = find(&Method::DELETE, &target.path);
        let Found::Door(door, pattern) = found else {
            panic!("{} is no row", target.path);
        };
        assert_eq!(door, Door::Member(Protected::AdminDeleteMethod));
        let segments: Vec<_> = parameters(pattern, &target.path).collect();
        assert_eq!(segments[1..], ["7"]);
        Ok(named_user(segments[0], tenant)?)
    }

    proptest! {
        #[test]
        fn every_sub_can_be_named_in_a_path_and_none_as_another(sub in sub()) {
            let tenant: Tenant = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0".parse().unwrap();
            let user = UserId {
                issuer: "corp".parse().unwrap(),
                tenant: Some(tenant),
                subject: sub,
            };
            let plain = format!("corp|{}", user.subject);
            let percents = |text: &str| -> String {
                text.bytes().map(|byte| format!("%{byte:02X}")).collect()
            };
            let encoded = format!("~{}", Bytes(plain.clone().into_bytes()));
            for segment in [percents(&encoded), encoded] {
                prop_assert_eq!(named(&segment, tenant), Ok(user.clone()));
            }
            let in_percents = named(&percents(&plain), tenant);
            if plain.contains(['/', '\\']) {
                prop_assert!(matches!(in_percents, Err(Error::Gateway(GatewayError::Invalid(_)))));
            } else {
                prop_assert_eq!(in_percents, Ok(user));
            }
        }
    }

    #[test]
    fn a_path_that_stands_in_the_table_comes_before_a_pattern() {
        let of = |method, path| find(&method, path).route();
        assert_eq!(of(Method::POST, path::BACKUP_CODES), path::BACKUP_CODES);
        assert_eq!(of(Method::DELETE, path::BACKUP_CODES), path::BACKUP_CODES);
        assert_eq!(of(Method::DELETE, "/v1/users/me/mfa/7"), path::METHOD);
        assert_eq!(allow(path::METHOD), "PATCH, DELETE");
        let path = "/v1/admin/users/corp|a b/mfa/7";
        assert_eq!(of(Method::DELETE, path), path::ADMIN_METHOD);
        let found: Vec<_> = parameters(path::ADMIN_METHOD, path).collect();
        assert_eq!(found, ["corp|a b", "7"]);
    }

    #[test]
    fn each_row_is_found_and_its_route_is_known_to_the_schema() {
        for row in &TABLE {
            let found = find(&row.method, row.path);
            assert!(
                matches!(found, Found::Door(door, path) if door == row.door && path == row.path)
            );
            assert!(path::ALL.contains(&row.path), "{}", row.path);
        }
    }

    #[test]
    fn methods_and_paths_are_exact() {
        for method in ["HEAD", "OPTIONS", "POST", "get", "CONNECT"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = find(&method, path::METHODS);
            assert!(matches!(found, Found::OtherMethod(_)), "{method}");
            assert_eq!(found.route(), path::METHODS);
        }
        assert_eq!(allow(path::METHODS), "GET");
        for path in [
            "/",
            "/v1/users/me/mfa/",
            "/V1/users/me/mfa",
            "/v1/users/me/mfa/a/b",
            "/v1/admin/users//mfa",
        ] {
            assert_eq!(find(&Method::GET, path).route(), path::UNKNOWN, "{path}");
        }
    }
}
