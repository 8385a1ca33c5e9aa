//! What a case does not test that it seems to test: for `policy check`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cedar_policy::EntityUid;
use serde_json::Value;

use cedargate_core::{Finding, GroupId, Severity, UserId};
use cedargate_policy::Bundle;
use cedargate_policy::analysis::{NEVER, duration_millis};

use cedargate_policy::cases::{Case, Expected};

/// Reports what is wrong with a test case, asking it of the bundle if there is one. Returns the members
/// of the context that the case does not give.
pub(super) fn advise(
    case: &Case,
    bundle: Option<&Bundle>,
    findings: &mut Vec<Finding>,
) -> Vec<&'static str> {
    Advised(case).advise(bundle, findings)
}

/// A test case that advice is given about.
struct Advised<'a>(&'a Case);

impl Advised<'_> {
    /// Says what is wrong with it. What it asks is held against a bundle, if there is one.
    /// Returns the members of the context that it does not say.
    fn advise(&self, bundle: Option<&Bundle>, findings: &mut Vec<Finding>) -> Vec<&'static str> {
        let inquiry = bundle.map(|bundle| self.0.inquiry(bundle)).transpose();
        let assumed = inquiry.as_ref().ok().and_then(|inquiry| {
            let assumed = inquiry.as_ref()?.assumed();
            Some(assumed.to_vec())
        });
        let asked = inquiry.map(drop);
        let expected = self.0.expected();
        match asked.and(expected) {
            Ok(expected) => {
                if expected.decision == "deny" && takes_any_deny(&expected) {
                    let message = "takes any deny: by whatever policy, or by none";
                    let help = "name the policies in \"reason\", or the \"code\", or the \"notices\"; where no policy permits it, the code is \"forbidden\"";
                    let at = self.find("\"decision\"");
                    findings.push(self.said("test_any_deny", at, message).help(help));
                }
            }
            Err(why) => {
                let at = self.0.span.start..self.0.span.start + 1;
                let finding = self.said("test_case", at, &format!("cannot be asked: {why}"));
                findings.push(finding.severity(Severity::Error));
                return Vec::new();
            }
        }
        self.session(findings);
        if let Some(world) = World::of(self.0) {
            world.compare(findings);
        }
        assumed.unwrap_or_default()
    }

    /// A token that says nothing of the acr is not one of a strong sign-in.
    fn session(&self, findings: &mut Vec<Finding>) {
        let session = &self.0.request()["context"]["session"];
        let since = session["sinceStrong"].as_str().and_then(duration_millis);
        let never = duration_millis(NEVER);
        if session["acr"] == "" && since.is_some() && since != never {
            let at = self.find("\"sinceStrong\"");
            let message =
                "has an empty acr and a \"sinceStrong\" that is not 36500d, which no token gives";
            let help = "write the acr of the strong sign-in, such as \"phr\"";
            findings.push(self.said("test_session", at, message).help(help));
        }
    }

    fn said(&self, code: &'static str, at: Range<usize>, what: &str) -> Finding {
        let message = format!("the case {:?} {what}", self.0.name);
        Finding::error(code, self.0.file.as_str(), message)
            .at(&self.0.text, at)
            .severity(Severity::Finding)
    }

    /// Where a text stands in it; where it begins, if nowhere.
    fn find(&self, text: &str) -> Range<usize> {
        let within = self.0.text.get(self.0.span.clone()).unwrap_or_default();
        match within.find(text) {
            Some(at) => self.0.span.start + at..self.0.span.start + at + text.len(),
            None => self.0.span.start..self.0.span.start + 1,
        }
    }

    /// Where the entity stands among those of the case.
    fn find_entity(&self, uid: &EntityUid) -> Range<usize> {
        let entities = self.find("\"entities\"").start;
        let id = format!("\"{}\"", uid.id().unescaped());
        let given = self
            .0
            .text
            .get(entities..self.0.span.end)
            .unwrap_or_default();
        let of = format!("\"{}\"", uid.type_name());
        let named = given.match_indices(&id).find(|(at, _)| {
            let (before, behind) = given.split_at(*at);
            let last = |member| before.rfind(member);
            let end = behind.find('}').map_or(given.len(), |end| at + end);
            // Others have it as a parent, or as an attribute.
            last("\"uid\"") > last("\"parents\"").max(last("\"attrs\""))
                && last("\"uid\"").is_some_and(|uid| given[uid..end].contains(&of))
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

/// The entities of a case beside those that the gateway would build for its request.
struct World<'a> {
    case: &'a Case,
    given: BTreeMap<EntityUid, Given<'a>>,
    principal: EntityUid,
    resource: EntityUid,
}

struct Given<'a> {
    parents: BTreeSet<EntityUid>,
    attributes: &'a Value,
}

impl<'a> World<'a> {
    /// None of a case that cannot be asked: that is an error of its own.
    fn of(case: &'a Case) -> Option<Self> {
        let asked = |member: &str| case.request()[member].as_str()?.parse().ok();
        let mut given = BTreeMap::new();
        for entity in case.entities().ok()?.as_array()? {
            let parents = entity["parents"].as_array()?.iter();
            let parents: Option<_> = parents.map(uid).collect();
            given.insert(
                uid(&entity["uid"])?,
                Given {
                    parents: parents?,
                    attributes: &entity["attrs"],
                },
            );
        }
        Some(Self {
            case,
            given,
            principal: asked("principal")?,
            resource: asked("resource")?,
        })
    }

    fn compare(&self, findings: &mut Vec<Finding>) {
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
            match self.given.get(uid) {
                Some(given) => findings.extend(self.parents(uid, given, parents)),
                // Without parents and attributes it is the same to Cedar whether it is there.
                None if matches!(parents, Parents::None) => {}
                None => {
                    let what = format!("has no entity {uid}, which the gateway builds");
                    let finding = Advised(self.case).said(
                        CODE,
                        Advised(self.case).find("\"entities\""),
                        &what,
                    );
                    findings.push(finding.help("add it, with its parents"));
                }
            }
        }
        let more = self
            .given
            .keys()
            .filter(|uid| !built.contains_key(*uid) && !is(uid, "Action"));
        findings.extend(more.map(|uid| {
            let what = format!("has the entity {uid}, which the gateway does not build");
            let help = "remove it: there are the principal, its account and the resource; parents need no entities of their own";
            self.say(uid, &what, help)
        }));
    }

    /// The account that an authenticator is in.
    fn holder(&self) -> Option<&EntityUid> {
        let given = self.given.get(&self.resource)?;
        given.parents.iter().find(|one| is(one, "Account"))
    }

    fn own_account(&self, account: Option<&EntityUid>, findings: &mut Vec<Finding>) {
        let Some(given) = self.given.get(&self.principal) else {
            return;
        };
        if uid(&given.attributes["account"]).as_ref() != account {
            let what = format!("gives {} another account than its own", self.principal);
            let help = "an account has the id of its user";
            findings.push(self.say(&self.principal, &what, help));
        }
    }

    fn parents(&self, uid: &EntityUid, given: &Given<'_>, parents: &Parents) -> Option<Finding> {
        if matches!(parents, Parents::OneAccount) && given.parents.len() != 1 {
            let what = format!("does not put {uid} in one account, as the gateway does");
            return Some(self.say(uid, &what, parents.rule()));
        }
        let needed = parents.needed();
        let missing = needed.iter().find(|one| !given.parents.contains(*one));
        let wrong = given.parents.iter().find(|one| !parents.allow(one));
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
        Some(self.say(uid, &what, &help))
    }

    fn say(&self, uid: &EntityUid, what: &str, help: &str) -> Finding {
        let at = Advised(self.case).find_entity(uid);
        Advised(self.case).said(CODE, at, what).help(help)
    }
}

/// The parents that the gateway gives an entity.
enum Parents {
    /// Issuer, tenant and groups.
    OfUser(UserId),
    /// Issuer and tenant.
    OfAccount(UserId),
    /// The account that holds it.
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
        let otherwise = match self {
            Parents::OfUser(id) if is(parent, "Group") => parent
                .id()
                .unescaped()
                .parse::<GroupId>()
                .is_ok_and(|group| group.issuer == id.issuer && group.tenant == id.tenant),
            Parents::OneAccount => is(parent, "Account"),
            _ => false,
        };
        otherwise || self.needed().contains(parent)
    }

    fn rule(&self) -> &'static str {
        match self {
            Parents::OfUser(_) => {
                "a user is in its issuer, its tenant and groups of both: those that its id names"
            }
            Parents::OfAccount(_) => {
                "an account is in its issuer and its tenant, those that its id names, and in nothing else"
            }
            Parents::OneAccount => "an authenticator is in the account that holds it",
            Parents::None => "it is in nothing",
        }
    }
}

/// The user or the account that this is.
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

/// As Cedar writes it in JSON, with or without `__entity`.
fn uid(json: &Value) -> Option<EntityUid> {
    EntityUid::from_json(json.clone()).ok()
}
