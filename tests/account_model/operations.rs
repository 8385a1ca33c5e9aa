//! The random input of a case: the initial accounts and the operations in their order.

use proptest::prelude::*;
use proptest::sample::Index;

use super::requests::{NAMES, PASSWORD, PAT, ROOT, STEPPED_UP, STOLEN, Session, Who};

/// One case.
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// The authenticators of each account at the beginning.
    pub(super) starts: [Start; NAMES.len()],
    /// The account that most operations are about, so that they build on each other.
    pub(super) focus: Who,
    /// True if the promoted user is an administrator from the beginning.
    pub(super) is_promoted: bool,
    pub(super) steps: Vec<Step>,
    /// The way back that the owner of each account takes at the end.
    pub(super) returns: [Index; NAMES.len()],
}

/// The authenticators of a user at the beginning of a case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Nothing,
    /// An authenticator that was enrolled with the password.
    Weak,
    /// An authenticator that was enrolled under a strong sign-in.
    Strong,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    One(Operation),
    /// Two operations, whose last requests are sent at once.
    Race(Operation, Operation),
    /// One operation, whose last request is sent twice at once.
    Twice(Operation),
}

/// An operation of an actor, in one request or more.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// `None` for the account that the case is about.
    pub(super) who: Option<Who>,
    pub(super) session: Session,
    pub(super) token: TokenPick,
    pub(super) kind: Kind,
}

/// The token of a session that is presented.
#[derive(Clone, Debug)]
pub(super) enum TokenPick {
    Latest,
    Any(Index),
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Begin,
    /// Completes any pending enrolment of the actor.
    Complete(Index),
    Enrol,
    /// Uses a code that works, enrols with it, and steps up with what was enrolled.
    Replace(Index),
    /// Sends the body of the last enrolment again.
    Retry,
    BeginStepUp,
    /// Answers any pending step-up of the actor, with any authenticator of theirs.
    CompleteStepUp(Index, Index),
    /// Steps up with an enrolled authenticator of the actor. `None` for the oldest.
    StepUp(Option<Index>),
    /// Signs in strongly. The sign-in of a thief is old.
    SignIn,
    /// Ages a step-up token by twenty minutes.
    Age(Index),
    GoodCode(Index),
    AnyCode(Index),
    WrongCodes(u32),
    MalformedCode,
    /// The thief learns a backup code of the owner's.
    StealCode(Index),
    Regenerate,
    Delete(Index),
    Rename(Index),
    List,
    /// An admin's request about this account. `None` for the one that the case is about.
    AdminList(Option<Who>),
    AdminDelete(Option<Who>, Index),
    AdminReset(Option<Who>),
    Promote,
    /// Begins this many ceremonies: 9 is one more than a session may have pending, and 61 is one more than
    /// it may begin in a minute.
    Flood(u32),
    /// Begins more enrolments than an account may have pending, in sessions that the thief opens.
    Crowd,
}

impl Kind {
    /// Returns true if the operation gives its session another token. A session with a password only never
    /// gets one.
    pub(super) fn gives_token(&self) -> bool {
        matches!(
            self,
            Kind::StepUp(_)
                | Kind::BeginStepUp
                | Kind::CompleteStepUp(..)
                | Kind::SignIn
                | Kind::GoodCode(_)
                | Kind::AnyCode(_)
                | Kind::Replace(_)
        )
    }
}

