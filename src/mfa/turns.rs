//! Whose codes are hashed next. Hashing is slow on purpose, so a caller who asks for much of it must
//! not keep others waiting: accounts take turns, and so do the sessions of one account. Where several may
//! hash at once, no account has all the turns, so that one is free for whoever comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, Throttled};
use cedargate_core::{SessionKey, UserId};

/// After this long a session that was refused a place may ask again: about as long as a set of codes
/// takes on a busy machine, in whole seconds as `Retry-After` has them.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The turns of all callers.
pub(super) struct Turns {
    state: Mutex<State>,
}

struct State {
    /// How many more may hash now. While some may, each account that waits has all the turns that one
    /// account may have.
    free: usize,
    /// How many turns one account may have at once.
    most_of_account: usize,
    /// How many each account has.
    held: HashMap<UserId, usize>,
    /// Accounts with somebody waiting, the next one first.
    accounts: VecDeque<Waiting>,
}

/// The sessions of one account that wait, the next one first. Never empty.
struct Waiting {
    account: UserId,
    sessions: VecDeque<(SessionKey, oneshot::Sender<Turn>)>,
}

/// One turn, until it is dropped: then the next caller has it.
pub(super) struct Turn {
    /// `None` for a turn that nobody took.
    turns: Option<Arc<Turns>>,
    account: UserId,
}

