//! The knowledge that answers give to their receivers.

use serde_json::{Value, json};

use super::super::requests::{Act, Id, Request, Session, Who, is_stolen, key_of};
use super::super::rules::Token;
use super::{Case, HeldCode, HeldPending};
use crate::support::client::{Answer, FIDO, PASSKEY};

impl Case<'_> {
    /// Adds the contents of the answer to the sender's knowledge.
    pub(super) fn learn(&mut self, request: &Request, answer: &Answer) {
        let Token { who, session, .. } = self.state().tokens[&request.token];
        match &request.act {
            Act::Begin | Act::BeginStepUp => {
                let method_type = request.path.split("method_type=").nth(1);
                let method_type = method_type.map(|it| match it {
                    FIDO => FIDO,
                    _ => PASSKEY,
                });
                self.pending.push(HeldPending {
                    id: request.id,
                    who,
                    session,
                    method_type,
                    options: answer.body["options"].clone(),
                    is_answered: false,
                });
            }
            Act::Complete { .. } => {
                self.completions.insert(who, request.clone());
                self.learn_codes(request.id, who, session, &answer.body["codes"]);
            }
            Act::Regenerate => self.learn_codes(request.id, who, session, &answer.body["codes"]),
            Act::StepUp { .. } | Act::Code(_) => {
                let text = answer.body["access_token"].as_str().unwrap().to_owned();
                let token = self.state().tokens[&request.id].clone();
                self.report.token(request.id, &token);
                self.keep_token(request.id, text, who, session);
            }
            Act::AdminDelete { of, .. } | Act::AdminReset { of } => {
                let code = &answer.body["recovery_code"];
                self.learn_codes(request.id, *of, session, &json!([code]));
            }
            Act::List => self.learn_ids(who, answer),
            Act::AdminList { .. } | Act::Delete { .. } | Act::Rename { .. } => {}
        }
    }

    fn learn_codes(&mut self, set: Id, who: Who, session: Session, codes: &Value) {
        let codes = codes.as_array().into_iter().flatten();
        let codes = codes.filter_map(Value::as_str).enumerate();
        self.codes.extend(codes.map(|(at, text)| HeldCode {
            who,
            set,
            at,
            text: text.to_owned(),
            owner_knows: !is_stolen(session),
            thief_knows: is_stolen(session),
        }));
    }

    fn learn_ids(&mut self, who: Who, answer: &Answer) {
        for one in answer.body["methods"].as_array().into_iter().flatten() {
            let (Some(key), Some(id)) = (key_of(&one["device_name"]), one["id"].as_str()) else {
                continue;
            };
            if !self.enrolled.iter().any(|(_, known, _)| *known == key) {
                self.enrolled.push((who, key, id.to_owned()));
            }
        }
    }
}
