//! Whose codes are hashed next. Hashing is slow on purpose, so a caller who asks for much of it must
//! not keep others waiting: accounts take turns, and so do the sessions of one account.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, Throttled};
use crate::model::{SessionKey, UserId};

/// After this long a session that was refused a place may ask again: about as long as a set of codes
/// takes on a busy machine, in whole seconds as `Retry-After` has them.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The turns of all callers.
pub(super) struct Turns {
    state: Mutex<State>,
}

struct State {
    /// How many more may hash now.
    free: usize,
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
}

impl Turns {
    /// As many callers as `at_once` hash at the same time.
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: at_once,
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
            if state.free > 0 {
                state.free -= 1;
                return Ok(self.turn());
            }
            state.wait(account, session)?
        };
        // A sender is dropped only with these turns, which this future keeps alive.
        receiver
            .await
            .map_err(|_| Error::Internal("the turns to hash codes are gone".to_owned()))
    }

    fn turn(self: &Arc<Self>) -> Turn {
        Turn {
            turns: Some(Arc::clone(self)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn to the next who still waits, or keeps it for whoever comes.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state();
                match state.next() {
                    Some(next) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(self.turn()) {
                Ok(()) => return,
                // The caller has hung up, and the turn goes to the next in this loop.
                Err(mut turn) => turn.turns = None,
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

    /// The next session of the next account. The account goes behind the others.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let mut account = self.accounts.pop_front()?;
        let (_, next) = account.sessions.pop_front()?;
        if !account.sessions.is_empty() {
            self.accounts.push_back(account);
        }
        Some(next)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = &self.turns {
            turns.pass_on();
        }
    }
}