impl Turns {
    /// As many callers as `at_once` hash at the same time.
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: at_once,
                most_of_account: at_once.saturating_sub(1).max(1),
                held: HashMap::new(),
                accounts: VecDeque::new(),
            }),
        }
    }

    /// Waits for this session's turn.
    ///
    /// # Errors
    /// [`Error::TooMany`] where the session waits for a turn already.
    pub(super) async fn take(
        self: &Arc<Self>,
        account: &UserId,
        session: &SessionKey,
    ) -> Result<Turn, Error> {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 && state.may_have_one_more(account) {
                state.free -= 1;
                state.hold(account);
                return Ok(self.turn(account.clone()));
            }
            state.wait(account, session)?
        };
        // A sender is dropped only with these turns, which this future keeps alive.
        receiver
            .await
            .map_err(|_| Error::Internal("the turns to hash codes are gone".into()))
    }

    fn turn(self: &Arc<Self>, account: UserId) -> Turn {
        Turn {
            turns: Some(Arc::clone(self)),
            account,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the turn of this account back, and gives it to the next who still waits, or keeps it for
    /// whoever comes.
    fn pass_on(self: &Arc<Self>, mut from: UserId) {
        loop {
            let (account, next) = {
                let mut state = self.state();
                state.let_go(&from);
                match state.next() {
                    Some(next) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(self.turn(account)) {
                Ok(()) => return,
                // The caller has hung up, and the turn goes to the next in this loop.
                Err(mut turn) => {
                    turn.turns = None;
                    from = turn.account.clone();
                }
            }
        }
    }
}

impl State {
    fn wait(
        &mut self,
        account: &UserId,
        session: &SessionKey,
    ) -> Result<oneshot::Receiver<Turn>, Error> {
        let (sender, receiver) = oneshot::channel();
        let waiting = self.accounts.iter_mut().find(|one| one.account == *account);
        let Some(waiting) = waiting else {
            self.accounts.push_back(Waiting {
                account: account.clone(),
                sessions: VecDeque::from([(session.clone(), sender)]),
            });
            return Ok(receiver);
        };
        match waiting.sessions.iter_mut().find(|(one, _)| one == session) {
            Some((_, earlier)) if !earlier.is_closed() => {
                return Err(Error::TooMany {
                    what: Throttled::Hashing,
                    retry_after: RETRY_AFTER,
                });
            }
            // The caller of the earlier request has hung up.
            Some((_, earlier)) => *earlier = sender,
            None => waiting.sessions.push_back((session.clone(), sender)),
        }
        Ok(receiver)
    }

    /// The next session of the next account that may have a turn, which it then holds. The account goes
    /// behind the others.
    fn next(&mut self) -> Option<(UserId, oneshot::Sender<Turn>)> {
        let may = |one: &Waiting| self.may_have_one_more(&one.account);
        let at = self.accounts.iter().position(may)?;
        let mut waiting = self.accounts.remove(at)?;
        let (_, next) = waiting.sessions.pop_front()?;
        let account = waiting.account.clone();
        if !waiting.sessions.is_empty() {
            self.accounts.push_back(waiting);
        }
        self.hold(&account);
        Some((account, next))
    }

    fn may_have_one_more(&self, account: &UserId) -> bool {
        self.held
            .get(account)
            .is_none_or(|held| *held < self.most_of_account)
    }

    fn hold(&mut self, account: &UserId) {
        *self.held.entry(account.clone()).or_default() += 1;
    }

    fn let_go(&mut self, account: &UserId) {
        if let Some(held) = self.held.get_mut(account) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(account);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = &self.turns {
            turns.pass_on(self.account.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::{JoinHandle, yield_now};

    fn account(name: &str) -> UserId {
        format!("corp||{name}").parse().unwrap()
    }

    fn session(sid: &str) -> SessionKey {
        SessionKey::of_sid(sid)
    }

    type Order = Arc<Mutex<Vec<&'static str>>>;

    /// Waits for a turn and notes who had it.
    async fn queue(
        turns: &Arc<Turns>,
        order: &Order,
        (who, of, sid): (&'static str, &str, &str),
    ) -> JoinHandle<()> {
        let (turns, order) = (Arc::clone(turns), Arc::clone(order));
        let (of, sid) = (account(of), session(sid));
        let waits = tokio::spawn(async move {
            let _turn = turns.take(&of, &sid).await.unwrap();
            order.lock().unwrap().push(who);
        });
        yield_now().await;
        waits
    }

    #[tokio::test]
    async fn accounts_take_turns_and_so_do_the_sessions_of_one() {
        let turns = Arc::new(Turns::new(1));
        let first = turns.take(&account("mallory"), &session("0")).await;
        let order = Order::default();
        let mut waiting = Vec::new();
        for one in [
            ("mallory 1", "mallory", "1"),
            ("mallory 2", "mallory", "2"),
            ("mallory 3", "mallory", "3"),
            ("alice 1", "alice", "1"),
            ("alice 2", "alice", "2"),
            ("bob", "bob", "1"),
        ] {
            waiting.push(queue(&turns, &order, one).await);
        }
        drop(first);
        for one in waiting {
            one.await.unwrap();
        }
        let expected = [
            "mallory 1",
            "alice 1",
            "bob",
            "mallory 2",
            "alice 2",
            "mallory 3",
        ];
        assert_eq!(*order.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_second_request_of_a_waiting_session_is_refused() {
        let turns = Arc::new(Turns::new(1));
        let (alice, one) = (account("alice"), session("1"));
        let first = turns.take(&alice, &one).await.unwrap();
        let order = Order::default();
        let waits = queue(&turns, &order, ("second", "alice", "1")).await;
        let refused = turns.take(&alice, &one).await.err();
        assert_eq!(
            refused,
            Some(Error::TooMany {
                what: Throttled::Hashing,
                retry_after: RETRY_AFTER,
            })
        );
        // another account of the same session name is another session
        let other = queue(&turns, &order, ("bob", "bob", "1")).await;
        drop(first);
        waits.await.unwrap();
        other.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["second", "bob"]);
        assert!(turns.take(&alice, &one).await.is_ok());
    }

    #[tokio::test]
    async fn a_caller_who_hangs_up_leaves_neither_a_place_nor_a_turn_behind() {
        let turns = Arc::new(Turns::new(1));
        let (alice, one) = (account("alice"), session("1"));
        let first = turns.take(&alice, &one).await.unwrap();
        let order = Order::default();
        let gone = queue(&turns, &order, ("gone", "alice", "1")).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        // the place of the one who is gone is free, and its turn passes to the next
        let again = queue(&turns, &order, ("again", "alice", "1")).await;
        let last = queue(&turns, &order, ("gone too", "bob", "1")).await;
        last.abort();
        assert!(last.await.unwrap_err().is_cancelled());
        drop(first);
        again.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["again"]);
        drop(turns.take(&alice, &one).await.unwrap());
        assert_eq!(turns.state().free, 1);
    }

    #[tokio::test]
    async fn as_many_hash_at_once_as_there_are_turns_and_one_account_has_not_all() {
        let turns = Arc::new(Turns::new(2));
        let one = turns.take(&account("alice"), &session("1")).await.unwrap();
        let order = Order::default();
        let second = queue(&turns, &order, ("alice 2", "alice", "2")).await;
        assert_eq!(turns.state().free, 1, "left for another account");
        let other = turns.take(&account("bob"), &session("1")).await.unwrap();
        assert_eq!(turns.state().free, 0);
        drop(other);
        assert_eq!(turns.state().free, 1);
        assert!(order.lock().unwrap().is_empty());
        drop(one);
        second.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["alice 2"]);
        assert_eq!(turns.state().free, 2);
        assert!(turns.state().held.is_empty());
    }
}
