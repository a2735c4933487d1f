//! The log-in: three tiers by hand, of which the last demands instead of locking out.

use std::sync::Arc;
use std::time::Duration;

use sec_core::ManualClock;

use crate::{Key, Limiter, OnExceed, Quota, Subject, Tier};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn log_ins() -> (Limiter, Arc<ManualClock>) {
    let clock = ManualClock::new();
    let builder = Limiter::builder().capacity(64).clock(clock.clone());
    let given = || Key::given("test");
    let quarter = 15 * MINUTE;
    let account = Tier::new("account", Quota::per(6, 60 * MINUTE), given());
    let limiter = builder
        .tier("address", Quota::per(20, quarter), given())
        .tier("address-account", Quota::auth(), given())
        .with_tier(account.on_exceed(OnExceed::Demand))
        .build()
        .unwrap();
    (limiter, clock)
}

fn log_in<'a>(address: u64, account: &'a str) -> [Subject<'a>; 3] {
    [
        Subject::of(address),
        Subject::of(address).and(account),
        Subject::of(account),
    ]
}

/// OWASP Authentication Cheat Sheet: a lock-out must not let a stranger lock the owner out.
#[test]
fn an_exhausted_demand_asks_for_more_instead_of_locking_the_owner_out() {
    let (limiter, clock) = log_ins();
    // One attacker: stopped at the fifth guess.
    for _ in 0..5 {
        limiter.check(log_in(1, "alice"), 1).unwrap();
    }
    let error = limiter.check(log_in(1, "alice"), 1).unwrap_err();
    assert_eq!(
        error.refused().unwrap().decision().tier(),
        "address-account"
    );

    // Many addresses: the account demands more of everyone, and still counts.
    let sixth = limiter.check(log_in(2, "alice"), 1).unwrap();
    assert_eq!(sixth.demands().count(), 0);
    for address in 3..30 {
        let decision = limiter.check(log_in(address, "alice"), 1).unwrap();
        assert!(decision.demands().eq(["account"]));
        assert!(decision.is_allowed() && decision.demands_tier("account"));
        let own: Vec<_> = decision.tiers().map(|tier| tier.remaining).collect();
        assert_eq!(own, [19, 4, 0], "what is admitted counts everywhere");
    }
    // The owner gets in with what is demanded; the refund does not forget the attack.
    let owner = limiter.reserve(log_in(100, "alice"), 1).unwrap();
    assert!(owner.decision().demands_tier("account"));
    let after = owner.refund();
    assert_eq!(after.tiers().next().unwrap().remaining, 20);
    assert_eq!(after.tiers().last().unwrap().remaining, 0);
    // Other accounts never notice, and it ends with its window.
    assert!(
        limiter
            .check(log_in(100, "bob"), 1)
            .unwrap()
            .demands()
            .eq([""; 0])
    );
    clock.advance(60 * MINUTE);
    let later = limiter.check(log_in(1, "alice"), 1).unwrap();
    assert_eq!(later.demands().count(), 0);
}

/// Spraying one password over many accounts meets the address tier.
#[test]
fn spraying_meets_the_address_tier_and_success_costs_nothing() {
    let (limiter, _) = log_ins();
    let accounts: Vec<String> = (0..30).map(|n| format!("user{n}")).collect();
    let admitted = accounts
        .iter()
        .filter(|account| limiter.check(log_in(1, account), 1).is_ok());
    assert_eq!(admitted.count(), 20);
    for _ in 0..100 {
        let _ = limiter.reserve(log_in(2, "carol"), 1).unwrap().refund();
    }
}

/// However long the flood, one window after its end nothing is demanded any more.
#[test]
fn a_demand_ends_one_window_after_the_flood() {
    for quota in [
        Quota::per(10, MINUTE),
        Quota::per(10, MINUTE).exact(),
        Quota::gcra(10, MINUTE),
    ] {
        let clock = ManualClock::new();
        let tier = Tier::new("account", quota, Key::given("account"));
        let limiter = Limiter::builder()
            .clock(clock.clone())
            .with_tier(tier.on_exceed(OnExceed::Demand))
            .build()
            .unwrap();
        let guess = || limiter.check([Subject::of("alice")], 1).unwrap();
        assert!((0..10).all(|_| guess().demands().count() == 0));
        assert!((0..5_000).all(|_| guess().demands_tier("account")));
        clock.advance(MINUTE);
        assert_eq!(guess().demands().count(), 0, "{quota:?}");
    }
}
