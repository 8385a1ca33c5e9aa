use super::*;
use crate::webauthn::RelyingParties;

fn settings() -> Settings {
    Settings {
        id: "example.com".into(),
        name: "Example".into(),
        origins: vec!["https://app.example.com".into()],
        related_origins: vec![],
        tenants: Tenants::Any,
        method_types: MethodType::ALL.to_vec(),
        models: vec![],
    }
}

fn tenant(n: u128) -> Tenant {
    Tenant::from(Uuid::from_u128(n))
}

/// The keys of what is wrong after a change, each with the party's index.
fn wrong(change: impl FnOnce(&mut Settings)) -> Vec<(&'static str, String)> {
    let mut changed = settings();
    change(&mut changed);
    let problems = RelyingParties::new(vec![changed]).unwrap_err();
    problems
        .into_iter()
        .map(|one| {
            assert_eq!(one.party, 0);
            (one.key, one.message)
        })
        .collect()
}

#[test]
fn the_id_is_a_domain_in_its_one_spelling() {
    for (id, what) in [
        (
            "127.0.0.1",
            "`127.0.0.1` is an IP address: browsers accept domains only",
        ),
        (
            "[::1]",
            "`[::1]` is an IP address: browsers accept domains only",
        ),
        ("Example.com", "`Example.com` must be written `example.com`"),
        (
            "bücher.example",
            "`bücher.example` must be written `xn--bcher-kva.example`",
        ),
        (
            "https://example.com",
            "`https://example.com` is not a domain: no scheme, port or path belongs to it",
        ),
        (
            "example.com:443",
            "`example.com:443` is not a domain: no scheme, port or path belongs to it",
        ),
        (
            "",
            "`` is not a domain: no scheme, port or path belongs to it",
        ),
        ("example.com.", "`example.com.` is not a domain"),
        ("example..com", "`example..com` is not a domain"),
    ] {
        assert_eq!(
            wrong(|one| one.id = id.into()),
            [("id", what.to_owned())],
            "{id}"
        );
    }
}

#[test]
fn origins_are_as_browsers_send_them() {
    for (origin, what) in [
        (
            "https://app.example.com/",
            "`https://app.example.com/` must be written as browsers send it: `https://app.example.com`",
        ),
        (
            "https://APP.example.com",
            "`https://APP.example.com` must be written as browsers send it: `https://app.example.com`",
        ),
        (
            "https://app.example.com:443",
            "`https://app.example.com:443` must be written as browsers send it: `https://app.example.com`",
        ),
        (
            "http://app.example.com",
            "`http://app.example.com` must begin with `https://` (`http://` works for localhost only)",
        ),
        (
            "https://10.0.0.1",
            "`https://10.0.0.1` has an IP address: WebAuthn works on domains only",
        ),
        (
            "app.example.com",
            "`app.example.com` is not an origin: write a scheme, a host and, if needed, a port",
        ),
        (
            "https://example.org",
            "the first origin, `https://example.org`, must lie under the RP ID `example.com`",
        ),
        (
            "https://notexample.com",
            "the first origin, `https://notexample.com`, must lie under the RP ID `example.com`",
        ),
    ] {
        let got = wrong(|one| one.origins = vec![origin.into()]);
        assert_eq!(got, [("origins", what.to_owned())], "{origin}");
    }
    let got = wrong(|one| one.related_origins = vec!["https://example.de/x".into()]);
    assert_eq!(got[0].0, "related_origins");
}

#[test]
fn localhost_needs_no_https() {
    let local = Settings {
        id: "localhost".into(),
        origins: vec!["http://localhost:8080".into()],
        ..settings()
    };
    assert!(RelyingParties::new(vec![local]).is_ok());
}

#[test]
fn all_problems_are_named_at_once() {
    let got = wrong(|one| {
        one.id = "10.0.0.1".into();
        one.name = " ".into();
        one.origins = vec![];
        one.method_types = vec![];
        one.tenants = Tenants::These(vec![]);
        one.models = vec![Model {
            aaguid: Uuid::nil(),
            name: String::new(),
            roots: b"no certificate".to_vec(),
        }];
    });
    let keys: Vec<_> = got.iter().map(|(key, _)| *key).collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "method_types",
            "tenants",
            "origins",
            "models",
            "models",
            "models"
        ]
    );
}

#[test]
fn a_named_tenant_comes_before_all_others() {
    let named = Settings {
        id: "tenant.example.com".into(),
        origins: vec!["https://tenant.example.com".into()],
        tenants: Tenants::These(vec![tenant(1), tenant(2)]),
        ..settings()
    };
    for order in [vec![settings(), named.clone()], vec![named, settings()]] {
        let parties = RelyingParties::new(order).unwrap();
        let id = |tenant| parties.of(tenant).unwrap().id().to_owned();
        assert_eq!(id(Some(tenant(1))), "tenant.example.com");
        assert_eq!(id(Some(tenant(2))), "tenant.example.com");
        assert_eq!(id(Some(tenant(3))), "example.com");
        assert_eq!(id(None), "example.com");
    }
}

#[test]
fn a_tenant_without_a_party_has_none() {
    let named = Settings {
        tenants: Tenants::These(vec![tenant(1)]),
        ..settings()
    };
    let parties = RelyingParties::new(vec![named]).unwrap();
    assert!(parties.of(Some(tenant(2))).is_none());
    assert!(parties.of(None).is_none());
    assert!(RelyingParties::new(vec![]).unwrap().of(None).is_none());
}

#[test]
fn a_host_finds_its_party_in_any_letter_case() {
    let parties = RelyingParties::new(vec![settings()]).unwrap();
    assert_eq!(parties.by_host("EXAMPLE.com").unwrap().id(), "example.com");
    assert!(parties.by_host("app.example.com").is_none());
}

#[test]
fn parties_do_not_conflict() {
    let named = |related: &[&str]| Settings {
        tenants: Tenants::These(vec![tenant(1)]),
        related_origins: related.iter().map(ToString::to_string).collect(),
        ..settings()
    };
    let problems = |all| {
        let problems = RelyingParties::new(all).unwrap_err();
        problems
            .into_iter()
            .map(|one| (one.party, one.key))
            .collect::<Vec<_>>()
    };
    assert_eq!(problems(vec![settings(), settings()]), [(1, "tenants")]);
    assert_eq!(problems(vec![named(&[]), named(&[])]), [(1, "tenants")]);
    assert_eq!(
        problems(vec![settings(), named(&["https://example.de"])]),
        [(1, "related_origins")]
    );
    assert!(RelyingParties::new(vec![settings(), named(&[])]).is_ok());
}
