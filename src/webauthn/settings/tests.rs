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

/// Returns the problems of the settings after a change.
fn problems_of(change: impl FnOnce(&mut Settings)) -> Vec<(&'static str, String)> {
    let mut changed = settings();
    change(&mut changed);
    let problems = RelyingParties::new(vec![changed]).unwrap_err();
    problems
        .into_iter()
        .map(|problem| {
            assert_eq!(problem.party, 0);
            (problem.key, problem.message)
        })
        .collect()
}

#[test]
fn rp_id_that_is_not_a_canonical_domain_is_refused() {
    for (id, message) in [
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
            "`https://example.com` is not a domain: write it without scheme, port and path",
        ),
        (
            "example.com:443",
            "`example.com:443` is not a domain: write it without scheme, port and path",
        ),
        (
            "",
            "`` is not a domain: write it without scheme, port and path",
        ),
        ("example.com.", "`example.com.` is not a domain"),
        ("example..com", "`example..com` is not a domain"),
    ] {
        assert_eq!(
            problems_of(|settings| settings.id = id.into()),
            [("id", message.to_owned())],
            "{id}"
        );
    }
}

#[test]
fn origin_in_another_spelling_or_outside_the_rp_id_is_refused() {
    for (origin, message) in [
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
            "the first origin, `https://example.org`, must be on the RP ID `example.com` or a subdomain of it",
        ),
        (
            "https://notexample.com",
            "the first origin, `https://notexample.com`, must be on the RP ID `example.com` or a subdomain of it",
        ),
    ] {
        let got = problems_of(|settings| settings.origins = vec![origin.into()]);
        assert_eq!(got, [("origins", message.to_owned())], "{origin}");
    }
    let got =
        problems_of(|settings| settings.related_origins = vec!["https://example.de/x".into()]);
    assert_eq!(got[0].0, "related_origins");
}

#[test]
fn localhost_without_https_is_accepted() {
    let local = Settings {
        id: "localhost".into(),
        origins: vec!["http://localhost:8080".into()],
        ..settings()
    };
    assert!(RelyingParties::new(vec![local]).is_ok());
}

#[test]
fn all_problems_are_reported_at_once() {
    let got = problems_of(|settings| {
        settings.id = "10.0.0.1".into();
        settings.name = " ".into();
        settings.origins = vec![];
        settings.method_types = vec![];
        settings.tenants = Tenants::These(vec![]);
        settings.models = vec![Model {
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
fn named_tenant_has_its_own_party() {
    let named = Settings {
        id: "tenant.example.com".into(),
        origins: vec!["https://tenant.example.com".into()],
        tenants: Tenants::These(vec![tenant(1), tenant(2)]),
        ..settings()
    };
    for order in [vec![settings(), named.clone()], vec![named, settings()]] {
        let parties = RelyingParties::new(order).unwrap();
        let id = |tenant| parties.for_tenant(tenant).unwrap().id().to_owned();
        assert_eq!(id(Some(tenant(1))), "tenant.example.com");
        assert_eq!(id(Some(tenant(2))), "tenant.example.com");
        assert_eq!(id(Some(tenant(3))), "example.com");
        assert_eq!(id(None), "example.com");
    }
}

#[test]
fn tenant_without_a_party_has_none() {
    let named = Settings {
        tenants: Tenants::These(vec![tenant(1)]),
        ..settings()
    };
    let parties = RelyingParties::new(vec![named]).unwrap();
    assert!(parties.for_tenant(Some(tenant(2))).is_none());
    assert!(parties.for_tenant(None).is_none());
    assert!(
        RelyingParties::new(vec![])
            .unwrap()
            .for_tenant(None)
            .is_none()
    );
}

#[test]
fn host_finds_its_party_in_any_letter_case() {
    let parties = RelyingParties::new(vec![settings()]).unwrap();
    assert_eq!(parties.by_host("EXAMPLE.com").unwrap().id(), "example.com");
    assert!(parties.by_host("app.example.com").is_none());
}

#[test]
fn parties_that_conflict_are_refused() {
    let named = |related: &[&str]| Settings {
        tenants: Tenants::These(vec![tenant(1)]),
        related_origins: related.iter().map(ToString::to_string).collect(),
        ..settings()
    };
    let problems = |all| {
        let problems = RelyingParties::new(all).unwrap_err();
        problems
            .into_iter()
            .map(|problem| (problem.party, problem.key))
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
