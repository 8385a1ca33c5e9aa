//! Finds test cases that test less than they seem to test.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cedar_policy::EntityUid;
use serde_json::Value;

use cedargate_core::{Finding, GroupId, Severity, UserId};
use cedargate_policy::Bundle;
use cedargate_policy::analysis::{NEVER, duration_millis};
use cedargate_policy::cases::{Case, Expected};

/// Adds a finding for each problem of a test case, and returns the members of the context that the case
/// lacks. Without a bundle the request is not compared with the schema.
pub(super) fn check(
    case: &Case,
    bundle: Option<&Bundle>,
    findings: &mut Vec<Finding>,
) -> Vec<String> {
    CaseCheck(case).run(bundle, findings)
}

struct CaseCheck<'a>(&'a Case);

impl CaseCheck<'_> {
    fn run(&self, bundle: Option<&Bundle>, findings: &mut Vec<Finding>) -> Vec<String> {
        let prepared = bundle
            .map(|bundle| self.0.prepare_request(bundle))
            .transpose();
        let assumed = prepared.as_ref().ok().and_then(|prepared| {
            let assumed = prepared.as_ref()?.assumed();
            Some(assumed.to_vec())
        });
        match prepared.map(drop).and(self.0.expected()) {
            Ok(expected) => {
                if expected.decision == "deny" && takes_any_deny(&expected) {
                    let message = "passes with any denial: by any policy, or by no policy";
                    let help = "expect policies in \"reason\", a \"code\" or \"notices\"; if no policy permits the request, the code is \"forbidden\"";
                    let at = self.find("\"decision\"");
                    findings.push(self.finding("test_any_deny", at, message).help(help));
                }
            }
            Err(error) => {
                findings.push(self.0.finding(&error));
                return Vec::new();
            }
        }
        self.session(findings);
        if let Some(entities) = CaseEntities::of(self.0) {
            entities.check(findings);
        }
        assumed.unwrap_or_default()
    }

    /// Reports a strong sign-in without an acr: no token describes such a session.
    fn session(&self, findings: &mut Vec<Finding>) {
        let session = &self.0.request()["context"]["session"];
        let since = session["sinceStrong"].as_str().and_then(duration_millis);
        let never = duration_millis(NEVER);
        if session["acr"] == "" && since.is_some() && since != never {
            let at = self.find("\"sinceStrong\"");
            let message = "has an empty acr and a \"sinceStrong\" that is not 36500d, which no token describes";
            let help = "write the acr of the strong sign-in, such as \"phr\"";
            findings.push(self.finding("test_session", at, message).help(help));
        }
    }

    fn finding(&self, code: &'static str, at: Range<usize>, what: &str) -> Finding {
        let message = format!("the case {:?} {what}", self.0.name);
        let before = self.0.text.get(self.0.span.start..at.start);
        let line = self.0.line + before.unwrap_or_default().matches('\n').count();
        Finding::error(code, self.0.file.as_str(), message)
            .at_line(&self.0.text, at, line)
            .severity(Severity::Finding)
    }

    /// Returns the span of a text in the case, or the start of the case if it does not occur.
    fn find(&self, text: &str) -> Range<usize> {
        let within = self.0.text.get(self.0.span.clone()).unwrap_or_default();
        match within.find(text) {
            Some(at) => self.0.span.start + at..self.0.span.start + at + text.len(),
            None => self.0.span.start..self.0.span.start + 1,
        }
    }

    /// Returns the span of an entity's id among the entities of the case.
    fn find_entity(&self, uid: &EntityUid) -> Range<usize> {
        let entities = self.find("\"entities\"").start;
        let id = format!("\"{}\"", uid.id().unescaped());
        let text = self
            .0
            .text
            .get(entities..self.0.span.end)
            .unwrap_or_default();
        let type_name = format!("\"{}\"", uid.type_name());
        let named = text.match_indices(&id).find(|(at, _)| {
            let (before, behind) = text.split_at(*at);
            let last = |member| before.rfind(member);
            let end = behind.find('}').map_or(text.len(), |end| at + end);
            // The id also occurs as a parent or an attribute of other entities.
            last("\"uid\"") > last("\"parents\"").max(last("\"attrs\""))
                && last("\"uid\"").is_some_and(|uid| text[uid..end].contains(&type_name))
        });
        match named {
            Some((at, _)) => entities + at..entities + at + id.len(),
            None => self.find("\"entities\""),
        }
    }
}

