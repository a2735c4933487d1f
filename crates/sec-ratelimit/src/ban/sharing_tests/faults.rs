//! A store that is away, that is late, and that loses what it had.

use super::*;

/// Somebody may lift at this moment what the store has: written again, it would return.
#[tokio::test(start_paused = true)]
async fn the_first_read_writes_nothing_again_that_the_store_has() {
    let world = World::new();
    let here = world.process();
    // Before the task has read anything.
    provoke(&here, at("192.0.2.1")).unwrap();
    exchange().await;
    assert_eq!(here.sharing().unwrap().written, 1);
    // What the store lost is written again, once.
    world.lose_everything();
    exchange().await;
    assert_eq!(here.sharing().unwrap().written, 2);
}

#[tokio::test(start_paused = true)]
async fn what_begins_and_is_lifted_in_an_outage_is_exchanged_after_it() {
    let world = World::new();
    let (here, there) = (world.process(), world.process());
    let [before, during, lifted] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(at);
    provoke(&here, before).unwrap();
    provoke(&here, lifted).unwrap();
    exchange().await;
    world.store.away.store(true, Ordering::Relaxed);
    provoke(&here, during).unwrap();
    there.unblock(&Subject::of(lifted)).unwrap();
    tokio::time::sleep(MINUTE).await;
    // Each goes on with what it has.
    assert!(rest(&here, &Subject::of(during)).is_some());
    assert!(rest(&there, &Subject::of(before)).is_some());
    assert_eq!(rest(&there, &Subject::of(lifted)), None);
    let state = here.sharing().unwrap();
    assert!(
        state.running && state.failed > 3 && state.pending == 1,
        "{state:?}"
    );
    assert_eq!(there.sharing().unwrap().pending, 1);
    // Lifted and then blocked again, both unwritten: it ends up blocked.
    there.block(&Subject::of(lifted), 3 * HOUR).unwrap();
    world.store.away.store(false, Ordering::Relaxed);
    tokio::time::sleep(13 * SECOND).await;
    assert!(rest(&there, &Subject::of(during)).is_some());
    assert_eq!(rest(&here, &Subject::of(lifted)), Some(3 * HOUR));
    assert_eq!(here.blocks(), there.blocks());
    assert_eq!(here.sharing().unwrap().pending, 0);
    let states = world.states();
    for state in ["failing", "recovered"] {
        let told = states.iter().filter(|told| *told == state).count();
        assert_eq!(told, 2, "once by each: {states:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_on_its_way_undoes_nothing_that_is_done_meanwhile() {
    let world = World::new();
    let here = world.process();
    let [lifted, longer] = ["192.0.2.1", "192.0.2.2"].map(at);
    for address in [lifted, longer] {
        here.block(&Subject::of(address), MINUTE).unwrap();
    }
    exchange().await;
    // Another process blocks both for an hour.
    let memory = world.store.memory.load_full();
    let told = memory.changes("web", 0, 10, Instant::now()).await.unwrap();
    for change in told.entries {
        if let BlockChange::Put(block) = change {
            let rest = 3_600_000_000;
            let hour = SharedBlock { rest, ..block };
            memory.put("web", &hour, Instant::now()).await.unwrap();
        }
    }
    world.store.late.store(true, Ordering::Relaxed);
    world.store.answered.notified().await;
    here.unblock(&Subject::of(lifted)).unwrap();
    here.block(&Subject::of(longer), 2 * HOUR).unwrap();
    world.store.late.store(false, Ordering::Relaxed);
    tokio::time::sleep(LATE + Duration::from_millis(1)).await;
    assert_eq!(rest(&here, &Subject::of(lifted)), None);
    exchange().await;
    let there = world.process();
    exchange().await;
    for bans in [&here, &there] {
        assert_eq!(rest(bans, &Subject::of(lifted)), None);
        assert_eq!(rest(bans, &Subject::of(longer)), Some(2 * HOUR));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_is_given_the_blocks_again_and_lifts_nobody() {
    let world = World::new();
    let (here, there) = (world.process(), world.process());
    provoke(&here, at("192.0.2.1")).unwrap();
    provoke(&there, at("192.0.2.2")).unwrap();
    exchange().await;
    // What a process wrote comes back to it, by the time of the trip later, and stays its own.
    let memory = world.store.memory.load_full();
    let told = memory.changes("web", 0, 10, Instant::now()).await.unwrap();
    for change in told.entries {
        if let BlockChange::Put(block) = change {
            let rest = block.rest + 5;
            let later = SharedBlock { rest, ..block };
            memory.put("web", &later, Instant::now()).await.unwrap();
        }
    }
    exchange().await;
    world.lose_everything();
    // Somebody writes to the new list before anybody noticed.
    provoke(&there, at("192.0.2.3")).unwrap();
    exchange().await;
    let newcomer = world.process();
    exchange().await;
    for bans in [&here, &there, &newcomer] {
        for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            assert!(rest(bans, &Subject::of(at(client))).is_some(), "{client}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_and_lost_before_anything_was_read_is_written_again() {
    let world = World::new();
    let here = world.process();
    exchange().await;
    provoke(&here, at("192.0.2.1")).unwrap();
    tokio::time::sleep(SECOND / 1000).await;
    assert_eq!(here.sharing().unwrap().written, 1);
    world.lose_everything();
    exchange().await;
    let newcomer = world.process();
    exchange().await;
    assert!(rest(&newcomer, &Subject::of(at("192.0.2.1"))).is_some());
}
