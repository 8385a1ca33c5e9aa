//! The table of routes. Requests are looked up in it, and the API description is made from it.

mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hyper::Method;
use matchit::{Params, Router};
use schemars::JsonSchema;
use serde::Serialize;

use super::endpoint::Endpoint;
use super::schema::SchemaFn;
use cedargate_core::{GateAction, path};

pub(super) use table::TABLE;

/// A row of the table: one method on one path.
pub(super) struct Row {
    pub(super) method: Method,
    /// The path pattern, which is also the id of the route's `Gate::Route` entity.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) answer: SchemaFn,
    pub(super) documentation: Documentation,
}

/// The callers that a route admits, with the code that answers them.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Any caller: neither a token nor a tenant is needed.
    Public(Public),
    /// A caller with a token and a tenant header.
    Member(Endpoint),
}

/// The answers that need neither a token nor a tenant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Public {
    ApiDescription,
    Keys,
    RelatedOrigins,
    /// The answer to a CORS preflight. Every path has it, so it has no row.
    Preflight,
}

impl Public {
    /// The action that the policies decide on.
    pub(super) fn action(self) -> GateAction {
        match self {
            Public::ApiDescription => GateAction::ReadApiDescription,
            Public::Keys => GateAction::ReadKeys,
            Public::RelatedOrigins => GateAction::ReadRelatedOrigins,
            Public::Preflight => GateAction::Preflight,
        }
    }
}

/// The texts of a row in the API description.
pub(super) struct Documentation {
    /// The `operationId`.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// The query members that are read; others are ignored.
    pub(super) query: &'static [Query],
    pub(super) answer: &'static str,
    /// The error statuses besides those that every row has.
    pub(super) errors: &'static [u16],
}

/// A query member.
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) schema: SchemaFn,
}

/// The related origins of a relying party (WebAuthn Level 3 §5.11.1).
#[derive(JsonSchema, Serialize)]
pub(super) struct RelatedOrigins<'a> {
    /// The origins that may use the relying party's id.
    pub(super) origins: &'a [String],
}

/// The result of looking up a method and a path.
pub(super) enum RouteMatch<'p> {
    /// A row has the path and the method. The parameters are those of the path.
    Row(&'static Row, Params<'static, 'p>),
    /// The request is a preflight to a path that has rows.
    Preflight(&'static Route),
    /// No row of the path has the method.
    OtherMethod(&'static Route),
    /// No row has the path.
    Nothing,
}

impl RouteMatch<'_> {
    /// The id of the `Gate::Route` entity.
    pub(super) fn route(&self) -> &'static str {
        match self {
            RouteMatch::Row(row, _) => row.path,
            RouteMatch::Preflight(route) | RouteMatch::OtherMethod(route) => route.pattern,
            RouteMatch::Nothing => path::UNKNOWN,
        }
    }

    /// Turns the match of an OPTIONS request, a method that no row has, into that of a preflight.
    pub(super) fn preflight(self) -> Self {
        match self {
            RouteMatch::OtherMethod(route) => RouteMatch::Preflight(route),
            other => other,
        }
    }
}

/// A path pattern with its rows, one for each method.
pub(super) struct Route {
    pattern: &'static str,
    rows: Vec<&'static Row>,
}

impl Route {
    /// The methods as the `Allow` header lists them.
    pub(super) fn allow(&self) -> String {
        let methods: Vec<_> = self.rows.iter().map(|row| row.method.as_str()).collect();
        methods.join(", ")
    }
}

static ROUTES: LazyLock<Router<Route>> = LazyLock::new(|| {
    let mut by_pattern = BTreeMap::<_, Vec<_>>::new();
    for row in &TABLE {
        by_pattern.entry(row.path).or_default().push(row);
    }
    let mut routes = Router::new();
    for (pattern, rows) in by_pattern {
        routes
            .insert(pattern, Route { pattern, rows })
            .expect("the table has no two patterns for one path");
    }
    routes
});