fn takes_any_deny(expected: &Expected) -> bool {
    expected.reason.is_empty()
        && expected.code.is_none()
        && expected.notices.as_ref().is_none_or(Vec::is_empty)
}

const CODE: &str = "test_entities";

/// Compares the entities of a case with those that the gateway builds for its request.
struct CaseEntities<'a> {
    case: &'a Case,
    entities: BTreeMap<EntityUid, CaseEntity<'a>>,
    principal: EntityUid,
    resource: EntityUid,
}

struct CaseEntity<'a> {
    parents: BTreeSet<EntityUid>,
    attributes: &'a Value,
}

impl<'a> CaseEntities<'a> {
    /// Returns `None` if the case is malformed, which is reported elsewhere.
    fn of(case: &'a Case) -> Option<Self> {
        let uid_at = |member: &str| case.request()[member].as_str()?.parse().ok();
        let mut entities = BTreeMap::new();
        for entity in case.entities().ok()?.as_array()? {
            let parents = entity["parents"].as_array()?.iter();
            let parents: Option<_> = parents.map(uid).collect();
            entities.insert(
                uid(&entity["uid"])?,
                CaseEntity {
                    parents: parents?,
                    attributes: &entity["attrs"],
                },
            );
        }
        Some(Self {
            case,
            entities,
            principal: uid_at("principal")?,
            resource: uid_at("resource")?,
        })
    }

    fn check(&self, findings: &mut Vec<Finding>) {
        let mut built = BTreeMap::new();
        let parents = match user(&self.principal) {
            Some(id) => {
                let account = entity("Account", &id.to_string());
                self.own_account(account.as_ref(), findings);
                built.extend(account.map(|uid| (uid, Parents::OfAccount(id.clone()))));
                Parents::OfUser(id)
            }
            None => Parents::None,
        };
        built.insert(self.principal.clone(), parents);
        let parents = match user(&self.resource) {
            Some(id) => Parents::OfAccount(id),
            None if is(&self.resource, "Authenticator") => Parents::OneAccount,
            None => Parents::None,
        };
        if let Some(holder) = self.holder()
            && let Some(id) = user(holder)
        {
            let parents = Parents::OfAccount(id);
            built.entry(holder.clone()).or_insert(parents);
        }
        built.entry(self.resource.clone()).or_insert(parents);
        for (uid, parents) in &built {
            match self.entities.get(uid) {
                Some(entity) => findings.extend(self.parents(uid, entity, parents)),
                // An entity without parents and attributes does not affect the decision.
                None if matches!(parents, Parents::None) => {}
                None => {
                    let what = format!("has no entity {uid}, which the gateway builds");
                    let case = CaseCheck(self.case);
                    let finding = case.finding(CODE, case.find("\"entities\""), &what);
                    findings.push(finding.help("add it, with its parents"));
                }
            }
        }
        let more = self
            .entities
            .keys()
            .filter(|uid| !built.contains_key(*uid) && !is(uid, "Action"));
        findings.extend(more.map(|uid| {
            let what = format!("has the entity {uid}, which the gateway does not build");
            let help = "remove it: the gateway builds the principal, its account and the resource, and parents need no entities";
            self.finding(uid, &what, help)
        }));
    }

    /// Returns the account that holds the authenticator.
    fn holder(&self) -> Option<&EntityUid> {
        let authenticator = self.entities.get(&self.resource)?;
        let mut parents = authenticator.parents.iter();
        parents.find(|parent| is(parent, "Account"))
    }

