//! The table of open connections. It limits their number, and chooses which make room when it is full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::activity::{Activity, Phase};

/// The open connections of a server.
pub struct Connections {
    limit: usize,
    limit_per_address: usize,
    proxies: Vec<IpNet>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// The number of all connections, including those of proxies, which have no entry.
    total: usize,
    next: u64,
    /// The connections that may stay open, oldest first.
    staying: BTreeMap<u64, Entry>,
    /// Connections that were asked to make room and may still serve a last request.
    leaving: BTreeMap<u64, Entry>,
    /// The number of connections by [`counted_as`], both staying and leaving.
    per_address: HashMap<IpAddr, usize>,
}

struct Entry {
    counted_as: IpAddr,
    activity: Arc<Activity>,
}

/// Returns the address that a connection counts for. All addresses of an IPv6 /64 count as one, because
/// one subscriber has at least a /64 (RFC 6177).
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
    /// Makes an empty table. `proxies` are in neither count: each stands for many callers, and connections
    /// from elsewhere must not keep those callers out.
    pub(super) fn new(limit: usize, limit_per_address: usize, proxies: Vec<IpNet>) -> Self {
        Self {
            limit,
            limit_per_address,
            proxies,
            table: Mutex::default(),
        }
    }

    /// Returns the number of open connections, including those of proxies.
    pub fn total(&self) -> usize {
        self.lock().total
    }

    /// Asks a tenth of the connections, and at least one, to leave. For a process that is out of file
    /// descriptors.
    pub(super) fn make_room(&self) {
        let mut table = self.lock();
        let count = table.staying.len() / 10 + 1;
        table.make_room(count);
    }

    /// Makes room if the table is full. Returns true if there is room for a connection.
    fn ensure_room(&self, table: &mut Table) -> bool {
        if table.staying.len() < self.limit {
            return true;
        }
        // Leaving connections no longer count, so that a new one need not wait for them. This limits them.
        let max_leaving = (self.limit / 10).max(1);
        // The search visits every connection, so in a flood one search makes room for many.
        let wanted = (self.limit / 100).max(1);
        table.abort(wanted.saturating_sub(max_leaving.saturating_sub(table.leaving.len())));
        let possible = max_leaving.saturating_sub(table.leaving.len());
        table.make_room(wanted.min(possible));
        table.staying.len() < self.limit
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|net| net.contains(&address))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // No code panics while the lock is held.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Asks up to `max` connections to leave: first those that never carried a request, then idle ones.
    /// In each group, the next is the oldest connection of the address with the most connections left.
    /// Connections with a request in flight stay.
    fn make_room(&mut self, max: usize) {
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
        let mut chosen = choose(silent, &mut counts, max);
        chosen.extend(choose(idle, &mut counts, max - chosen.len()));
        for id in chosen {
            if let Some(entry) = self.staying.remove(&id) {
                entry.activity.ask_to_leave();
                self.leaving.insert(id, entry);
            }
        }
    }

    /// Closes up to `max` of the leaving connections that have no request in flight, oldest first.
    fn abort(&mut self, max: usize) {
        let closed = self
            .leaving
            .iter()
            .filter(|(_, entry)| entry.activity.phase() != Phase::Busy);
        let closed: Vec<_> = closed.map(|(id, _)| *id).take(max).collect();
        for id in closed {
            if let Some(entry) = self.leaving.remove(&id) {
                entry.activity.abort();
            }
        }
    }
}

/// Chooses up to `max` connections. Each is the oldest of the address with the highest count, which is
/// then reduced by one.
fn choose(
    mut candidates: HashMap<IpAddr, VecDeque<u64>>,
    counts: &mut HashMap<IpAddr, usize>,
    max: usize,
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
    while chosen.len() < max
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

/// A guard that counts one open connection until it is dropped.
pub(super) struct Guard {
    connections: Arc<Connections>,
    activity: Arc<Activity>,
    /// The id and counted address of the entry in the table. `None` for a proxy.
    entry: Option<(u64, IpAddr)>,
}

impl Guard {
    /// Counts a connection. Returns `None` if its address has too many, or if the table is full and no
    /// connection can make room.
    pub(super) fn take(connections: &Arc<Connections>, address: IpAddr) -> Option<Self> {
        let activity = Activity::new();
        let mut table = connections.lock();
        let entry = if connections.is_proxy(address) {
            None
        } else {
            let counted_as = counted_as(address);
            let count = table.per_address.get(&counted_as).copied().unwrap_or(0);
            if count >= connections.limit_per_address || !connections.ensure_room(&mut table) {
                return None;
            }
            table.per_address.insert(counted_as, count + 1);
            let id = table.next;
            table.next += 1;
            let entry = Entry {
                counted_as,
                activity: Arc::clone(&activity),
            };
            table.staying.insert(id, entry);
            Some((id, counted_as))
        };
        table.total += 1;
        Some(Self {
            connections: Arc::clone(connections),
            activity,
            entry,
        })
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = self.connections.lock();
        table.total -= 1;
        let Some((id, counted_as)) = self.entry else {
            return;
        };
        if table.staying.remove(&id).is_none() {
            table.leaving.remove(&id);
        }
        if let Some(count) = table.per_address.get_mut(&counted_as) {
            *count -= 1;
            if *count == 0 {
                table.per_address.remove(&counted_as);
            }
        }
    }
}

#[cfg(test)]
mod tests;
