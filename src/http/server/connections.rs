//! How many connections are open, over all and of each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

/// The open connections.
pub struct Connections {
    limit: usize,
    limit_per_address: usize,
    proxies: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
}

impl Connections {
    /// `proxies` have no limit of their own: behind each of them are many callers.
    pub(super) fn new(limit: usize, limit_per_address: usize, proxies: Vec<IpNet>) -> Self {
        Self {
            limit,
            limit_per_address,
            proxies,
            open: Mutex::default(),
        }
    }

    /// How many are open.
    pub fn total(&self) -> usize {
        self.open().total
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|net| net.contains(&address))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it is held, and numbers cannot be half-changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One counted connection, until it is dropped.
pub(super) struct Guard {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Guard {
    /// Counts a connection; none when there are too many.
    pub(super) fn take(connections: &Arc<Connections>, address: IpAddr) -> Option<Self> {
        let mut open = connections.open();
        let of_address = open.per_address.get(&address).copied().unwrap_or(0);
        let full = of_address >= connections.limit_per_address && !connections.is_proxy(address);
        if full || open.total >= connections.limit {
            return None;
        }
        open.total += 1;
        open.per_address.insert(address, of_address + 1);
        Some(Self {
            connections: Arc::clone(connections),
            address,
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.total -= 1;
        if let Some(count) = open.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.per_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_as_many_connections_as_there_are() {
        let proxy = IpAddr::from([192, 0, 2, 1]);
        let connections = Arc::new(Connections::new(3, 1, vec![proxy.into()]));
        let take = |address| Guard::take(&connections, address);
        let (one, two) = (take(proxy), take(proxy));
        assert!(one.is_some() && two.is_some());
        let other = take(IpAddr::from([192, 0, 2, 2]));
        assert!(other.is_some());
        assert!(take(proxy).is_none(), "too many over all");
        drop((one, two, other));
        assert_eq!(connections.total(), 0);
    }

    #[test]
    fn connections_are_counted_over_all_and_by_address_and_given_back() {
        let connections = Arc::new(Connections::new(3, 2, Vec::new()));
        let take = |last| Guard::take(&connections, IpAddr::from([192, 0, 2, last]));
        let (one, two) = (take(1), take(1));
        assert!(one.is_some() && two.is_some());
        assert!(take(1).is_none(), "too many of this address");
        let three = take(2);
        assert!(three.is_some());
        assert!(take(3).is_none(), "too many over all");
        drop(one);
        assert_eq!(connections.total(), 2);
        assert!(take(1).is_some());
        drop((two, three));
        assert_eq!(connections.total(), 0);
        assert!(
            connections.open().per_address.is_empty(),
            "nothing is left behind"
        );
    }
}
