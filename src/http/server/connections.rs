//! The table of open connections: how many there may be, and which make room when it is full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::activity::{Activity, Phase};

/// The open connections.
pub struct Connections {
    limit: usize,
    limit_per_address: usize,
    proxies: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// All connections, also those that are not in the table.
    total: usize,
    next: u64,
    /// The table, oldest first.
    staying: BTreeMap<u64, Entry>,
    /// Connections that were asked to make room and may still serve a last request.
    leaving: BTreeMap<u64, Entry>,
    /// Connections of each [`counted_as`], staying and leaving.
    per_address: HashMap<IpAddr, usize>,
}

struct Entry {
    counted_as: IpAddr,
    activity: Arc<Activity>,
}

/// The address that a connection counts for: an IPv6 subscriber has a /64 to choose addresses from
/// (RFC 6177), so that all of a /64 count as one.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

impl Connections {
    /// The limits are over all and for each address. `proxies` are in neither count: many callers are
    /// behind each of them, and the connections of others must not keep theirs out.
    pub(super) fn new(limit: usize, limit_per_address: usize, proxies: Vec<IpNet>) -> Self {
        Self {
            limit,
            limit_per_address,
            proxies,
            open: Mutex::default(),
        }
    }

    /// How many are open, those of proxies too.
    pub fn total(&self) -> usize {
        self.open().total
    }

    /// Asks a tenth of the connections to make room, at least one. For a process that is out of file
    /// descriptors.
    pub(super) fn make_room(&self) {
        let mut open = self.open();
        let many = open.staying.len() / 10 + 1;
        open.make_room(many);
    }

    /// Makes room where the table is full. Returns whether there is room for one.
    fn has_room(&self, open: &mut Open) -> bool {
        if open.staying.len() < self.limit {
            return true;
        }
        // Those that leave no longer count, so that nobody waits for them. They are limited too.
        let spare = (self.limit / 10).max(1);
        // The search looks at every connection: in a flood it is made once for many.
        let many = (self.limit / 100).max(1);
        open.abort(many.saturating_sub(spare.saturating_sub(open.leaving.len())));
        let many = many.min(spare.saturating_sub(open.leaving.len()));
        open.make_room(many);
        open.staying.len() < self.limit
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|net| net.contains(&address))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it is held, and numbers cannot be half-changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Asks up to this many connections to leave: those that never carried a request first, then idle
    /// ones; of each the oldest of the address that then has the most. None with a request in flight
    /// is asked.
    fn make_room(&mut self, many: usize) {
        let mut silent: HashMap<IpAddr, VecDeque<u64>> = HashMap::new();
        let mut idle: HashMap<IpAddr, VecDeque<u64>> = HashMap::new();
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (id, entry) in &self.staying {
            *counts.entry(entry.counted_as).or_default() += 1;
            let candidates = match entry.activity.phase() {
                Phase::Silent => &mut silent,
                Phase::Idle => &mut idle,
                Phase::Busy => continue,
            };
            candidates
                .entry(entry.counted_as)
                .or_default()
                .push_back(*id);
        }
        let mut chosen = choose(silent, &mut counts, many);
        chosen.extend(choose(idle, &mut counts, many - chosen.len()));
        for id in chosen {
            if let Some(entry) = self.staying.remove(&id) {
                entry.activity.ask_to_leave();
                self.leaving.insert(id, entry);
            }
        }
    }

    /// Closes up to this many of the connections that are leaving and have no request in flight, the
    /// oldest first.
    fn abort(&mut self, many: usize) {
        let closed = self
            .leaving
            .iter()
            .filter(|(_, entry)| entry.activity.phase() != Phase::Busy);
        let closed: Vec<_> = closed.map(|(id, _)| *id).take(many).collect();
        for id in closed {
            if let Some(entry) = self.leaving.remove(&id) {
                entry.activity.abort();
            }
        }
    }
}

/// Chooses up to this many connections, each the oldest of the address with the highest count at that
/// time.
fn choose(
    mut candidates: HashMap<IpAddr, VecDeque<u64>>,
    counts: &mut HashMap<IpAddr, usize>,
    many: usize,
) -> Vec<u64> {
    let rank = |address: IpAddr, ids: &VecDeque<u64>, counts: &HashMap<IpAddr, usize>| {
        let count = counts.get(&address).copied().unwrap_or(0);
        Some((count, Reverse(*ids.front()?), address))
    };
    let mut ranked: BinaryHeap<_> = candidates
        .iter()
        .filter_map(|(address, ids)| rank(*address, ids, counts))
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < many
        && let Some((_, Reverse(id), address)) = ranked.pop()
    {
        chosen.push(id);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
        }
        if let Some(ids) = candidates.get_mut(&address) {
            ids.pop_front();
            ranked.extend(rank(address, ids, counts));
        }
    }
    chosen
}

/// One open connection, until it is dropped.
pub(super) struct Guard {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
    /// Its place in the table. `None` for a proxy.
    place: Option<(u64, IpAddr)>,
}

impl Guard {
    /// Counts a connection. Returns `None` if there are too many of its address, or over all without
    /// one that can make room.
    pub(super) fn take(connections: &Arc<Connections>, address: IpAddr) -> Option<Self> {
        let activity = Activity::new();
        let mut open = connections.open();
        let place = if connections.is_proxy(address) {
            None
        } else {
            let counted_as = counted_as(address);
            let count = open.per_address.get(&counted_as).copied().unwrap_or(0);
            if count >= connections.limit_per_address || !connections.has_room(&mut open) {
                return None;
            }
            open.per_address.insert(counted_as, count + 1);
            let id = open.next;
            open.next += 1;
            let entry = Entry {
                counted_as,
                activity: Arc::clone(&activity),
            };
            open.staying.insert(id, entry);
            Some((id, counted_as))
        };
        open.total += 1;
        Some(Self {
            connections: Arc::clone(connections),
            activity,
            place,
        })
    }

    /// What the connection is doing.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.total -= 1;
        let Some((id, counted_as)) = self.place else {
            return;
        };
        if open.staying.remove(&id).is_none() {
            open.leaving.remove(&id);
        }
        if let Some(count) = open.per_address.get_mut(&counted_as) {
            *count -= 1;
            if *count == 0 {
                open.per_address.remove(&counted_as);
            }
        }
    }
}

#[cfg(test)]
mod tests;
