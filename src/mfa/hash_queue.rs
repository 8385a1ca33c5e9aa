//! A fair queue for hashing codes.
//!
//! Hashing is slow on purpose, so a caller that asks for much of it must not delay others. The queue has
//! a fixed number of slots. Free slots go to the waiting accounts in turn, and within an account to its
//! sessions in turn. If there are several slots, an account cannot hold all of them, so that one is left
//! for another account.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, Throttled};
use cedargate_core::{SessionKey, UserId};

/// The time after which a refused session may ask again. Hashing a set of codes takes about as long on a
/// busy machine. It is a whole number of seconds, as `Retry-After` needs.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) struct HashQueue {
    state: Mutex<State>,
}

struct State {
    /// The number of free slots. While it is not 0, only accounts that hold `max_per_account` wait.
    free: usize,
    /// The maximum number of slots that one account can hold.
    max_per_account: usize,
    /// The number of slots that each account holds. Accounts that hold none are left out.
    held: HashMap<UserId, usize>,
    /// The accounts with waiting sessions, the next one first.
    waiting: VecDeque<WaitingAccount>,
}

/// The waiting sessions of one account, the next one first. There is at least one.
struct WaitingAccount {
    account: UserId,
    sessions: VecDeque<(SessionKey, oneshot::Sender<Slot>)>,
}

/// The right to hash. When it is dropped, the slot passes to the next session.
pub(super) struct Slot {
    /// `None` for a slot that its session did not take, because its client had hung up.
    queue: Option<Arc<HashQueue>>,
    account: UserId,
}

