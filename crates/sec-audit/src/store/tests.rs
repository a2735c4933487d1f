use std::time::{Duration, UNIX_EPOCH};

use sec_core::{Delivery, EventKind, Severity};

use super::*;
use crate::entry::EntryBuilder;
use crate::mask::Masker;

fn entry(severity: Severity, at: u64) -> AuditEntry {
    padded(severity, at, 0)
}

fn padded(severity: Severity, at: u64, bytes: usize) -> AuditEntry {
    EntryBuilder::new(EventKind::ERROR)
        .severity(severity)
        .metadata("pad", "x".repeat(bytes))
        .seal(
            &Masker::new(),
            UNIX_EPOCH + Duration::from_secs(at),
            1024 * 1024,
        )
}

fn store(capacity: usize) -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(capacity, 64 * 1024 * 1024).unwrap())
}

async fn all(store: &Arc<MemoryStore>) -> Vec<Arc<AuditEntry>> {
    Arc::clone(store)
        .scan(Arc::default(), None, usize::MAX)
        .await
        .unwrap()
}

#[tokio::test]
async fn entries_are_numbered_and_come_newest_first() {
    let store = store(16);
    for (at, severity) in [Severity::High, Severity::Low, Severity::Critical]
        .into_iter()
        .enumerate()
    {
        let receipt = store.append(entry(severity, at as u64));
        assert_eq!(receipt.wait(Duration::ZERO).await, Delivery::Enqueued);
    }
    let numbers: Vec<u64> = all(&store).await.iter().map(|entry| entry.seq()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(store.newest(), 3);
}

/// Statement 8; tracing #1941 dropped invisibly.
#[tokio::test]
async fn what_is_given_up_is_counted_in_one_entry() {
    let store = store(16);
    for at in 0..100 {
        let _ = store.append(entry(Severity::Low, at));
    }
    let stats = store.stats();
    assert_eq!(
        (stats.entries, stats.recorded, stats.evicted.low),
        (16, 100, 84)
    );
    let held = all(&store).await;
    let gaps: Vec<_> = held
        .iter()
        .filter(|entry| entry.action().as_str() == "audit_gap")
        .collect();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].count(), 84);
    let metadata = gaps[0].metadata();
    assert_eq!(metadata["from"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(metadata["to"], "1970-01-01T00:01:23.000000Z");
    assert_eq!(
        (&metadata["low"], &metadata["high"]),
        (&84.into(), &0.into())
    );
    assert_eq!(held.len(), 17);
    // It has its place among the others, and keeps id and number.
    assert_eq!(gaps[0].seq(), 18);
    assert_eq!(
        all(&store).await.iter().find(|entry| entry.seq() == 18),
        Some(gaps[0])
    );
}

/// Teleport #4177: a flood drowned what mattered.
#[tokio::test]
async fn a_flood_of_one_severity_leaves_the_others() {
    for (flood, victim) in [
        (Severity::Low, Severity::Critical),
        (Severity::Low, Severity::High),
        (Severity::Medium, Severity::Low),
        (Severity::High, Severity::Low),
        (Severity::Critical, Severity::Medium),
    ] {
        let store = store(50);
        for at in 0..10 {
            let _ = store.append(entry(victim, at));
        }
        for at in 0..1000 {
            let _ = store.append(entry(flood, at));
        }
        let held = store.stats().held;
        assert_eq!(of(held, victim), 10, "{flood} against {victim}");
        assert_eq!(of(held, flood), 40, "{flood} against {victim}");
    }
}

/// Refused requests are of medium or high severity, and cost an attacker nothing: they must not push out one failed log-in.
#[tokio::test]
async fn a_flood_of_requests_leaves_every_event() {
    let store = store(50);
    for (at, severity) in [Severity::Low, Severity::Medium, Severity::High]
        .into_iter()
        .cycle()
        .take(30)
        .enumerate()
    {
        let _ = store.append(entry(severity, at as u64));
    }
    for (at, severity) in [Severity::Low, Severity::Medium, Severity::High]
        .into_iter()
        .cycle()
        .take(10_000)
        .enumerate()
    {
        let request = EntryBuilder::new(EventKind::REQUEST).severity(severity);
        let at = UNIX_EPOCH + Duration::from_secs(at as u64);
        let _ = store.append(request.seal(&Masker::new(), at, 1024));
    }
    let stats = store.stats();
    assert_eq!(
        (
            stats.held.low,
            stats.held.medium,
            stats.held.high,
            stats.held.requests
        ),
        (10, 10, 10, 20)
    );
    assert_eq!(
        (stats.evicted.requests, stats.evicted.total()),
        (9_980, 9_980)
    );
}

fn of(held: BySeverity, severity: Severity) -> u64 {
    match severity {
        Severity::Low => held.low,
        Severity::Medium => held.medium,
        Severity::High => held.high,
        _ => held.critical,
    }
}

#[tokio::test]
async fn unused_room_is_lent_and_the_lowest_gives_it_back_first() {
    let store = store(40);
    for at in 0..40 {
        let _ = store.append(entry(
            if at % 2 == 0 {
                Severity::Low
            } else {
                Severity::High
            },
            at,
        ));
    }
    assert_eq!(store.stats().evicted.total(), 0);
    for at in 0..15 {
        let _ = store.append(entry(Severity::Critical, at));
    }
    let stats = store.stats();
    assert_eq!(
        (stats.held.low, stats.held.high, stats.held.critical),
        // A fifth of 40 is each one's own.
        (8, 17, 15)
    );
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let limit = 256 * 1024;
    let store = Arc::new(MemoryStore::new(10_000, limit).unwrap());
    for at in 0..200 {
        let _ = store.append(padded(Severity::Low, at, 10_000));
        assert!(store.stats().bytes <= limit as u64);
    }
    let stats = store.stats();
    assert!(stats.entries >= 20 && stats.entries < 30, "{stats:?}");
    assert_eq!(stats.evicted.low + stats.entries, 200);
    assert_eq!(all(&store).await.first().unwrap().seq(), store.newest());
}

#[tokio::test]
async fn bytes_are_bounded_over_all_severities_together() {
    let limit = 256 * 1024;
    let store = Arc::new(MemoryStore::new(10_000, limit).unwrap());
    for at in 0..200 {
        let severities = [
            Severity::Low,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
        ];
        let _ = store.append(padded(severities[at % 4], 0, 10_000));
        assert!(store.stats().bytes <= limit as u64);
    }
    let held = store.stats().held;
    // A fifth of the bytes holds four; the highest has what the request log does not use.
    for (count, fair) in [
        (held.low, 4..=5),
        (held.medium, 4..=5),
        (held.high, 4..=5),
        (held.critical, 9..=12),
    ] {
        assert!(fair.contains(&count), "{held:?}");
    }
}

#[tokio::test]
async fn a_search_over_many_chunks_finds_each_entry_once() {
    let store = store(10_000);
    for at in 0..2_000 {
        let _ = store.append(entry(
            if at % 3 == 0 {
                Severity::High
            } else {
                Severity::Low
            },
            at,
        ));
    }
    let filter = Arc::new(AuditFilter::new().with_min_severity(Severity::High));
    let found = Arc::clone(&store)
        .scan(filter, None, usize::MAX)
        .await
        .unwrap();
    assert_eq!(found.len(), 667);
    assert!(found.windows(2).all(|pair| pair[0].seq() > pair[1].seq()));
    let numbers: Vec<u64> = all(&store).await.iter().map(|entry| entry.seq()).collect();
    assert_eq!(numbers, (1..=2_000).rev().collect::<Vec<_>>());
}

/// Statement 19: the number orders, whatever the wall clock does.
#[tokio::test]
async fn a_clock_that_steps_back_breaks_nothing() {
    let store = store(16);
    for at in [1000, 2000, 5, 6] {
        let _ = store.append(entry(Severity::Low, at));
    }
    let order: Vec<u64> = all(&store).await.iter().map(|entry| entry.seq()).collect();
    assert_eq!(order, [4, 3, 2, 1]);
    let since = AuditFilter::new().since(UNIX_EPOCH + Duration::from_secs(500));
    let found = Arc::clone(&store)
        .scan(Arc::new(since), None, 10)
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
}

#[test]
fn writers_from_many_threads_get_numbers_of_their_own() {
    let store = store(10_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for at in 0..500 {
                    let _ = store.append(entry(Severity::Low, at));
                }
            });
        }
    });
    let stats = store.stats();
    assert_eq!(
        (stats.recorded, stats.entries, store.newest()),
        (2_000, 2_000, 2_000)
    );
}
