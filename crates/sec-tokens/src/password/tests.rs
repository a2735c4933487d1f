use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use sec_core::Problem;

use super::*;

fn text(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn weak() -> Passwords {
    Passwords::new(Argon2Params::weak_for_tests())
}

#[tokio::test]
async fn the_default_costs_what_it_says_and_verifies() {
    let passwords = Passwords::default();
    let hash = passwords.hash(text("correct horse")).await.unwrap();
    assert!(
        hash.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4$"),
        "{}",
        hash.as_str()
    );
    assert_eq!((hash.salt().len(), hash.output().len()), (16, 32));
    let right = passwords
        .verify(text("correct horse"), Some(&hash))
        .await
        .unwrap();
    assert_eq!((right.ok, right.needs_rehash), (true, false));
    assert!(
        !passwords
            .verify(text("correct hors"), Some(&hash))
            .await
            .unwrap()
            .ok
    );
}

#[tokio::test]
async fn the_reference_vector_comes_out() {
    // phc-winner-argon2, test.c: argon2id, v=19, t=2, m=2^16, p=1, "password", "somesalt". Its salt
    // has 8 bytes, so that as a stored hash it would be refused.
    let params = Argon2Params::new(65_536, 2, 1).unwrap();
    let salt = b"somesalt"[..].into();
    let output = Passwords::new(params)
        .compute(text("password"), params, salt, 32)
        .await
        .unwrap();
    let hex: String = output.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
    );
}

#[tokio::test]
async fn memory_that_is_used_again_changes_nothing() {
    let passwords = weak().concurrency(1, 8).unwrap();
    let hash = passwords.hash(text("one")).await.unwrap();
    let _ = passwords.hash(text("two")).await.unwrap();
    assert!(passwords.verify(text("one"), Some(&hash)).await.unwrap().ok);
    assert_ne!(
        passwords.hash(text("one")).await.unwrap(),
        hash,
        "each hash has its own salt"
    );
}

#[tokio::test]
async fn hashes_of_another_cost_verify_and_ask_for_a_rehash() {
    let dearer = Passwords::new(Argon2Params::new(7_168, 5, 1).unwrap());
    let old = weak().hash(text("secret")).await.unwrap();
    let verified = dearer.verify(text("secret"), Some(&old)).await.unwrap();
    assert_eq!((verified.ok, verified.needs_rehash), (true, true));
    let wrong = dearer.verify(text("guess"), Some(&old)).await.unwrap();
    assert_eq!((wrong.ok, wrong.needs_rehash), (false, false));
    // More memory than this pool keeps between hashes.
    let new = dearer.hash(text("secret")).await.unwrap();
    assert!(weak().verify(text("secret"), Some(&new)).await.unwrap().ok);
}

#[tokio::test]
async fn the_pepper_is_part_of_the_hash() {
    let pepper = |byte| Secret::new(vec![byte; 16]);
    let peppered = weak().pepper(pepper(1)).unwrap();
    let hash = peppered.hash(text("secret")).await.unwrap();
    assert!(
        peppered
            .verify(text("secret"), Some(&hash))
            .await
            .unwrap()
            .ok
    );
    for other in [weak(), weak().pepper(pepper(2)).unwrap()] {
        assert!(!other.verify(text("secret"), Some(&hash)).await.unwrap().ok);
    }
    let short = weak().pepper(Secret::new(vec![1; 15])).unwrap_err();
    assert_eq!(short.kind(), PasswordConfigErrorKind::PepperTooShort);
    assert!(!format!("{peppered:?}").contains("[1, 1"));
}

#[tokio::test]
async fn an_unknown_user_costs_one_hash_in_the_same_pool_and_never_passes() {
    let passwords = weak().concurrency(1, 0).unwrap();
    for guess in ["", "secret", &"\0".repeat(32)] {
        assert!(!passwords.verify(text(guess), None).await.unwrap().ok);
    }
    // It waits in the same queue: with the only permit taken and no room to wait, it is refused
    // exactly as a known user is.
    let _permit = passwords.inner.pool.hold().await;
    let hash = PasswordHash::new(passwords.params(), &[0; 16], &[0; 32]);
    for stored in [None, Some(&hash)] {
        let busy = passwords.verify(text("secret"), stored).await.unwrap_err();
        assert_eq!(busy.kind(), PasswordErrorKind::Busy);
    }
}

