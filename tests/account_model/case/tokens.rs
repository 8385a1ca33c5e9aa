//! The tokens of a case: those of sign-ins at the issuer, and step-ups as they are later.

use crate::support::base64url;
use serde_json::json;

use super::super::requests::{Id, Session, Who, is_stolen};
use super::super::rules::{Proof, Token};
use super::Case;
use crate::support::deployment::{ADMINS, TENANT};

/// The age of the sign-in of a stolen session, in seconds.
const LONG_AGO: u64 = 3600;

impl Case<'_> {
    /// A sign-in at the issuer. That of a stolen session is old.
    pub(in crate::account_model) fn sign_in(
        &mut self,
        who: Who,
        session: Session,
        strong: bool,
        admin: bool,
    ) -> Id {
        let deployment = &self.place.deployment;
        let mut claims = deployment.claims(&self.subject(who), TENANT);
        let now = claims["iat"].as_u64().unwrap();
        let fresh = !is_stolen(session);
        let at = if fresh { now - 1 } else { now - LONG_AGO };
        claims["auth_time"] = at.into();
        claims["sid"] = format!("{}-{session}", self.subject(who)).into();
        if strong {
            // The issuer's other strong acr is not the one that step-up rules ask for.
            let steps_up = self.state().sign_in_steps_up;
            claims["acr"] = if steps_up { "phr" } else { "phrh" }.into();
        }
        if admin {
            claims["groups"] = json!([ADMINS]);
        }
        let text = deployment.sign(&claims);
        let token = Token {
            who,
            session,
            admin,
            proof: if strong {
                Proof::SignIn { fresh }
            } else {
                Proof::Password
            },
            epoch: None,
        };
        self.add_token(token, text)
    }

    fn add_token(&mut self, token: Token, text: String) -> Id {
        let id = self.new_id();
        self.keep_token(id, text, token.who, token.session);
        self.report.token(id, &token);
        for state in &mut self.states {
            state.tokens.insert(id, token.clone());
        }
        id
    }

    /// The same step-up token as it is twenty minutes later.
    pub(in crate::account_model) fn age(&mut self, id: Id) -> Option<Id> {
        let token = self.state().tokens[&id].clone();
        let proof = match token.proof {
            Proof::Key { key, trusted, .. } => Proof::Key {
                key,
                trusted,
                fresh: false,
            },
            Proof::Code { set, recovery, .. } => Proof::Code {
                set,
                recovery,
                fresh: false,
            },
            Proof::Password | Proof::SignIn { .. } => return None,
        };
        let text = &self.texts[&id];
        let mut claims = base64url::claims(text);
        for moment in ["iat", "auth_time", "code_time"] {
            if let Some(at) = claims[moment].as_u64() {
                claims[moment] = (at - 20 * 60).into();
            }
        }
        let header = jsonwebtoken::decode_header(text).unwrap();
        let text = self.place.deployment.sign_step_up(&header, &claims);
        // All states agree on what a token proves.
        let id = self.add_token(Token { proof, ..token }, text);
        // It is not the one that its session would present next.
        let wallet = self.wallets.get_mut(&(token.who, token.session))?;
        let latest = wallet.len() - 1;
        wallet.swap(latest, latest.saturating_sub(1));
        Some(id)
    }
}
