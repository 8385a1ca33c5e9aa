//! Requests made from the possessions of an actor.

use serde_json::json;

use super::case::{Case, HeldKey};
use super::requests::{Act, Id, Request, Session, Tried, Who, device_name, is_stolen};
use crate::support::authenticator::{USER_PRESENT, USER_VERIFIED};
use crate::support::client::{
    AUTHENTICATE, AUTHENTICATE_COMPLETE, BACKUP_CODES_VERIFY, COMPLETE, FIDO, METHODS, PASSKEY,
    REGISTER,
};
use crate::support::key::Key;

/// The sender of a request and its token.
#[derive(Clone, Copy)]
pub(super) struct Actor {
    pub(super) who: Who,
    pub(super) session: Session,
    pub(super) token: Id,
}

impl Case<'_> {
    pub(super) fn list(&mut self, token: Id) -> Request {
        let path = METHODS.to_owned();
        self.request(token, Act::List, "GET", path, None, "")
    }

    pub(super) fn begin(&mut self, actor: Actor) -> Request {
        // Some are security keys.
        let method_type = match (self.sent + actor.who + actor.session) % 4 {
            0 => FIDO,
            _ => PASSKEY,
        };
        let path = format!("{REGISTER}?method_type={method_type}");
        self.request(actor.token, Act::Begin, "POST", path, None, "")
    }

    /// Answers a pending enrolment with a new authenticator that the actor holds.
    pub(super) fn complete(&mut self, actor: Actor, pending: Id) -> Request {
        let key = self.new_id();
        let held = self.pending.iter_mut().find(|one| one.id == pending);
        let held = held.unwrap();
        held.is_answered = true;
        let origin = self.place.deployment.origin();
        let made = Key::for_options(&held.options, &origin, USER_PRESENT | USER_VERIFIED);
        let body = json!({
            "credential": made.attestation(&held.options).credential(),
            "device_name": device_name(key),
            "method_type": held.method_type,
        });
        let is_stolen = is_stolen(actor.session);
        let held = HeldKey {
            key: made,
            who: actor.who,
            is_stolen,
        };
        self.keys.insert(key, held);
        let about = format!("{} answers #{pending}", device_name(key));
        let act = Act::Complete { pending, key };
        self.request(
            actor.token,
            act,
            "POST",
            COMPLETE.to_owned(),
            Some(body),
            about,
        )
    }

    pub(super) fn begin_step_up(&mut self, token: Id) -> Request {
        let (path, body) = (AUTHENTICATE.to_owned(), Some(json!({})));
        self.request(token, Act::BeginStepUp, "POST", path, body, "")
    }

    pub(super) fn complete_step_up(&mut self, token: Id, pending: Id, key: Id) -> Request {
        let begun = self.pending.iter_mut().find(|one| one.id == pending);
        let begun = begun.unwrap();
        begun.is_answered = true;
        let held = self.keys.get_mut(&key).unwrap();
        let count = held.key.sign_count;
        let credential = held.key.answer(&begun.options);
        held.key.sign_count += 1;
        let about = format!("{} answers #{pending}, counter {count}", device_name(key));
        let act = Act::StepUp {
            pending,
            key,
            count,
        };
        let (path, body) = (
            AUTHENTICATE_COMPLETE.to_owned(),
            json!({ "credential": credential }),
        );
        self.request(token, act, "POST", path, Some(body), about)
    }

    pub(super) fn try_held(&mut self, token: Id, at: usize) -> Request {
        let held = self.codes[at].clone();
        let tried = Tried::Shown {
            set: held.set,
            at: held.at,
        };
        self.try_code(token, tried, &held.text)
    }

    pub(super) fn try_code(&mut self, token: Id, tried: Tried, text: &str) -> Request {
        let about = match tried {
            Tried::Shown { set, at } => format!("code {at} of #{set}"),
            Tried::Wrong => "a wrong code".to_owned(),
            Tried::Malformed => "a malformed code".to_owned(),
        };
        let path = BACKUP_CODES_VERIFY.to_owned();
        let body = Some(json!({ "code": text }));
        self.request(token, Act::Code(tried), "POST", path, body, about)
    }

    pub(super) fn reset(&mut self, token: Id, of: Who) -> Request {
        let path = self.admin_path(of);
        self.request(token, Act::AdminReset { of }, "DELETE", path, None, "")
    }
}
