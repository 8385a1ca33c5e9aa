//! Measures one decision with bundles of 10 to 100 000 policies: the shipped policies, and rules that do not
//! apply to the caller. `evaluate all` is Cedar's authorizer without the index of the engine.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use cedargate_core::{
    Effect, Factors, GateAction, Means, MethodType, Session, Tenant, Timestamp, User, UserId,
};
use cedargate_policy::{AuthorizationRequest, Bundle, Caller, PreparedRequest, Resource, Sources};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const TENANT: &str = "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0";

/// The rules that fill a bundle up.
#[derive(Clone, Copy)]
enum Rules {
    /// A rule for each of many tenants other than the caller's.
    OfTenants,
    /// Rules on the requested action, each for an `acr` that the caller does not have.
    OfAcr,
    /// The same, in a form that the index of the engine does not know.
    Unindexed,
}

impl Rules {
    fn write(self, number: usize) -> String {
        let (scope, condition) = match self {
            Rules::OfTenants => (
                format!(r#"principal in Gate::Tenant::"00000000-0000-4000-8000-{number:012}""#),
                r#"unless { context.methodType == Gate::MethodType::"webauthn_fido" }"#.to_owned(),
            ),
            Rules::OfAcr => (
                "principal".to_owned(),
                format!(r#"when {{ context.session.acr == "level-{number}" }}"#),
            ),
            Rules::Unindexed => (
                "principal".to_owned(),
                format!(r#"unless {{ context.session.acr != "level-{number}" }}"#),
            ),
        };
        format!(
            r#"@id("rule-{number}") @notice("Rule {number}.")
forbid ({scope}, action in Gate::Action::"enroll", resource)
{condition};
"#
        )
    }
}

fn bundle(policies: usize, rules: Rules) -> Bundle {
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
    let numbers: Vec<_> = (count..policies).collect();
    for (file, numbers) in numbers.chunks(10_000).enumerate() {
        let text: String = numbers.iter().map(|number| rules.write(*number)).collect();
        std::fs::write(folder.path().join(format!("90-rules-{file}.cedar")), text)
            .expect("the rules");
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let sources = Sources::read(folder.path(), &schema).expect("readable sources");
    let bundle = Bundle::load(&sources).expect("a bundle");
    assert_eq!(bundle.entries().len(), policies);
    bundle
}

fn alice() -> Arc<User> {
    Arc::new(User {
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
    })
}

fn decide(criterion: &mut Criterion) {
    let user = alice();
    let factors = Factors::default();
    let means = Means::default();
    let tenant: Tenant = TENANT.parse().expect("a tenant");
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
    let mut group = criterion.benchmark_group("decide");
    for policies in [10, 100, 1_000, 10_000, 100_000] {
        let bundle = bundle(policies, Rules::OfTenants);
        assert_eq!(bundle.decide(&request).effect, Effect::Allow);
        group.bench_function(BenchmarkId::from_parameter(policies), |bencher| {
            bencher.iter(|| black_box(bundle.decide(black_box(&request))));
        });
        // The decision log costs the request no more than keeping the input. Its thread does the rest.
        group.bench_function(BenchmarkId::new("kept", policies), |bencher| {
            bencher.iter(|| black_box(bundle.decide_with_input(black_box(&request))));
        });
        let prepare = || PreparedRequest::new(&bundle, black_box(&request));
        group.bench_function(BenchmarkId::new("prepare", policies), |bencher| {
            bencher.iter(|| black_box(prepare().is_ok()));
        });
        let prepared = prepare().expect("it conforms to the schema");
        group.bench_function(BenchmarkId::new("evaluate", policies), |bencher| {
            bencher.iter(|| black_box(bundle.evaluate(black_box(&prepared))));
        });
        if policies <= 10_000 {
            group.bench_function(BenchmarkId::new("evaluate all", policies), |bencher| {
                bencher.iter(|| black_box(bundle.analysis().allows_by_all(black_box(&prepared))));
            });
        }
    }
    for (name, rules) in [("of acr", Rules::OfAcr), ("unindexed", Rules::Unindexed)] {
        let bundle = bundle(10_000, rules);
        assert_eq!(bundle.decide(&request).effect, Effect::Allow);
        group.bench_function(BenchmarkId::new(name, 10_000), |bencher| {
            bencher.iter(|| black_box(bundle.decide(black_box(&request))));
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
