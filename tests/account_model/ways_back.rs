//! Ways back in: at the end of a case the owner of each account takes one of the ways that its
//! state promises, in a new session.

use proptest::sample::Index;

use super::case::Case;
use super::hands::choose;
use super::making::Actor;
use super::requests::{Act, Id, NAMES, RETURN, ROOT, Who, device_name};
use super::rules::{Account, MAX_AUTHENTICATORS};
use crate::support::client::METHODS;

/// A way back.
#[derive(Clone)]
enum Way {
    /// An enrolled authenticator that the owner holds.
    Authenticator(Id),
    /// A backup or recovery code that the owner knows, by its place.
    Code(usize),
    /// A strong sign-in.
    SignIn,
    /// An administrator resets the account and hands over the recovery code.
    Reset,
}

type Done<T> = Result<T, String>;

impl Case<'_> {
    /// Lets the owner of each account take one of the ways that its state promises.
    pub(super) async fn return_all(&mut self, picks: &[Index; NAMES.len()]) -> Done<()> {
        for (who, pick) in picks.iter().enumerate() {
            match choose(&self.ways(who), pick) {
                Some(Way::Authenticator(key)) => self.by_authenticator(who, key).await?,
                Some(Way::Code(at)) => self.by_code(who, at).await?,
                Some(Way::SignIn) => self.by_sign_in(who).await?,
                Some(Way::Reset) | None => self.by_reset(who).await?,
            }
        }
        Ok(())
    }

    /// Returns the ways that every possible state of the account promises. The last one, an administrator, is
    /// always among them.
    fn ways(&self, who: Who) -> Vec<Way> {
        let all = |holds: &dyn Fn(&Account) -> bool| self.is_everywhere(who, holds);
        let mut ways = Vec::new();
        let mut keys = self.keys_in_hand(who, RETURN).into_iter();
        let key = keys.find(|key| all(&|account| account.has(*key)));
        ways.extend(key.map(Way::Authenticator));
        // A session with only a code cannot remove an authenticator to make room.
        if all(&|account| account.authenticators.len() < MAX_AUTHENTICATORS) {
            let mut codes = self.codes_in_hand(who, RETURN, false).into_iter();
            let takes = |at: &usize| {
                let code = &self.codes[*at];
                all(&|account| account.takes(code.set, code.at))
            };
            ways.extend(codes.find(takes).map(Way::Code));
        }
        ways.extend([Way::SignIn, Way::Reset]);
        ways
    }

    async fn by_authenticator(&mut self, who: Who, key: Id) -> Done<()> {
        let weak = self.sign_in(who, RETURN, false, false);
        let stepped_up = self.step_up(weak, key).await?;
        let stepped_up = self.make_room(who, key, weak, stepped_up).await?;
        self.enrols(stepped_up, who, "an authenticator in the owner's hands")
            .await
    }

    async fn step_up(&mut self, weak: Id, key: Id) -> Done<Id> {
        let begin = self.begin_step_up(weak);
        let begun = begin.id;
        self.act(&[begin]).await?;
        if !self.has_begun(begun) {
            return Err(self
                .report
                .broken("the owner can step up in a session of their own"));
        }
        let complete = self.complete_step_up(weak, begun, key);
        let id = complete.id;
        self.act(&[complete]).await?;
        self.given(id, "an enrolled authenticator steps up")
    }

    /// Returns the token that a request gave.
    fn given(&self, id: Id, promise: &str) -> Done<Id> {
        if self.has_token(id) {
            Ok(id)
        } else {
            Err(self.report.broken(promise))
        }
    }

    /// Removes an authenticator if the account is full, and steps up again, because the removal ended the
    /// step-up.
    async fn make_room(&mut self, who: Who, key: Id, weak: Id, stepped_up: Id) -> Done<Id> {
        let account = &self.state().accounts[who];
        if account.authenticators.len() < MAX_AUTHENTICATORS {
            return Ok(stepped_up);
        }
        let others = account.authenticators.iter();
        let other = others.map(|one| one.key).find(|one| *one != key).unwrap();
        self.remove(stepped_up, other).await?;
        self.step_up(weak, key).await
    }

    async fn remove(&mut self, token: Id, key: Id) -> Done<()> {
        let enrolled = self.enrolled.iter().find(|(_, one, _)| *one == key);
        let path = format!("{METHODS}/{}", enrolled.unwrap().2);
        let about = device_name(key);
        let request = self.request(token, Act::Delete { key }, "DELETE", path, None, about);
        self.act(&[request]).await
    }

    async fn by_code(&mut self, who: Who, at: usize) -> Done<()> {
        let weak = self.sign_in(who, RETURN, false, false);
        let try_it = self.try_held(weak, at);
        let id = try_it.id;
        self.act(&[try_it]).await?;
        let token = self.given(id, "a code that works is taken in a session of its own")?;
        self.enrols(token, who, "a code that the owner knows").await
    }

    async fn by_sign_in(&mut self, who: Who) -> Done<()> {
        let strong = self.sign_in(who, RETURN, true, false);
        let authenticators = &self.state().accounts[who].authenticators;
        if authenticators.len() >= MAX_AUTHENTICATORS {
            let key = authenticators[0].key;
            self.remove(strong, key).await?;
        }
        self.enrols(strong, who, "a strong sign-in").await
    }

    async fn by_reset(&mut self, who: Who) -> Done<()> {
        let admin = self.sign_in(ROOT, RETURN, true, true);
        let reset = self.reset(admin, who);
        let set = reset.id;
        self.act(&[reset]).await?;
        let code = self.codes.iter().position(|code| code.set == set);
        let Some(code) = code else {
            return Err(self
                .report
                .broken("an administrator can reset every account"));
        };
        let weak = self.sign_in(who, RETURN, false, false);
        let try_it = self.try_held(weak, code);
        let id = try_it.id;
        self.act(&[try_it]).await?;
        let token = self.given(id, "the recovery code of a reset is taken")?;
        self.enrols(token, who, "the recovery code of a reset")
            .await
    }

    async fn enrols(&mut self, token: Id, who: Who, way: &str) -> Done<()> {
        let owner = Actor {
            who,
            session: RETURN,
            token,
        };
        let begin = self.begin(owner);
        let begun = begin.id;
        self.act(&[begin]).await?;
        let has_begun = self.has_begun(begun);
        if has_begun {
            let complete = self.complete(owner, begun);
            self.act(&[complete]).await?;
        }
        let key = self.keys_in_hand(who, RETURN).last().copied();
        if has_begun && key.is_some_and(|key| self.state().accounts[who].has(key)) {
            return Ok(());
        }
        Err(self.report.broken(&format!("{way} is a way back in")))
    }
}