/// Looks up a method and a decoded path. A literal path takes precedence over a pattern.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> RouteMatch<'p> {
    let Ok(matched) = ROUTES.at(path) else {
        return RouteMatch::Nothing;
    };
    let route = matched.value;
    match route.rows.iter().find(|row| row.method == *method) {
        Some(row) => RouteMatch::Row(row, matched.params),
        None => RouteMatch::OtherMethod(route),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error as GatewayError;
    use crate::http::Error;
    use crate::http::target::Target;
    use crate::mfa::admin::named_user;
    use cedargate_core::{Bytes, Tenant, UserId};
    use hyper::Uri;
    use proptest::prelude::*;
    use proptest::sample::select;

    /// Generates every `sub` that a token may have: 1 to 255 bytes without control characters.
    fn sub() -> impl Strategy<Value = String> {
        let awkward = "/\\.%;|~?#:@&=+ é€𝕏\u{feff}\u{2028}a0".chars();
        let character = prop_oneof![select(awkward.collect::<Vec<_>>()), any::<char>()];
        let any_sub = prop::collection::vec(character, 1..80).prop_map(String::from_iter);
        let known = [
            "a/b\\c", "/", "\\", "..", "a/../b", "%2F", "%", ";x", "~", "|",
        ];
        prop_oneof![any_sub, select(known.map(str::to_owned).to_vec())]
            .prop_filter("too long", |it| it.len() <= 255)
            .prop_filter("control character", |it| !it.contains(char::is_control))
    }

    /// Returns the user that the segment names in the path that removes an authenticator of theirs.
    fn user_in(segment: &str, tenant: Tenant) -> Result<UserId, Error> {
        let uri: Uri = format!("/v1/admin/users/{segment}/mfa/7").parse().unwrap();
        let target = Target::parse(&uri)?;
        let found = find(&Method::DELETE, &target.path);
        let RouteMatch::Row(row, parameters) = found else {
            panic!("{} is no row", target.path);
        };
        assert_eq!(row.documentation.id, "adminDeleteMfaMethod");
        assert_eq!(parameters.get("id"), Some("7"));
        Ok(named_user(parameters.get("user").unwrap(), tenant)?)
    }

    proptest! {
        #[test]
        fn every_sub_has_an_unambiguous_path_segment(sub in sub()) {
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
                prop_assert_eq!(user_in(&segment, tenant), Ok(user.clone()));
            }
            let in_percents = user_in(&percents(&plain), tenant);
            if plain.contains(['/', '\\']) {
                prop_assert!(matches!(in_percents, Err(Error::Gateway(GatewayError::Invalid(_)))));
            } else {
                prop_assert_eq!(in_percents, Ok(user));
            }
        }
    }

    #[test]
    fn literal_path_takes_precedence_over_a_pattern() {
        let of = |method, path| find(&method, path).route();
        let allow = |method, path| match find(&method, path) {
            RouteMatch::OtherMethod(route) => route.allow(),
            _ => panic!("{method} {path}"),
        };
        assert_eq!(of(Method::POST, path::BACKUP_CODES), path::BACKUP_CODES);
        assert_eq!(of(Method::DELETE, path::BACKUP_CODES), path::BACKUP_CODES);
        assert_eq!(of(Method::DELETE, "/v1/users/me/mfa/7"), path::METHOD);
        assert_eq!(allow(Method::GET, "/v1/users/me/mfa/7"), "PATCH, DELETE");
        assert_eq!(allow(Method::DELETE, path::BACKUP_CODES), "POST");
        let path = "/v1/admin/users/corp|a b/mfa/7";
        assert_eq!(of(Method::DELETE, path), path::ADMIN_METHOD);
        let RouteMatch::Row(_, parameters) = find(&Method::DELETE, path) else {
            panic!("{path}");
        };
        let parameters: Vec<_> = parameters.iter().collect();
        assert_eq!(parameters, [("user", "corp|a b"), ("id", "7")]);
    }

    #[test]
    fn each_row_is_found_and_its_route_is_known_to_the_schema() {
        for row in &TABLE {
            let found = find(&row.method, row.path);
            assert!(matches!(found, RouteMatch::Row(found, _) if std::ptr::eq(found, row)));
            assert!(path::ALL.contains(&row.path), "{}", row.path);
        }
    }

    #[test]
    fn path_or_method_that_differs_from_every_row_is_not_found() {
        for method in ["HEAD", "OPTIONS", "POST", "get", "CONNECT"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = find(&method, path::METHODS);
            assert_eq!(found.route(), path::METHODS);
            let RouteMatch::OtherMethod(route) = found else {
                panic!("{method}");
            };
            assert_eq!(route.allow(), "GET");
        }
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

    /// Compares segment by segment. `{…}` stands for any segment that is not empty.
    fn fits(pattern: &str, path: &str) -> bool {
        let (pattern, path): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        let fits = |(wanted, segment): (&&str, &&str)| {
            wanted == segment || (wanted.starts_with('{') && !segment.is_empty())
        };
        pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)
    }

    fn any_path() -> impl Strategy<Value = String> {
        let known =
            "v1 users me mfa webauthn register complete authenticate backup-codes verify admin";
        let segment = prop_oneof![
            8 => select(known.split(' ').map(str::to_owned).collect::<Vec<_>>()),
            1 => "[a-z{}*|~é.-]{0,4}",
        ];
        let prefix = select(vec![
            "",
            "/v1/users/me/mfa",
            "/v1/admin/users",
            "/.well-known",
        ]);
        (prefix, prop::collection::vec(segment, 0..5))
            .prop_map(|(prefix, rest)| format!("{prefix}/{}", rest.join("/")))
    }

    proptest! {
        #[test]
        fn route_lookup_agrees_with_comparing_segments(path in any_path()) {
            let is_literal = TABLE.iter().any(|row| row.path == path);
            let fitting = |row: &&Row| row.path == path || (!is_literal && fits(row.path, &path));
            let expected = TABLE.iter().find(fitting).map_or(path::UNKNOWN, |row| row.path);
            prop_assert_eq!(find(&Method::TRACE, &path).route(), expected);
        }
    }
}