#[tokio::test]
async fn long_passwords_are_never_hashed() {
    let passwords = weak().concurrency(1, 0).unwrap();
    let hash = passwords.hash(text(&"a".repeat(1024))).await.unwrap();
    assert!(
        passwords
            .verify(text(&"a".repeat(1024)), Some(&hash))
            .await
            .unwrap()
            .ok
    );
    // No permit is free: only what is answered without hashing is answered.
    let _permit = passwords.inner.pool.hold().await;
    let long = "a".repeat(1025);
    let refused = passwords.hash(text(&long)).await.unwrap_err();
    assert_eq!(refused.kind(), PasswordErrorKind::TooLong);
    for stored in [None, Some(&hash)] {
        assert!(!passwords.verify(text(&long), stored).await.unwrap().ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_does_not_free_the_room_of_its_hash() {
    let pool = Arc::new(HashPool::new(1, 0, 8));
    let (started, is_started) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let running = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move {
            let work = move |_: &mut [Block]| {
                started.send(()).unwrap();
                released.recv().unwrap();
                Ok(())
            };
            pool.run(8, work).await
        }
    });
    tokio::task::spawn_blocking(move || is_started.recv().unwrap())
        .await
        .unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // The request is gone; its hash is not.
    assert_eq!(
        pool.run(8, |_| Ok(())).await.unwrap_err(),
        PasswordErrorKind::Busy
    );
    release.send(()).unwrap();
    let permit = tokio::time::timeout(Duration::from_secs(30), pool.hold()).await;
    assert!(permit.is_ok(), "the permit comes back when the work ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_never_runs_more_than_the_pool_and_refuses_what_cannot_wait() {
    let pool = Arc::new(HashPool::new(2, 3, 8));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let held = [pool.hold().await, pool.hold().await];
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (pool, now, most) = (Arc::clone(&pool), Arc::clone(&now), Arc::clone(&most));
        tasks.push(tokio::spawn(async move {
            pool.run(8, move |_| {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
            .await
        }));
    }
    // Nothing can run yet, so that all but those who wait are refused at once.
    let mut refused = 0;
    while refused < 17 {
        refused = tasks.iter().filter(|task| task.is_finished()).count();
        tokio::task::yield_now().await;
    }
    drop(held);
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    let busy = results
        .iter()
        .filter(|result| **result == Err(PasswordErrorKind::Busy))
        .count();
    assert_eq!(busy, 17);
    assert!(most.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_waiter_that_goes_away_gives_its_place_back() {
    let pool = HashPool::new(1, 1, 8);
    let held = pool.hold().await;
    for _ in 0..5 {
        let waiting = pool.run(8, |_| Ok(()));
        // Polled once, it takes the only place in the queue; dropped, it leaves.
        let once = tokio::time::timeout(Duration::ZERO, waiting).await;
        assert!(once.is_err(), "still waiting");
    }
    drop(held);
    assert_eq!(pool.run(8, |_| Ok(())).await, Ok(()));
}

#[tokio::test]
async fn work_that_panics_is_an_error_and_costs_no_permit() {
    let pool = HashPool::new(1, 0, 8);
    let died = pool.run::<(), _>(8, |_| panic!("on purpose")).await;
    assert_eq!(died, Err(PasswordErrorKind::Failed));
    assert_eq!(pool.run(8, |_| Ok(())).await, Ok(()));
}

#[test]
fn outside_of_a_runtime_hashing_is_an_error() {
    let passwords = weak();
    let mut future = std::pin::pin!(passwords.hash(text("secret")));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(result) = future.as_mut().poll(&mut context) else {
        panic!("nothing to wait for");
    };
    assert_eq!(result.unwrap_err().kind(), PasswordErrorKind::Failed);
}

#[test]
fn hostile_or_foreign_hashes_are_refused_unhashed() {
    let salt = "c29tZXNhbHRzb21lc2FsdA"; // 16 bytes
    let out = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"; // 32 bytes
    let phc = |cost: &str| format!("$argon2id$v=19${cost}${salt}${out}");
    assert!(PasswordHash::parse(&phc("m=65536,t=3,p=4")).is_ok());
    let rows = [
        // Measured elsewhere: 7.4 seconds and 12.5 seconds for one log-in.
        (phc("m=2097152,t=3,p=4"), PasswordHashError::Cost),
        (phc("m=64,t=3000000,p=1"), PasswordHashError::Cost),
        (phc("m=262145,t=1,p=1"), PasswordHashError::Cost),
        (phc("m=65536,t=11,p=1"), PasswordHashError::Cost),
        (phc("m=65536,t=3,p=17"), PasswordHashError::Cost),
        (phc("m=31,t=3,p=4"), PasswordHashError::Cost),
        (phc("m=4294967296,t=3,p=4"), PasswordHashError::Cost),
        (phc("m=65536,t=0,p=4"), PasswordHashError::Malformed),
        (phc("m=065536,t=3,p=4"), PasswordHashError::Malformed),
        (phc("m=+65536,t=3,p=4"), PasswordHashError::Malformed),
        (phc("t=3,m=65536,p=4"), PasswordHashError::Malformed),
        (
            phc("m=65536,t=3,p=4,data=c29tZQ"),
            PasswordHashError::Malformed,
        ),
        (phc("m=65536,m=65536,t=3,p=4"), PasswordHashError::Malformed),
        (phc("m=65536,t=3"), PasswordHashError::Malformed),
        (phc("").replace("v=19$", ""), PasswordHashError::Algorithm),
        (
            phc("m=65536,t=3,p=4").replace("v=19", "v=16"),
            PasswordHashError::Algorithm,
        ),
        (
            phc("m=65536,t=3,p=4").replace("argon2id", "argon2i"),
            PasswordHashError::Algorithm,
        ),
        (
            phc("m=65536,t=3,p=4").replace("argon2id", "argon2d"),
            PasswordHashError::Algorithm,
        ),
        (
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".into(),
            PasswordHashError::Algorithm,
        ),
        // An output of ten bytes verified elsewhere; the salt of the reference vector is too short.
        (
            phc("m=65536,t=3,p=4").replace(out, "CTFhFdXPJO1aFQ"),
            PasswordHashError::Length,
        ),
        (
            phc("m=65536,t=3,p=4").replace(salt, "c29tZXNhbHQ"),
            PasswordHashError::Length,
        ),
        (
            phc("m=65536,t=3,p=4").replace(out, ""),
            PasswordHashError::Length,
        ),
        (
            phc("m=65536,t=3,p=4").replace(out, &"A".repeat(400)),
            PasswordHashError::Length,
        ),
        (
            phc("m=65536,t=3,p=4").replace(out, "!!"),
            PasswordHashError::Malformed,
        ),
        (
            format!("{}=", phc("m=65536,t=3,p=4")),
            PasswordHashError::Malformed,
        ),
        (
            format!("{}$x", phc("m=65536,t=3,p=4")),
            PasswordHashError::Malformed,
        ),
        (
            format!("x{}", phc("m=65536,t=3,p=4")),
            PasswordHashError::Malformed,
        ),
        (phc(&"m".repeat(600)), PasswordHashError::Malformed),
        (String::new(), PasswordHashError::Malformed),
    ];
    for (row, expected) in rows {
        assert_eq!(PasswordHash::parse(&row).unwrap_err(), expected, "{row}");
    }
}

#[test]
fn costs_are_bounded_on_both_sides() {
    for (memory, passes) in [
        (47_104, 1),
        (19_456, 2),
        (12_288, 3),
        (9_216, 4),
        (7_168, 5),
    ] {
        assert!(Argon2Params::new(memory, passes, 1).is_ok());
        let weak = Argon2Params::new(memory - 1, passes, 1).unwrap_err();
        assert_eq!(weak.kind(), PasswordConfigErrorKind::TooWeak);
    }
    for (memory, passes, lanes) in [
        (262_145, 3, 4),
        (65_536, 11, 4),
        (65_536, 3, 17),
        (65_536, 3, 0),
    ] {
        let refused = Argon2Params::new(memory, passes, lanes).unwrap_err();
        assert_eq!(refused.kind(), PasswordConfigErrorKind::CostOutOfRange);
    }
    assert!(weak().concurrency(0, 1).is_err() && weak().concurrency(1025, 1).is_err());
}

#[test]
fn load_is_answered_503_with_a_time_to_come_back() {
    let problem = Problem::from(PasswordError::from(PasswordErrorKind::Busy));
    let response = problem.respond(&http::HeaderMap::new());
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "2");
}

#[test]
fn hashes_do_not_show() {
    let hash = PasswordHash::new(Argon2Params::default(), &[7; 16], &[9; 32]);
    let shown = format!("{hash:?}");
    assert!(!shown.contains("CQkJ") && !shown.contains('9'), "{shown}");
    assert_eq!(PasswordHash::parse(hash.as_str()).unwrap(), hash);
}

#[test]
fn the_policy_asks_for_length_and_refuses_what_is_tried_first() {
    let policy = PasswordPolicy::default();
    let codes = |password: &str, names: &[&str]| -> Vec<_> {
        let faults = policy.check(password, names).err();
        faults
            .iter()
            .flat_map(PasswordFaults::iter)
            .map(PasswordFault::code)
            .collect()
    };
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("seven77", &[], &["too_short"]),
        ("eight888", &[], &[]),
        // Eight code points of three bytes each, and a hundred of four.
        ("密码密码密码密码", &[], &[]),
        (&"\u{1f511}".repeat(100), &[], &[]),
        (&"\u{1f511}".repeat(101), &[], &["too_long"]),
        ("PassWord123", &[], &["common"]),
        ("qwertyuiop", &[], &["common"]),
        ("123456", &[], &["too_short", "common"]),
        ("Alice-in-wonderland", &["alice"], &["contains_name"]),
        ("BERND-1234567", &["x", "Bernd"], &["contains_name"]),
        ("normal-al-lowed", &["al"], &[]),
        ("abcdefghij", &["abcdefghij"], &["contains_name"]),
        ("correct horse battery", &[""], &[]),
    ];
    for (password, names, expected) in rows {
        assert_eq!(codes(password, names), *expected, "{password}");
    }
    let faults = policy.check("123456", &[]).unwrap_err().to_string();
    assert!(!faults.contains("123456"));
    let lenient = policy.clone().refuse_common(false);
    assert!(lenient.check("password123", &[]).is_ok());
    for (min, max) in [(0, 8), (9, 8), (8, 257)] {
        assert!(PasswordPolicy::new(min, max).is_err());
    }
}
