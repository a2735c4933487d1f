use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sec_core::{CollectingSink, ManualClock, Problem, RequestContext};

use super::*;
use crate::Challenge;

const QUARTER: Duration = Duration::from_secs(15 * 60);

struct Site {
    limit: LoginLimit,
    clock: Arc<ManualClock>,
    sink: Arc<CollectingSink>,
}

impl Site {
    fn new() -> Self {
        let clock = ManualClock::new();
        let config = LoginLimitConfig {
            difficulty: 4,
            ..LoginLimitConfig::default()
        };
        Self {
            limit: LoginLimit::with_clock(&config, clock.clone()).unwrap(),
            clock,
            sink: CollectingSink::new(),
        }
    }

    fn from(&self, host: u8) -> RequestContext {
        RequestContext::builder()
            .client([198, 51, 100, host])
            .sink(self.sink.clone())
            .clock(self.clock.clone())
            .build()
    }

    /// A wrong password, or the status that kept it from being looked at.
    fn fail(&self, host: u8, account: &str) -> StatusCode {
        match self.limit.begin(&self.from(host), account, None) {
            Ok(_counted) => StatusCode::UNAUTHORIZED,
            Err(refusal) => Problem::from(refusal).status(),
        }
    }

    fn challenge(&self, host: u8, account: &str) -> Challenge {
        match self.limit.begin(&self.from(host), account, None) {
            Err(LoginRefusal::Challenge(challenge)) => challenge,
            other => panic!("no challenge: {other:?}"),
        }
    }
}

#[test]
fn the_sixth_guess_at_one_account_is_refused_and_the_owner_elsewhere_is_not() {
    let site = Site::new();
    for _ in 0..5 {
        assert_eq!(site.fail(1, "ada"), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.fail(1, "ada"), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(site.sink.kinds(), [EventKind::LOGIN_LOCKED]);
    assert_eq!(site.fail(2, "ada"), StatusCode::UNAUTHORIZED);
    assert_eq!(site.fail(1, "bob"), StatusCode::UNAUTHORIZED);
    site.clock.advance(QUARTER);
    assert_eq!(site.fail(1, "ada"), StatusCode::UNAUTHORIZED);
}

#[test]
fn another_spelling_of_a_name_is_the_same_account() {
    let site = Site::new();
    for name in ["ada", "Ada", " ada", "ADA ", "aDa"] {
        assert_eq!(site.fail(1, name), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.fail(1, "ada"), StatusCode::TOO_MANY_REQUESTS);
}

#[test]
fn spraying_many_accounts_from_one_address_is_refused() {
    let site = Site::new();
    for account in 0..20 {
        assert_eq!(
            site.fail(1, &format!("user{account}")),
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(site.fail(1, "user20"), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(site.fail(2, "user20"), StatusCode::UNAUTHORIZED);
}

#[test]
fn success_returns_what_it_took() {
    let site = Site::new();
    for _ in 0..1000 {
        site.limit
            .begin(&site.from(1), "ada", None)
            .unwrap()
            .succeeded();
    }
    // A refused attempt takes nothing in any tier either.
    for _ in 0..5 {
        site.fail(1, "ada");
    }
    for _ in 0..100 {
        assert_eq!(site.fail(1, "ada"), StatusCode::TOO_MANY_REQUESTS);
    }
    for account in 0..15 {
        assert_eq!(
            site.fail(1, &format!("user{account}")),
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(site.fail(1, "one more"), StatusCode::TOO_MANY_REQUESTS);
}

#[test]
fn stuffing_one_account_from_everywhere_demands_work_and_never_locks_the_owner_out() {
    let site = Site::new();
    for host in 0..50 {
        assert_eq!(site.fail(host, "ada"), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.fail(99, "ada"), StatusCode::FORBIDDEN);
    let challenge = site.challenge(200, "ada");
    let proof = Proof {
        token: challenge.token().to_owned(),
        solution: challenge.solve(),
    };
    // For another account, and from another address, the work is worth nothing.
    assert!(
        site.limit
            .begin(&site.from(201), "ada", Some(&proof))
            .is_err()
    );
    site.limit
        .begin(&site.from(200), "ada", Some(&proof))
        .unwrap()
        .succeeded();
    // And it is worth one attempt.
    assert!(
        site.limit
            .begin(&site.from(200), "ada", Some(&proof))
            .is_err()
    );
    assert_eq!(site.fail(200, "bob"), StatusCode::UNAUTHORIZED);
    site.clock.advance(Duration::from_secs(3600));
    assert_eq!(site.fail(1, "ada"), StatusCode::UNAUTHORIZED);
}

#[test]
fn asking_for_a_challenge_costs_no_attempt() {
    let site = Site::new();
    for host in 0..50 {
        site.fail(host, "ada");
    }
    for _ in 0..100 {
        assert_eq!(site.fail(200, "ada"), StatusCode::FORBIDDEN);
    }
    let challenge = site.challenge(200, "ada");
    let proof = Proof {
        token: challenge.token().to_owned(),
        solution: challenge.solve(),
    };
    assert!(
        site.limit
            .begin(&site.from(200), "ada", Some(&proof))
            .is_ok()
    );
}

#[test]
fn fifty_threads_at_once_get_five_guesses() {
    let site = Site::new();
    let tried = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                if site.fail(1, "ada") == StatusCode::UNAUTHORIZED {
                    tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(tried.into_inner(), 5);
}

#[test]
fn a_wrong_number_is_named() {
    let good = LoginLimitConfig::default;
    let none = LoginTierConfig::new(0, QUARTER);
    for (config, path) in [
        (
            LoginLimitConfig {
                difficulty: 99,
                ..good()
            },
            "difficulty",
        ),
        (
            LoginLimitConfig {
                proof_lifetime: Duration::ZERO,
                ..good()
            },
            "proof_lifetime",
        ),
        (
            LoginLimitConfig {
                address: none,
                ..good()
            },
            "address.limit",
        ),
        (
            LoginLimitConfig {
                pair: LoginTierConfig::new(1_000_000, QUARTER),
                ..good()
            },
            "pair.limit",
        ),
        (
            LoginLimitConfig {
                account: LoginTierConfig::new(5, Duration::ZERO),
                ..good()
            },
            "account.per",
        ),
        (
            LoginLimitConfig {
                capacity: 0,
                ..good()
            },
            "capacity",
        ),
    ] {
        let faults = sec_core::FieldFaults::of(&config);
        assert_eq!(faults.iter().next().unwrap().path(), path);
    }
}
