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

/// The database that looks the name up may take these for one.
#[test]
fn a_spelling_of_a_name_in_other_characters_is_the_same_account() {
    for names in [
        ["οδυσσεας", "οδυσσεασ", "ΟΔΥΣΣΕΑΣ", "Οδυσσεας", "οδυσσΕας"],
        ["straße", "STRASSE", "STRAẞE", "strasse", "Straße"],
        ["é", "e\u{301}", "É", "E\u{301}", " é"],
        ["ada", "ＡＤＡ", "ａｄａ", "ⓐⓓⓐ", "ᴬᴰᴬ"],
    ] {
        let site = Site::new();
        for name in names {
            assert_eq!(site.fail(1, name), StatusCode::UNAUTHORIZED);
        }
        for name in names {
            assert_eq!(site.fail(1, name), StatusCode::TOO_MANY_REQUESTS, "{name}");
        }
    }
}

#[test]
fn an_account_is_unlocked_for_everybody_or_for_somebody() {
    let site = Site::new();
    for host in 0..50 {
        site.fail(host, "ada");
    }
    for _ in 0..4 {
        site.fail(1, "bob");
    }
    assert_eq!(site.fail(99, "ada"), StatusCode::FORBIDDEN);
    assert!(site.limit.reset(" ADA"));
    assert_eq!(site.fail(99, "ada"), StatusCode::UNAUTHORIZED);

    // An address that is refused at the account stays so, until it is unlocked itself.
    for _ in 0..4 {
        assert_eq!(site.fail(1, "ada"), StatusCode::UNAUTHORIZED);
    }
    for account in 0..11 {
        site.fail(1, &format!("user{account}"));
    }
    assert!(site.limit.reset("ada"));
    assert_eq!(site.fail(1, "ada"), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(site.fail(1, "carol"), StatusCode::TOO_MANY_REQUESTS);
    assert!(site.limit.reset_at(site.from(1).client_group(), "Ada"));
    for _ in 0..5 {
        assert_eq!(site.fail(1, "ada"), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.fail(1, "ada"), StatusCode::TOO_MANY_REQUESTS);
    // What it failed at other accounts is counted on there.
    assert_eq!(site.fail(1, "bob"), StatusCode::UNAUTHORIZED);
    assert_eq!(site.fail(1, "bob"), StatusCode::TOO_MANY_REQUESTS);
}

/// Two processes behind a balancer: each counts for itself, and takes the proof for the other's challenge.
#[test]
fn processes_with_one_key_take_each_others_proofs() {
    let clock = ManualClock::new();
    let config = |key: Option<&str>| LoginLimitConfig {
        difficulty: 4,
        account: LoginTierConfig::new(1, QUARTER),
        proof_key: key.map(|key| sec_core::SecretString::new(key.into())),
        ..LoginLimitConfig::default()
    };
    let process = |key| {
        let site = Site::new();
        let limit = LoginLimit::with_clock(&config(key), clock.clone()).unwrap();
        Site { limit, ..site }
    };
    let key = "correct horse battery staple, yes";
    let (a, b, other) = (process(Some(key)), process(Some(key)), process(None));
    let by_hand = process(None).limit.proof_key(key).unwrap();
    let by_hand = Site {
        limit: by_hand,
        ..Site::new()
    };
    for site in [&a, &b, &other, &by_hand] {
        assert_eq!(site.fail(1, "ada"), StatusCode::UNAUTHORIZED);
    }
    let challenge = a.challenge(2, "ada");
    let proof = Proof::new(challenge.token(), challenge.solve());
    let tried = |site: &Site| site.limit.begin(&site.from(2), "ada", Some(&proof)).is_ok();
    assert!(!tried(&other));
    for site in [&b, &by_hand, &a] {
        assert!(tried(site));
        assert!(!tried(site), "once");
    }

    let short = LoginLimit::new().unwrap().proof_key([7; 31]).unwrap_err();
    assert_eq!(short.field(), "proof_key");
    let faults = sec_core::FieldFaults::of(&config(Some("short")));
    let faults = faults.to_string();
    assert_eq!(faults, "proof_key: a key of at least 32 bytes is needed");
    assert!(!format!("{:?}", config(Some(key))).contains("horse"));
}

/// What a client gets, and what it sends back, as they go over the wire.
#[test]
fn the_challenge_and_the_proof_are_json() {
    let site = Site::new();
    for host in 0..50 {
        site.fail(host, "ada");
    }
    let refusal = site.limit.begin(&site.from(200), "ada", None).unwrap_err();
    let problem: serde_json::Value =
        serde_json::from_slice(&Problem::from(refusal).to_json()).unwrap();
    assert_eq!(problem["status"], 403);
    let kind = problem["type"].as_str().unwrap();
    assert!(kind.ends_with("#challenge-required"), "{kind}");
    let challenge = &problem["challenge"];
    assert_eq!(challenge["kind"], "proof-of-work");
    let token = challenge["token"].as_str().unwrap();
    let difficulty = challenge["difficulty"].as_u64().unwrap();
    let solution = crate::solve(token, difficulty.try_into().unwrap());
    let sent = serde_json::json!({"token": token, "solution": solution});
    let proof: Proof = serde_json::from_value(sent).unwrap();
    assert!(
        site.limit
            .begin(&site.from(200), "ada", Some(&proof))
            .is_ok()
    );
}

#[test]
fn attempts_are_counted_if_the_section_says_so() {
    let config: LoginLimitConfig = serde_json::from_str(r#"{"statistics": true}"#).unwrap();
    let site = Site::new();
    assert!(site.limit.statistics().is_none());
    let site = Site {
        limit: LoginLimit::with_clock(&config, site.clock.clone()).unwrap(),
        ..site
    };
    for _ in 0..7 {
        site.fail(1, "ada");
    }
    let policies = site.limit.statistics().unwrap().policies();
    let numbers: Vec<_> = policies
        .iter()
        .map(|policy| (policy.name(), policy.allowed(), policy.refused()))
        .collect();
    let expected = [
        ("login-address", 5, 0),
        ("login-pair", 5, 2),
        ("login-account", 5, 0),
    ];
    assert_eq!(numbers, expected);
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