/// Draws cases of up to `most` steps.
pub(super) fn stories(most: usize) -> impl Strategy<Value = Story> {
    let start = |nothing, weak, strong| {
        prop_oneof![
            nothing => Just(Start::Nothing),
            weak => Just(Start::Weak),
            strong => Just(Start::Strong),
        ]
    };
    let starts = (
        start(1, 1, 1),
        start(1, 1, 1),
        start(1, 0, 6),
        start(1, 6, 0),
    );
    let steps = proptest::collection::vec(step(), 1..=most);
    let focus = prop_oneof![2 => 0..2_usize, 1 => Just(ROOT), 2 => Just(PAT)];
    let is_promoted = prop_oneof![1 => Just(false), 3 => Just(true)];
    let returns = proptest::array::uniform4(any::<Index>());
    (starts, focus, is_promoted, steps, returns).prop_map(
        |(starts, focus, is_promoted, steps, returns)| Story {
            starts: starts.into(),
            focus,
            is_promoted,
            steps,
            returns,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => operation().prop_map(Step::One),
        4 => (operation(), operation()).prop_map(|(first, second)| Step::Race(first, second)),
        2 => operation().prop_map(Step::Twice),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (user(), session(), token(), own()).prop_map(|(who, session, token, kind)| Operation {
            who, session, token, kind
        }),
        1 => (admin(), admin_session(), token(), administering())
            .prop_map(|(who, session, token, kind)| Operation { who, session, token, kind }),
    ]
}

fn user() -> impl Strategy<Value = Option<Who>> {
    prop_oneof![
        5 => Just(None),
        4 => (0..NAMES.len()).prop_map(Some),
    ]
}

/// Draws an actor, mostly one who is allowed to do it.
fn admin() -> impl Strategy<Value = Option<Who>> {
    prop_oneof![
        2 => Just(None),
        3 => Just(Some(ROOT)),
        3 => Just(Some(PAT)),
    ]
}

fn session() -> impl Strategy<Value = Session> {
    prop_oneof![
        2 => Just(PASSWORD),
        5 => Just(STEPPED_UP),
        3 => Just(STOLEN),
    ]
}

fn admin_session() -> impl Strategy<Value = Session> {
    prop_oneof![
        1 => Just(PASSWORD),
        6 => Just(STEPPED_UP),
        2 => Just(STOLEN),
    ]
}

fn token() -> impl Strategy<Value = TokenPick> {
    prop_oneof![
        4 => Just(TokenPick::Latest),
        1 => any::<Index>().prop_map(TokenPick::Any),
    ]
}

fn own() -> impl Strategy<Value = Kind> {
    prop_oneof![
        120 => usual(),
        6 => Just(Kind::Flood(9)),
        1 => Just(Kind::Flood(61)),
        1 => Just(Kind::Crowd),
    ]
}

fn usual() -> impl Strategy<Value = Kind> {
    let pick = any::<Index>;
    prop_oneof![
        4 => Just(Kind::Begin),
        4 => pick().prop_map(Kind::Complete),
        6 => Just(Kind::Enrol),
        4 => pick().prop_map(Kind::Replace),
        2 => Just(Kind::Retry),
        2 => Just(Kind::BeginStepUp),
        2 => (pick(), pick()).prop_map(|(one, key)| Kind::CompleteStepUp(one, key)),
        8 => pick().prop_map(|pick| Kind::StepUp(Some(pick))),
        3 => Just(Kind::SignIn),
        2 => pick().prop_map(Kind::Age),
        4 => pick().prop_map(Kind::GoodCode),
        1 => pick().prop_map(Kind::AnyCode),
        2 => (1..12_u32).prop_map(Kind::WrongCodes),
        1 => Just(Kind::MalformedCode),
        1 => pick().prop_map(Kind::StealCode),
        3 => Just(Kind::Regenerate),
        4 => pick().prop_map(Kind::Delete),
        1 => pick().prop_map(Kind::Rename),
        3 => Just(Kind::List),
        1 => Just(Kind::Promote),
    ]
}

fn administering() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => user().prop_map(Kind::AdminList),
        2 => (user(), any::<Index>()).prop_map(|(of, pick)| Kind::AdminDelete(of, pick)),
        2 => user().prop_map(Kind::AdminReset),
        2 => any::<Index>().prop_map(|pick| Kind::StepUp(Some(pick))),
        1 => Just(Kind::SignIn),
    ]
}