impl HashQueue {
    /// Makes a queue with this many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: slots,
                max_per_account: slots.saturating_sub(1).max(1),
                held: HashMap::new(),
                waiting: VecDeque::new(),
            }),
        }
    }

    /// Waits for a slot for this session.
    ///
    /// # Errors
    /// [`Error::TooMany`] if another request of the session is waiting.
    pub(super) async fn take(
        self: &Arc<Self>,
        account: &UserId,
        session: &SessionKey,
    ) -> Result<Slot, Error> {
        let receiver = {
            let mut state = self.state();
            if state.free > 0 && state.can_hold_another(account) {
                state.free -= 1;
                state.hold(account);
                return Ok(self.slot(account.clone()));
            }
            state.wait(account, session)?
        };
        // Senders are dropped only together with the queue, which this future keeps alive.
        receiver
            .await
            .map_err(|_| Error::Internal("the queue for hashing codes was dropped".into()))
    }

    fn slot(self: &Arc<Self>, account: UserId) -> Slot {
        Slot {
            queue: Some(Arc::clone(self)),
            account,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the slot of this account back. Gives it to the next session that still waits, or frees it.
    fn pass_on(self: &Arc<Self>, mut from: UserId) {
        loop {
            let (account, next) = {
                let mut state = self.state();
                state.release(&from);
                match state.next() {
                    Some(next) => next,
                    None => {
                        state.free += 1;
                        return;
                    }
                }
            };
            match next.send(self.slot(account)) {
                Ok(()) => return,
                // The client has hung up. The loop passes the slot on, so dropping it must not.
                Err(mut slot) => {
                    slot.queue = None;
                    from = slot.account.clone();
                }
            }
        }
    }
}

impl State {
    /// Adds a session to those that wait.
    fn wait(
        &mut self,
        account: &UserId,
        session: &SessionKey,
    ) -> Result<oneshot::Receiver<Slot>, Error> {
        let (sender, receiver) = oneshot::channel();
        let waiting = self.waiting.iter_mut().find(|it| it.account == *account);
        let Some(waiting) = waiting else {
            self.waiting.push_back(WaitingAccount {
                account: account.clone(),
                sessions: VecDeque::from([(session.clone(), sender)]),
            });
            return Ok(receiver);
        };
        match waiting.sessions.iter_mut().find(|(key, _)| key == session) {
            Some((_, earlier)) if !earlier.is_closed() => {
                return Err(Error::TooMany {
                    what: Throttled::Hashing,
                    retry_after: RETRY_AFTER,
                });
            }
            // The client of the earlier request has hung up.
            Some((_, earlier)) => *earlier = sender,
            None => waiting.sessions.push_back((session.clone(), sender)),
        }
        Ok(receiver)
    }

    /// Gives a slot to the next session of the next account that can hold another. The account moves to
    /// the end of the queue.
    fn next(&mut self) -> Option<(UserId, oneshot::Sender<Slot>)> {
        let can_hold_another = |it: &WaitingAccount| self.can_hold_another(&it.account);
        let at = self.waiting.iter().position(can_hold_another)?;
        let mut waiting = self.waiting.remove(at)?;
        let (_, next) = waiting.sessions.pop_front()?;
        let account = waiting.account.clone();
        if !waiting.sessions.is_empty() {
            self.waiting.push_back(waiting);
        }
        self.hold(&account);
        Some((account, next))
    }

    fn can_hold_another(&self, account: &UserId) -> bool {
        self.held
            .get(account)
            .is_none_or(|held| *held < self.max_per_account)
    }

    fn hold(&mut self, account: &UserId) {
        *self.held.entry(account.clone()).or_default() += 1;
    }

    fn release(&mut self, account: &UserId) {
        if let Some(held) = self.held.get_mut(account) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(account);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.pass_on(self.account.clone());
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

    /// Starts a request that waits for a slot and then notes its name in `order`.
    async fn wait_in(
        queue: &Arc<HashQueue>,
        order: &Order,
        (name, owner, sid): (&'static str, &str, &str),
    ) -> JoinHandle<()> {
        let (queue, order) = (Arc::clone(queue), Arc::clone(order));
        let (owner, sid) = (account(owner), session(sid));
        let request = tokio::spawn(async move {
            let _slot = queue.take(&owner, &sid).await.unwrap();
            order.lock().unwrap().push(name);
        });
        yield_now().await;
        request
    }

    #[tokio::test]
    async fn accounts_take_turns_and_so_do_the_sessions_of_an_account() {
        let queue = Arc::new(HashQueue::new(1));
        let first = queue.take(&account("mallory"), &session("0")).await;
        let order = Order::default();
        let mut waiting = Vec::new();
        for request in [
            ("mallory 1", "mallory", "1"),
            ("mallory 2", "mallory", "2"),
            ("mallory 3", "mallory", "3"),
            ("alice 1", "alice", "1"),
            ("alice 2", "alice", "2"),
            ("bob", "bob", "1"),
        ] {
            waiting.push(wait_in(&queue, &order, request).await);
        }
        drop(first);
        for request in waiting {
            request.await.unwrap();
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
    async fn second_request_of_a_waiting_session_is_refused() {
        let queue = Arc::new(HashQueue::new(1));
        let (alice, one) = (account("alice"), session("1"));
        let first = queue.take(&alice, &one).await.unwrap();
        let order = Order::default();
        let waits = wait_in(&queue, &order, ("second", "alice", "1")).await;
        let refused = queue.take(&alice, &one).await.err();
        assert_eq!(
            refused,
            Some(Error::TooMany {
                what: Throttled::Hashing,
                retry_after: RETRY_AFTER,
            })
        );
        // A session of another account is another session, even if its id is the same.
        let other = wait_in(&queue, &order, ("bob", "bob", "1")).await;
        drop(first);
        waits.await.unwrap();
        other.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["second", "bob"]);
        assert!(queue.take(&alice, &one).await.is_ok());
    }

    #[tokio::test]
    async fn client_that_hangs_up_gives_back_its_place_and_its_slot() {
        let queue = Arc::new(HashQueue::new(1));
        let (alice, one) = (account("alice"), session("1"));
        let first = queue.take(&alice, &one).await.unwrap();
        let order = Order::default();
        let gone = wait_in(&queue, &order, ("gone", "alice", "1")).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        // The place of the first client is free. The slot of the second passes to the next.
        let again = wait_in(&queue, &order, ("again", "alice", "1")).await;
        let last = wait_in(&queue, &order, ("gone too", "bob", "1")).await;
        last.abort();
        assert!(last.await.unwrap_err().is_cancelled());
        drop(first);
        again.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["again"]);
        drop(queue.take(&alice, &one).await.unwrap());
        assert_eq!(queue.state().free, 1);
    }

    #[tokio::test]
    async fn account_cannot_hold_all_slots() {
        let queue = Arc::new(HashQueue::new(2));
        let one = queue.take(&account("alice"), &session("1")).await.unwrap();
        let order = Order::default();
        let second = wait_in(&queue, &order, ("alice 2", "alice", "2")).await;
        assert_eq!(queue.state().free, 1, "left for another account");
        let other = queue.take(&account("bob"), &session("1")).await.unwrap();
        assert_eq!(queue.state().free, 0);
        drop(other);
        assert_eq!(queue.state().free, 1);
        assert!(order.lock().unwrap().is_empty());
        drop(one);
        second.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["alice 2"]);
        assert_eq!(queue.state().free, 2);
        assert!(queue.state().held.is_empty());
    }
}