    fn own_account(&self, account: Option<&EntityUid>, findings: &mut Vec<Finding>) {
        let Some(principal) = self.entities.get(&self.principal) else {
            return;
        };
        if uid(&principal.attributes["account"]).as_ref() != account {
            let what = format!("gives {} another account than its own", self.principal);
            let help = "an account has the id of its user";
            findings.push(self.finding(&self.principal, &what, help));
        }
    }

    fn parents(
        &self,
        uid: &EntityUid,
        entity: &CaseEntity<'_>,
        parents: &Parents,
    ) -> Option<Finding> {
        if matches!(parents, Parents::OneAccount) && entity.parents.len() != 1 {
            let what = format!("does not put {uid} in one account, as the gateway does");
            return Some(self.finding(uid, &what, parents.rule()));
        }
        let needed = parents.needed();
        let missing = needed.iter().find(|uid| !entity.parents.contains(*uid));
        let wrong = entity.parents.iter().find(|uid| !parents.allow(uid));
        let (what, help) = match (missing, wrong) {
            (Some(missing), _) => (
                format!("lacks the parent {missing} of {uid}, which the gateway adds"),
                format!("add {missing} to its \"parents\""),
            ),
            (None, Some(wrong)) => (
                format!("puts {uid} in {wrong}, which the gateway never does"),
                parents.rule().to_owned(),
            ),
            (None, None) => return None,
        };
        Some(self.finding(uid, &what, &help))
    }

    fn finding(&self, uid: &EntityUid, what: &str, help: &str) -> Finding {
        let case = CaseCheck(self.case);
        case.finding(CODE, case.find_entity(uid), what).help(help)
    }
}

/// The parents that the gateway gives an entity.
enum Parents {
    /// An issuer, a tenant and groups.
    OfUser(UserId),
    /// An issuer and a tenant.
    OfAccount(UserId),
    /// The account that holds the authenticator.
    OneAccount,
    None,
}

impl Parents {
    fn needed(&self) -> Vec<EntityUid> {
        match self {
            Parents::OfUser(id) | Parents::OfAccount(id) => {
                let tenant = id.tenant.and_then(|one| entity("Tenant", &one.to_string()));
                let issuer = entity("Issuer", id.issuer.as_str());
                issuer.into_iter().chain(tenant).collect()
            }
            Parents::OneAccount | Parents::None => Vec::new(),
        }
    }

    fn allow(&self, parent: &EntityUid) -> bool {
        let is_optional = match self {
            Parents::OfUser(id) if is(parent, "Group") => parent
                .id()
                .unescaped()
                .parse::<GroupId>()
                .is_ok_and(|group| group.issuer == id.issuer && group.tenant == id.tenant),
            Parents::OneAccount => is(parent, "Account"),
            _ => false,
        };
        is_optional || self.needed().contains(parent)
    }

    fn rule(&self) -> &'static str {
        match self {
            Parents::OfUser(_) => {
                "a user is in the issuer and the tenant that its id names, and in groups of both"
            }
            Parents::OfAccount(_) => {
                "an account is in the issuer and the tenant that its id names, and in nothing else"
            }
            Parents::OneAccount => "an authenticator is in the account that holds it",
            Parents::None => "it has no parents",
        }
    }
}

/// Returns the id of a user or account entity.
fn user(uid: &EntityUid) -> Option<UserId> {
    let of_user = is(uid, "User") || is(uid, "Account");
    of_user.then(|| uid.id().unescaped().parse().ok())?
}

fn is(uid: &EntityUid, name: &str) -> bool {
    uid.type_name().namespace() == "Gate" && uid.type_name().basename() == name
}

fn entity(name: &str, id: &str) -> Option<EntityUid> {
    format!("Gate::{name}::{id:?}").parse().ok()
}

/// Parses an entity from Cedar's JSON, with or without `__entity`.
fn uid(json: &Value) -> Option<EntityUid> {
    EntityUid::from_json(json.clone()).ok()
}
