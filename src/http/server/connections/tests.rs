use super::*;
use crate::http::server::activity::Ticket;

fn table(limit: usize, limit_per_address: usize) -> Arc<Connections> {
    Arc::new(Connections::new(limit, limit_per_address, Vec::new()))
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn take(table: &Arc<Connections>, last: u8) -> Option<Guard> {
    Guard::take(table, address(last))
}

/// Takes a connection that has carried a request.
fn take_idle(table: &Arc<Connections>, last: u8) -> Guard {
    let guard = take(table, last).unwrap();
    drop(Ticket::begin(guard.activity()));
    guard
}

fn stays(guard: &Guard) -> bool {
    let (id, _) = guard.entry.unwrap();
    guard.connections.lock().staying.contains_key(&id)
}

#[tokio::test]
async fn connections_are_limited_in_total_and_by_address_until_they_close() {
    let table = table(3, 2);
    let (one, two) = (take(&table, 1), take(&table, 1));
    assert!(one.is_some() && two.is_some());
    assert!(take(&table, 1).is_none(), "too many of this address");
    let three = take(&table, 2);
    assert!(three.is_some());
    drop(one);
    assert_eq!(table.total(), 2);
    assert!(take(&table, 1).is_some());
    drop((two, three));
    assert_eq!(table.total(), 0);
    let table = table.lock();
    assert!(table.per_address.is_empty());
    assert!(table.staying.is_empty() && table.leaving.is_empty());
}

#[tokio::test]
async fn ipv6_address_is_counted_as_its_64() {
    let table = table(10, 2);
    let take = |text: &str| Guard::take(&table, text.parse().unwrap());
    let (one, two) = (take("2001:db8::1"), take("2001:db8::ffff:0:0:2"));
    assert!(one.is_some() && two.is_some());
    assert!(take("2001:db8:0:0:8000::").is_none(), "the same /64");
    let other = take("2001:db8:0:1::1");
    assert!(other.is_some(), "the next /64");
    drop(one);
    assert!(take("2001:db8::3").is_some());
}

#[test]
fn ipv4_mapped_addresses_are_counted_one_by_one() {
    for (address, counted) in [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.2", "192.0.2.2"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::1", "::"),
    ] {
        let counted: IpAddr = counted.parse().unwrap();
        assert_eq!(counted_as(address.parse().unwrap()), counted, "{address}");
    }
}

#[tokio::test]
async fn trusted_proxy_is_in_neither_count() {
    let proxy = address(1);
    let table = Arc::new(Connections::new(2, 1, vec![proxy.into()]));
    let of_proxy: Vec<_> = (0..5).map(|_| take(&table, 1).unwrap()).collect();
    let busy = take(&table, 2).unwrap();
    let _request = Ticket::begin(busy.activity());
    let other = take(&table, 3).unwrap();
    let _other_request = Ticket::begin(other.activity());
    assert!(take(&table, 4).is_none(), "the table is full");
    assert!(take(&table, 1).is_some(), "but not for the proxy");
    assert_eq!(table.total(), 7);
    drop((of_proxy, busy, other));
    assert_eq!(table.total(), 0);
}

#[tokio::test]
async fn full_table_closes_silent_connections_before_idle_ones() {
    let table = table(4, 3);
    // The address with the most connections has only idle ones.
    let idle: Vec<_> = (0..3).map(|_| take_idle(&table, 1)).collect();
    let silent = take(&table, 2).unwrap();
    let new = take_idle(&table, 3);
    assert!(!stays(&silent));
    assert!(idle.iter().all(stays) && stays(&new));
    silent.activity().asked_to_leave().await;
}

#[tokio::test]
async fn full_table_closes_the_oldest_of_the_address_with_the_most() {
    let table = table(6, 3);
    let of_two = [take_idle(&table, 1), take_idle(&table, 1)];
    let of_three: Vec<_> = (0..3).map(|_| take_idle(&table, 2)).collect();
    let of_one = take_idle(&table, 3);
    let new = take_idle(&table, 4);
    assert!(!stays(&of_three[0]));
    assert!(of_three[1..].iter().all(stays));
    assert!(of_two.iter().all(stays) && stays(&of_one) && stays(&new));
}

#[tokio::test]
async fn connection_with_a_request_in_flight_never_makes_room() {
    let table = table(2, 2);
    let busy = [take(&table, 1).unwrap(), take(&table, 1).unwrap()];
    let requests = busy.each_ref().map(|it| Ticket::begin(it.activity()));
    assert!(take(&table, 2).is_none());
    table.make_room();
    assert!(busy.iter().all(stays));
    drop(requests);
    assert!(take(&table, 2).is_some());
    assert!(!stays(&busy[0]) && stays(&busy[1]));
}

#[tokio::test]
async fn leaving_connections_are_aborted_when_there_are_too_many() {
    let table = table(2, 8);
    let mut leaving = vec![take(&table, 1).unwrap(), take(&table, 1).unwrap()];
    leaving.push(take(&table, 1).unwrap());
    assert_eq!(table.lock().leaving.len(), 1);
    leaving.push(take(&table, 1).unwrap());
    assert_eq!(table.lock().leaving.len(), 1, "the first has been aborted");
    leaving[0].activity().aborted().await;
    // A leaving connection with a last request in flight is not aborted, so no other can leave.
    let _request = Ticket::begin(leaving[1].activity());
    assert!(take(&table, 2).is_none());
    assert_eq!(table.total(), 4);
}

#[tokio::test]
async fn leaving_connections_count_for_their_address() {
    let table = table(2, 3);
    let all: Vec<_> = (0..3).map(|_| take(&table, 1).unwrap()).collect();
    assert!(!stays(&all[0]));
    assert!(
        take(&table, 1).is_none(),
        "the leaving one is not closed yet"
    );
    drop(all);
    assert!(table.lock().per_address.is_empty());
}

#[tokio::test]
async fn large_table_makes_room_for_many_connections_at_a_time() {
    let table = table(500, 250);
    let _all: Vec<_> = (0..500)
        .map(|n| take(&table, u8::from(n < 250)).unwrap())
        .collect();
    let new = take(&table, 2).unwrap();
    assert!(stays(&new));
    let table = table.lock();
    assert_eq!((table.staying.len(), table.leaving.len()), (496, 5));
    let of = |last| {
        let counted = table.leaving.values();
        counted.filter(|it| it.counted_as == address(last)).count()
    };
    assert!(of(0).abs_diff(of(1)) == 1, "room is made evenly");
}
