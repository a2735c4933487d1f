//! What goes back, and where.

use super::{HOUR, LIFE, Setup, admitted, all, idle, remaining};
use crate::{Key, Lease, Quota, Subject};

#[tokio::test(start_paused = true)]
async fn what_is_left_goes_back_when_the_life_ends() {
    for quota in [
        Quota::per(100, HOUR),
        Quota::per(100, HOUR).exact(),
        Quota::gcra(1, HOUR).burst(100),
    ] {
        let setup = Setup::new();
        let (one, other) = (setup.global(quota, 40), setup.global(quota, 40));
        assert_eq!(admitted(&one, 10).await, 10);
        assert_eq!(remaining(&other).await, 60);
        setup
            .advance(LIFE - std::time::Duration::from_millis(1))
            .await;
        assert_eq!(remaining(&other).await, 60);
        setup.advance(std::time::Duration::from_millis(1)).await;
        assert_eq!(remaining(&other).await, 90, "{quota:?}");
        assert_eq!(setup.store.settled(), 1);
        // Nothing of it is handed out any more, nor given back twice.
        assert_eq!(admitted(&other, 100).await, 90, "{quota:?}");
        assert_eq!(admitted(&one, 1).await, 0);
    }
}

/// The clock of the limiter ends a lease, even where the task that returns it comes late.
#[tokio::test(start_paused = true)]
async fn nothing_is_handed_out_after_the_life() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(100, HOUR), 40);
    assert_eq!(admitted(&limiter, 1).await, 1);
    setup.clock.advance(LIFE);
    let before = setup.store.decided();
    assert_eq!(admitted(&limiter, 1).await, 1);
    assert_eq!(setup.store.decided(), before + 1);
    setup.advance(LIFE).await;
    assert_eq!(remaining(&limiter).await, 98);
}

/// A window that is over gets nothing, and the next one nothing that is not its own: a refund into a
/// later window is a peer's fault (express-rate-limit, pull request 647).
#[tokio::test(start_paused = true)]
async fn a_window_that_is_over_gets_nothing_back() {
    let setup = Setup::new();
    let quota = Quota::per(100, LIFE);
    let (one, other) = (setup.global(quota, 40), setup.global(quota, 40));
    let taken = one.reserve(all(), 10).await.unwrap();
    setup.clock.advance(LIFE);
    assert_eq!(admitted(&other, 5).await, 5);
    assert_eq!(remaining(&other).await, 95);
    // Now the first lease's end comes, and a refund of what it handed out.
    tokio::time::advance(LIFE).await;
    idle().await;
    taken.refund().await.unwrap();
    assert_eq!(remaining(&one).await, 95, "a later window was given units");
}

#[tokio::test(start_paused = true)]
async fn a_refund_goes_to_the_lease_that_lives() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(100, HOUR), 40);
    let taken = limiter.reserve(all(), 30).await.unwrap();
    assert_eq!(taken.decision().remaining(), 70);
    let after = taken.commit_actual(12).await.unwrap();
    assert_eq!(after.remaining(), 88);
    assert_eq!(setup.store.settled(), 0);
    assert_eq!(admitted(&limiter, 28).await, 28);
    assert_eq!(setup.store.decided(), 1, "what came back was handed out");
}

#[tokio::test(start_paused = true)]
async fn after_its_life_a_refund_goes_to_the_window_it_was_taken_from() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(100, HOUR), 40);
    let taken = limiter.reserve(all(), 30).await.unwrap();
    setup.advance(LIFE).await;
    assert_eq!(remaining(&limiter).await, 70);
    assert_eq!(taken.refund().await.unwrap().remaining(), 100);
    assert_eq!(admitted(&limiter, 200).await, 100);
}

/// With another batch on its way, units that come back would make more than one batch: they go on.
#[tokio::test(start_paused = true)]
async fn no_more_than_a_batch_is_ever_held() {
    let setup = Setup::new();
    let limiter = setup.leased(Quota::per(100, HOUR), Lease::of(10).for_at_most(LIFE));
    let taken = limiter.reserve(all(), 8).await.unwrap();
    idle().await; // eight more were fetched ahead
    assert_eq!(setup.store.decided(), 2);
    assert_eq!(taken.refund().await.unwrap().remaining(), 100);
    assert_eq!(setup.store.settled(), 1);
    let elsewhere = setup.global(Quota::per(100, HOUR), 1);
    assert_eq!(remaining(&elsewhere).await, 90);
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_grows_is_taken_even_above_the_limit() {
    let setup = Setup::new();
    let limiter = setup.global(Quota::per(50, HOUR), 40);
    let taken = limiter.reserve(all(), 5).await.unwrap();
    // 20 more are in the lease.
    assert_eq!(taken.commit_actual(25).await.unwrap().remaining(), 25);
    assert_eq!(setup.store.settled(), 0);
    // 60 more are not; the store is told of all of them.
    let taken = limiter.reserve(all(), 5).await.unwrap();
    let after = taken.commit_actual(65).await.unwrap();
    assert_eq!(
        after.remaining(),
        10,
        "what is held here is still to be had"
    );
    setup.advance(LIFE).await;
    assert_eq!(remaining(&limiter).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cost_above_the_batch_is_given_back_where_it_came_from() {
    let setup = Setup::new();
    let limiter = setup
        .builder()
        .tier("service", Quota::per(100, HOUR), Key::global())
        .tier("user", Quota::per(40, HOUR), Key::given("user"))
        .lease("service", Lease::of(10).for_at_most(LIFE).renew_below(0))
        .build()
        .unwrap();
    let ada = [Subject::everyone(), Subject::of("ada")];
    limiter.check(&ada, 1).await.unwrap();
    let taken = limiter.reserve(&ada, 30).await.unwrap(); // 9 here, 21 from the store
    let left = |decision: &crate::Decision| -> Vec<_> {
        decision.tiers().map(|tier| tier.remaining).collect()
    };
    assert_eq!(left(taken.decision()), [69, 9]);
    assert_eq!(left(&taken.refund().await.unwrap()), [99, 39]);
    // Refused by the other tier, everything goes back as well.
    assert!(limiter.check(&ada, 40).await.is_err());
    idle().await;
    assert_eq!(left(&limiter.peek(&ada, 1).await.unwrap()), [99, 39]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_the_lease() {
    let setup = Setup::new();
    let limiter = setup.leased(Quota::per(100, HOUR), Lease::of(40).for_at_most(LIFE));
    assert_eq!(admitted(&limiter, 35).await, 35);
    // A batch is on its way when the reset comes; it was taken before, so it is nobody's.
    limiter.reset(all()).await.unwrap();
    idle().await;
    assert_eq!(remaining(&limiter).await, 100);
    assert_eq!(admitted(&limiter, 200).await, 100);
    setup.advance(LIFE).await;
    assert_eq!(remaining(&limiter).await, 0);
}

/// What comes back to the store or to a batch ends the refusal that was remembered with the lease.
#[tokio::test(start_paused = true)]
async fn a_refund_ends_the_refusal_of_a_lease() {
    for (units, cost) in [(4, 4), (2, 4), (4, 1)] {
        let setup = Setup::new();
        let limiter = setup.global(Quota::per(4, HOUR), units);
        let taken = limiter.reserve(all(), cost).await.unwrap();
        assert_eq!(admitted(&limiter, 9).await, 4 - cost);
        taken.refund().await.unwrap();
        assert_eq!(remaining(&limiter).await, cost);
        assert_eq!(admitted(&limiter, 9).await, cost, "{units} {cost}");
    }
}
