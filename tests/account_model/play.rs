//! Carries out the drawn operations: chooses tokens, authenticators and codes among those that the actor
//! holds.

use std::slice;

use proptest::sample::Index;
use serde_json::json;

use super::case::Case;
use super::hands::choose;
use super::making::Actor;
use super::operations::{Kind, Operation, Start, Step, Story, TokenPick};
use super::requests::{
    Act, CROWD, Id, NAMES, PASSWORD, PAT, ROOT, Request, STEPPED_UP, STOLEN, Session, Tried, Who,
    device_name,
};
use crate::support::client::{BACKUP_CODES, METHODS};

const WRONG_CODE: &str = "0000-0000-00000";
const MALFORMED_CODE: &str = "not a code";

/// The result of an operation.
type Done<T> = Result<T, String>;

impl Case<'_> {
    /// Carries out a story. Returns the number of steps that had an effect.
    pub(super) async fn play(&mut self, story: &Story) -> Done<usize> {
        for who in 0..NAMES.len() {
            for session in [PASSWORD, STEPPED_UP, STOLEN] {
                self.sign_in(who, session, false, who == ROOT);
            }
        }
        for (who, start) in story.starts.into_iter().enumerate() {
            self.start(who, start).await?;
        }
        self.focus = story.focus;
        if story.is_promoted {
            self.promote();
        }
        let mut done = 0;
        for step in &story.steps {
            let before = self.sent;
            self.step(step).await?;
            done += usize::from(self.sent > before);
        }
        Ok(done)
    }

    async fn start(&mut self, who: Who, start: Start) -> Done<()> {
        let session = match start {
            Start::Nothing => return Ok(()),
            Start::Weak => PASSWORD,
            Start::Strong => STEPPED_UP,
        };
        let kinds: &[(Session, Kind)] = match start {
            Start::Strong => &[
                (session, Kind::SignIn),
                (session, Kind::Enrol),
                (STEPPED_UP, Kind::StepUp(None)),
            ],
            _ => &[(session, Kind::Enrol), (STEPPED_UP, Kind::StepUp(None))],
        };
        for (session, kind) in kinds {
            let operation = Operation {
                who: Some(who),
                session: *session,
                token: TokenPick::Latest,
                kind: kind.clone(),
            };
            self.step(&Step::One(operation)).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Done<()> {
        let requests = match step {
            Step::One(operation) => vec![self.prepare(operation).await?],
            Step::Race(first, second) => {
                vec![self.prepare(first).await?, self.prepare(second).await?]
            }
            Step::Twice(operation) => {
                let first = self.prepare(operation).await?;
                let second = first.as_ref().map(|request| Request {
                    id: self.new_id(),
                    ..request.clone()
                });
                vec![first, second]
            }
        };
        let requests: Vec<_> = requests.into_iter().flatten().collect();
        if requests.is_empty() {
            return Ok(());
        }
        self.act(&requests).await
    }

    /// Sends all requests of an operation but the last, and makes the last one. Returns `None` if the actor
    /// lacks what the operation needs, or if the operation has no further request.
    async fn prepare(&mut self, operation: &Operation) -> Done<Option<Request>> {
        let Operation { who, kind, .. } = operation;
        let who = who.unwrap_or(self.focus);
        let session = match (operation.session, kind.gives_token()) {
            (PASSWORD, true) => STEPPED_UP,
            (session, _) => session,
        };
        let wallet = self.wallet(who, session);
        let token = match &operation.token {
            TokenPick::Latest => wallet[wallet.len() - 1],
            TokenPick::Any(pick) => wallet[pick.index(wallet.len())],
        };
        let actor = Actor {
            who,
            session,
            token,
        };
        match kind {
            Kind::SignIn | Kind::Age(_) | Kind::StealCode(_) | Kind::Promote => {
                self.happens(actor, kind);
                Ok(None)
            }
            Kind::Enrol => self.enrol(actor).await,
            Kind::Replace(pick) => self.replace(actor, pick).await,
            Kind::StepUp(pick) => self.step_up_with_any(actor, pick.as_ref()).await,
            Kind::WrongCodes(times) => {
                for _ in 1..*times {
                    let request = self.try_code(token, Tried::Wrong, WRONG_CODE);
                    self.judge(&[request]).await?;
                }
                Ok(Some(self.try_code(token, Tried::Wrong, WRONG_CODE)))
            }
            Kind::Flood(times) => {
                self.flood(actor, *times).await?;
                Ok(None)
            }
            Kind::Crowd => {
                self.crowd(who).await?;
                Ok(None)
            }
            Kind::AdminList(of) | Kind::AdminDelete(of, _) | Kind::AdminReset(of) => {
                Ok(self.administration(token, of.unwrap_or(self.focus), kind))
            }
            Kind::Regenerate | Kind::Delete(_) | Kind::Rename(_) | Kind::List => {
                Ok(self.own_account(actor, kind))
            }
            _ => Ok(self.proof(actor, kind)),
        }
    }

    /// Operations that need no request.
    fn happens(&mut self, actor: Actor, kind: &Kind) {
        match kind {
            Kind::SignIn => {
                let admin = self.names_group(actor.who);
                self.sign_in(actor.who, actor.session, true, admin);
            }
            Kind::Age(pick) => {
                let tokens = self.wallet(actor.who, STEPPED_UP).to_vec();
                if let Some(id) = choose(&tokens, pick) {
                    self.age(id);
                }
            }
            Kind::StealCode(pick) => {
                let known = self.codes_in_hand(actor.who, STEPPED_UP, true);
                if let Some(at) = choose(&known, pick) {
                    self.codes[at].thief_knows = true;
                }
            }
            _ => self.promote(),
        }
    }

    /// A request of a ceremony, or with a code.
    fn proof(&mut self, actor: Actor, kind: &Kind) -> Option<Request> {
        let Actor {
            who,
            session,
            token,
        } = actor;
        match kind {
            Kind::Begin => Some(self.begin(actor)),
            Kind::BeginStepUp => Some(self.begin_step_up(token)),
            Kind::Complete(pick) => {
                let pending = self.pick_pending(who, session, true, pick)?;
                Some(self.complete(actor, pending))
            }
            Kind::CompleteStepUp(pick, key) => {
                let pending = self.pick_pending(who, session, false, pick)?;
                let key = choose(&self.keys_in_hand(who, session), key)?;
                Some(self.complete_step_up(token, pending, key))
            }
            Kind::Retry => {
                let again = self.completions.get(&who).cloned()?;
                let id = self.new_id();
                Some(Request { id, ..again })
            }
            Kind::GoodCode(pick) | Kind::AnyCode(pick) => {
                let working = matches!(kind, Kind::GoodCode(_));
                let known = self.codes_in_hand(who, session, working);
                choose(&known, pick).map(|at| self.try_held(token, at))
            }
            _ => Some(self.try_code(token, Tried::Malformed, MALFORMED_CODE)),
        }
    }

    /// Begins an enrolment, and makes the response of a new authenticator.
    async fn enrol(&mut self, actor: Actor) -> Done<Option<Request>> {
        let begin = self.begin(actor);
        self.act(slice::from_ref(&begin)).await?;
        let begun = self.has_begun(begin.id);
        Ok(begun.then(|| self.complete(actor, begin.id)))
    }

    fn own_account(&mut self, actor: Actor, kind: &Kind) -> Option<Request> {
        let token = actor.token;
        let (pick, renames) = match kind {
            Kind::Delete(pick) => (pick, false),
            Kind::Rename(pick) => (pick, true),
            Kind::List => return Some(self.list(token)),
            _ => {
                let path = BACKUP_CODES.to_owned();
                return Some(self.request(token, Act::Regenerate, "POST", path, None, ""));
            }
        };
        let (key, id) = self.pick_enrolled(actor.who, pick)?;
        let (path, name) = (format!("{METHODS}/{id}"), device_name(key));
        Some(if renames {
            let name = format!("{name} renamed");
            let body = Some(json!({ "device_name": name }));
            self.request(token, Act::Rename { key }, "PATCH", path, body, name)
        } else {
            self.request(token, Act::Delete { key }, "DELETE", path, None, name)
        })
    }

    fn administration(&mut self, token: Id, of: Who, kind: &Kind) -> Option<Request> {
        let path = self.admin_path(of);
        match kind {
            Kind::AdminList(_) => {
                let act = Act::AdminList { of };
                Some(self.request(token, act, "GET", path, None, ""))
            }
            Kind::AdminDelete(_, pick) => {
                let (key, id) = self.pick_enrolled(of, pick)?;
                let (act, path) = (Act::AdminDelete { of, key }, format!("{path}/{id}"));
                Some(self.request(token, act, "DELETE", path, None, device_name(key)))
            }
            _ => Some(self.reset(token, of)),
        }
    }

    fn names_group(&self, who: Who) -> bool {
        who == ROOT || (who == PAT && self.is_promoted)
    }

    /// Promotes the user: the tokens of later sign-ins name the group.
    fn promote(&mut self) {
        self.is_promoted = true;
        for session in [PASSWORD, STEPPED_UP, STOLEN] {
            self.sign_in(PAT, session, false, true);
        }
    }

    /// Begins a step-up with an enrolled authenticator that the actor holds, or otherwise with any that they
    /// ever had.
    async fn step_up_with_any(
        &mut self,
        actor: Actor,
        pick: Option<&Index>,
    ) -> Done<Option<Request>> {
        let all = self.keys_in_hand(actor.who, actor.session);
        let account = &self.state().accounts[actor.who];
        let enrolled = all.iter().copied().filter(|key| account.has(*key));
        let enrolled: Vec<_> = enrolled.collect();
        let pool = if enrolled.is_empty() { all } else { enrolled };
        let key = match pick {
            Some(pick) => choose(&pool, pick),
            None => pool.first().copied(),
        };
        match key {
            Some(key) => self.step_up_with(actor.token, key).await,
            None => Ok(None),
        }
    }

    /// Begins a step-up, and makes the response of this authenticator.
    async fn step_up_with(&mut self, token: Id, key: Id) -> Done<Option<Request>> {
        let begin = self.begin_step_up(token);
        self.act(slice::from_ref(&begin)).await?;
        let begun = self.has_begun(begin.id);
        Ok(begun.then(|| self.complete_step_up(token, begin.id, key)))
    }

    async fn replace(&mut self, actor: Actor, pick: &Index) -> Done<Option<Request>> {
        let known = self.codes_in_hand(actor.who, actor.session, true);
        let Some(at) = choose(&known, pick) else {
            return Ok(None);
        };
        let code = self.try_held(actor.token, at);
        let opened = Actor {
            token: code.id,
            ..actor
        };
        self.act(&[code]).await?;
        if !self.has_token(opened.token) {
            return Ok(None);
        }
        let Some(complete) = self.enrol(opened).await? else {
            return Ok(None);
        };
        let enrolled = complete.act.clone();
        self.act(&[complete]).await?;
        match enrolled {
            Act::Complete { key, .. } => self.step_up_with(actor.token, key).await,
            _ => Ok(None),
        }
    }

    /// Begins many ceremonies: enrolments if the session may enrol, otherwise step-ups.
    async fn flood(&mut self, actor: Actor, times: u32) -> Done<()> {
        let first = self.begin(actor);
        self.judge(slice::from_ref(&first)).await?;
        let enrols = self.has_begun(first.id);
        for _ in 1..times {
            let request = if enrols {
                self.begin(actor)
            } else {
                self.begin_step_up(actor.token)
            };
            self.judge(&[request]).await?;
        }
        Ok(())
    }

    /// Fills the account with pending enrolments of sessions that a thief opens with the password.
    async fn crowd(&mut self, who: Who) -> Done<()> {
        for session in CROWD..CROWD + 9 {
            let thief = Actor {
                who,
                session,
                token: self.sign_in(who, session, false, false),
            };
            for _ in 0..8 {
                let request = self.begin(thief);
                self.judge(&[request]).await?;
            }
        }
        Ok(())
    }
}
