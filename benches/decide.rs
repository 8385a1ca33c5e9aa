//! Measures one decision with bundles of 10 to 10 000 policies: the shipped policies, and one rule for each
//! of many tenants other than the caller's.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use cedargate_core::{
    Effect, Factors, GateAction, Means, MethodType, Session, Tenant, Timestamp, User, UserId,
};
use cedargate_policy::{AuthorizationRequest, Bundle, Caller, Resource, Sources};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

fn bundle(policies: usize) -> Bundle {
    let folder = tempfile::tempdir().expect("a folder for policies");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut count = 0;
    for name in [
        "00-open-doors",
        "10-tenant-isolation",
        "20-security-keys",
        "30-step-up",
    ] {
        let text = std::fs::read_to_string(shipped.join(format!("{name}.cedar")));
        let text = text.expect("a shipped policy");
        count += text.matches("@id(").count();
        std::fs::write(folder.path().join(format!("{name}.cedar")), text).expect("a copy of it");
    }
    let mut text = String::new();
    for number in count..policies {
        writeln!(
            text,
            r#"@id("rule-{number}") @notice("Rule {number}.")
forbid (principal in Gate::Tenant::"00000000-0000-4000-8000-{number:012}", action in Gate::Action::"enroll", resource)
unless {{ context.methodType == Gate::MethodType::"webauthn_fido" }};"#
        )
        .expect("a string accepts every write");
    }
    std::fs::write(folder.path().join("90-tenants.cedar"), text).expect("the rules of tenants");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let sources = Sources::read(folder.path(), &schema).expect("readable sources");
    Bundle::load(&sources).expect("a bundle")
}

fn alice() -> User {
    User {
        id: UserId {
            issuer: "corp".parse().expect("an issuer's name"),
            tenant: Some(TENANT.parse().expect("a tenant")),
            subject: "alice".to_owned(),
        },
        groups: vec!["staff".to_owned(), "engineering".to_owned()],
        claims: Arc::default(),
        session: Session {
            amr: vec!["pwd".to_owned()],
            ..Session::default()
        },
        strong_acr: Arc::new(["phr".to_owned()]),
        name: "alice".to_owned(),
        display_name: "Alice".to_owned(),
    }
}

fn decide(criterion: &mut Criterion) {
    let user = alice();
    let factors = Factors::default();
    let means = Means::default();
    let tenant: Tenant = TENANT.parse().expect("a tenant");
    let mut group = criterion.benchmark_group("decide");
    for policies in [10, 100, 1_000, 10_000] {
        let bundle = bundle(policies);
        assert_eq!(bundle.entries().len(), policies);
        let request = AuthorizationRequest {
            caller: Caller::Member {
                user: &user,
                tenant,
                factors: &factors,
                means: &means,
                method_type: Some(MethodType::Passkey),
            },
            action: GateAction::BeginWebauthnRegistration.into(),
            resource: Resource::Account(&user.id),
            address: [203, 0, 113, 7].into(),
            now: Timestamp::from_millis(1_768_467_600_000),
        };
        assert_eq!(bundle.decide(&request).effect, Effect::Allow);
        group.bench_function(BenchmarkId::from_parameter(policies), |bencher| {
            bencher.iter(|| black_box(bundle.decide(black_box(&request))));
        });
        // The decision log costs the request no more than keeping the input. Its thread does the rest.
        group.bench_function(BenchmarkId::new("kept", policies), |bencher| {
            bencher.iter(|| black_box(bundle.decide_with_input(black_box(&request))));
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
