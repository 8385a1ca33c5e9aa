//! The activity of one connection: its requests in flight, and whether the peer reads the answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// The activity of a connection, shared by its task, its requests and the table of connections.
pub(super) struct Activity {
    opened: Instant,
    state: Mutex<State>,
    leave: Notify,
    abort: Notify,
}

struct State {
    /// True once the whole head of a request has arrived.
    carried: bool,
    /// The time when the last request in flight ended, or when the connection was opened.
    quiet_since: Instant,
    requests: Vec<InFlight>,
    next: u64,
}

struct InFlight {
    id: u64,
    /// The time when the peer last took bytes of the answer. `None` while the handler runs.
    taken: Option<Instant>,
}

/// The phase of a connection. The later the phase, the more its peer loses if it is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// No request has arrived yet.
    Silent,
    /// There have been requests, and none is in flight.
    Idle,
    /// A request is in flight: it is being answered, or its answer is being sent.
    Busy,
}

/// The time limit that a connection has reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// No request has been in flight for too long.
    Idle,
    /// The peer has taken no bytes of an answer for too long.
    Stalled,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let opened = Instant::now();
        Arc::new(Self {
            opened,
            state: Mutex::new(State {
                carried: false,
                quiet_since: opened,
                requests: Vec::new(),
                next: 0,
            }),
            leave: Notify::new(),
            abort: Notify::new(),
        })
    }

    pub(super) fn phase(&self) -> Phase {
        let state = self.state();
        match (state.requests.is_empty(), state.carried) {
            (false, _) => Phase::Busy,
            (true, true) => Phase::Idle,
            (true, false) => Phase::Silent,
        }
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Asks the connection to finish its requests in flight and close.
    pub(super) fn ask_to_leave(&self) {
        self.leave.notify_one();
    }

    /// Waits for [`Activity::ask_to_leave`].
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Closes the connection at once. For connections without a request in flight.
    pub(super) fn abort(&self) {
        self.abort.notify_one();
    }

    /// Waits for [`Activity::abort`].
    pub(super) async fn aborted(&self) {
        self.abort.notified().await;
    }

    /// Waits until no request has been in flight for the time `idle`, or the peer has taken no bytes of an
    /// answer for the time `stalled`.
    pub(super) async fn overdue(&self, idle: Duration, stalled: Duration) -> Due {
        loop {
            let now = Instant::now();
            let next = {
                let state = self.state();
                let oldest = state.requests.iter().filter_map(|it| it.taken).min();
                if oldest.is_some_and(|taken| taken + stalled <= now) {
                    return Due::Stalled;
                }
                let quiet = state.requests.is_empty().then_some(state.quiet_since);
                if quiet.is_some_and(|since| since + idle <= now) {
                    return Due::Idle;
                }
                // Activity that begins after this check is not due before the shorter limit has passed.
                let ends = [oldest.map(|it| it + stalled), quiet.map(|it| it + idle)];
                let ends = ends.into_iter().flatten();
                ends.fold(now + idle.min(stalled), Instant::min)
            };
            sleep_until(next).await;
        }
    }

    /// Returns true if every request in flight is an answer of which the peer has taken no bytes for the
    /// time `stalled`.
    pub(super) fn only_stalled(&self, stalled: Duration) -> bool {
        self.unserved_since(stalled)
            .is_some_and(|since| since <= Instant::now())
    }

    /// Waits until no request has been served for this time, counted from now. A stalled answer counts as
    /// not served.
    pub(super) async fn unserved(&self, time: Duration, stalled: Duration) {
        let started = Instant::now();
        loop {
            let now = Instant::now();
            let since = self.unserved_since(stalled);
            let end = since.map(|since| since.max(started) + time);
            match end {
                Some(end) if end <= now => return,
                Some(end) => sleep_until(end).await,
                None => sleep(time).await,
            }
        }
    }

    /// Returns the time from which no request is served: when the last one ended, or when its answer counts
    /// as stalled. `None` while a handler runs.
    fn unserved_since(&self, stalled: Duration) -> Option<Instant> {
        let state = self.state();
        let mut requests = state.requests.iter();
        requests.try_fold(state.quiet_since, |latest, request| {
            Some(latest.max(request.taken? + stalled))
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard for a request in flight, from the arrival of its head until the last byte of its answer is
/// handed to the socket or the request is dropped.
pub(super) struct Ticket {
    activity: Arc<Activity>,
    id: u64,
}

impl Ticket {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        let mut state = activity.state();
        let id = state.next;
        state.next += 1;
        state.carried = true;
        state.requests.push(InFlight { id, taken: None });
        Self {
            activity: Arc::clone(activity),
            id,
        }
    }

    /// Notes that the peer took bytes of the answer, or that the answer is ready to be taken.
    pub(super) fn note_taken(&self) {
        let mut state = self.activity.state();
        if let Some(request) = state.requests.iter_mut().find(|it| it.id == self.id) {
            request.taken = Some(Instant::now());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests.retain(|it| it.id != self.id);
        if state.requests.is_empty() {
            state.quiet_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const IDLE: Duration = Duration::from_secs(60);
    const STALLED: Duration = Duration::from_secs(15);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn connection_without_a_request_is_due_after_the_idle_time() {
        let activity = Activity::new();
        let opened = Instant::now();
        assert_eq!(activity.phase(), Phase::Silent);
        assert_eq!(activity.overdue(IDLE, STALLED).await, Due::Idle);
        assert_eq!(opened.elapsed(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn request_restarts_the_idle_time() {
        let activity = Activity::new();
        let request = async {
            sleep(SECOND * 50).await;
            let ticket = Ticket::begin(&activity);
            assert_eq!(activity.phase(), Phase::Busy);
            sleep(SECOND * 25).await;
            drop(ticket);
            assert_eq!(activity.phase(), Phase::Idle);
            Instant::now()
        };
        let (due, ended) = tokio::join!(activity.overdue(IDLE, STALLED), request);
        assert_eq!((due, ended.elapsed()), (Due::Idle, IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn unread_answer_is_due_after_the_stall_time() {
        let activity = Activity::new();
        let _in_progress = Ticket::begin(&activity);
        let stuck = async {
            sleep(SECOND * 20).await;
            let ticket = Ticket::begin(&activity);
            sleep(SECOND * 2).await;
            ticket.note_taken();
            (ticket, Instant::now())
        };
        let (due, (_ticket, answered)) = tokio::join!(activity.overdue(IDLE, STALLED), stuck);
        assert_eq!((due, answered.elapsed()), (Due::Stalled, STALLED));
        assert!(!activity.only_stalled(STALLED), "the other is being served");
    }

    #[tokio::test(start_paused = true)]
    async fn slowly_read_answer_is_not_stalled() {
        let activity = Activity::new();
        let ticket = Ticket::begin(&activity);
        let slow = async {
            for _ in 0..100 {
                ticket.note_taken();
                sleep(STALLED - SECOND).await;
            }
        };
        tokio::select! {
            due = activity.overdue(IDLE, STALLED) => panic!("{due:?}"),
            () = slow => {}
        }
        drop(ticket);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_is_unserved_once_its_requests_ended_or_stalled() {
        let activity = Activity::new();
        let stuck = Ticket::begin(&activity);
        stuck.note_taken();
        let ticket = Ticket::begin(&activity);
        let started = Instant::now();
        let served = timeout(IDLE, activity.unserved(SECOND, STALLED)).await;
        assert!(served.is_err(), "a request is being answered");
        drop(ticket);
        assert!(activity.only_stalled(STALLED));
        activity.unserved(SECOND, STALLED).await;
        assert_eq!(started.elapsed(), IDLE + SECOND);
        drop(stuck);
        activity.unserved(SECOND, STALLED).await;
        assert_eq!(started.elapsed(), IDLE + SECOND * 2);
    }
}
