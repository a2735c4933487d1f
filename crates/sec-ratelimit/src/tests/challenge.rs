//! The proof of work, and what an attacker would try on it.

use std::sync::Arc;
use std::time::Duration;

use sec_core::{ManualClock, Problem};

use crate::{ProofError, ProofOfWork, solve};

const LIFETIME: Duration = Duration::from_secs(120);

fn proofs() -> (ProofOfWork, Arc<ManualClock>) {
    let clock = ManualClock::new();
    let proofs = ProofOfWork::new(8, LIFETIME).unwrap();
    (proofs.clock(clock.clone()), clock)
}

#[test]
fn a_solution_counts_once() {
    let (proofs, _) = proofs();
    let challenge = proofs.issue(b"alice");
    let solution = challenge.solve();
    assert_eq!(proofs.verify(b"alice", challenge.token(), solution), Ok(()));
    for _ in 0..3 {
        let again = proofs.clone().verify(b"alice", challenge.token(), solution);
        assert_eq!(again, Err(ProofError::Spent));
    }
    // A failed attempt does not use a token up.
    let challenge = proofs.issue(b"alice");
    let solution = challenge.solve();
    assert!(proofs.verify(b"bob", challenge.token(), solution).is_err());
    assert_eq!(proofs.verify(b"alice", challenge.token(), solution), Ok(()));
}

#[test]
fn threads_cannot_spend_a_token_twice() {
    let (proofs, _) = proofs();
    for _ in 0..20 {
        let challenge = proofs.issue(b"alice");
        let solution = challenge.solve();
        let start = std::sync::Barrier::new(4);
        let accepted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        proofs.verify(b"alice", challenge.token(), solution).is_ok()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| usize::from(thread.join().unwrap()))
                .sum()
        });
        assert_eq!(accepted, 1);
    }
}

#[test]
fn it_is_good_for_its_binding_its_key_and_its_time() {
    let (proofs, clock) = proofs();
    let challenge = proofs.issue(b"alice");
    let solution = challenge.solve();
    let verify = |binding: &[u8]| proofs.verify(binding, challenge.token(), solution);
    assert_eq!(verify(b"bob"), Err(ProofError::Foreign));
    assert_eq!(verify(b""), Err(ProofError::Foreign));
    assert_eq!(verify(b"alice\0"), Err(ProofError::Foreign));

    let other = ProofOfWork::new(8, LIFETIME).unwrap().clock(clock.clone());
    let foreign = other.verify(b"alice", challenge.token(), solution);
    assert_eq!(foreign, Err(ProofError::Foreign));

    clock.advance(LIFETIME - Duration::from_secs(1));
    assert_eq!(verify(b"alice"), Ok(()));
    clock.advance(Duration::from_secs(1));
    assert_eq!(verify(b"alice"), Err(ProofError::Expired));
}

/// Every character of the token is under the signature: difficulty and expiry cannot be bettered.
#[test]
fn no_changed_token_passes() {
    let (proofs, _) = proofs();
    let challenge = proofs.issue(b"alice");
    let token = challenge.token();
    for position in 0..token.len() {
        let mut changed = token.as_bytes().to_vec();
        changed[position] = if changed[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let changed = String::from_utf8(changed).unwrap();
        let result = proofs.verify(b"alice", &changed, solve(&changed, 8));
        assert!(
            matches!(result, Err(ProofError::Foreign | ProofError::Malformed)),
            "{position}: {result:?}"
        );
    }
    let (shorter, _) = token.split_at(token.len() - 4);
    let longer = [token, "AAAA"].concat();
    let padded = [token, "="].concat();
    let huge = "A".repeat(1 << 20);
    for malformed in ["", "A", "é", "\0", shorter, &longer, &padded, &huge, "%%%%"] {
        let result = proofs.verify(b"alice", malformed, 0);
        assert_eq!(result, Err(ProofError::Malformed), "{malformed:.20}");
    }
}

/// The rule that a browser follows: SHA-256 of token, colon and decimal number.
#[test]
fn the_solution_is_the_first_number_whose_hash_has_the_zeros() {
    let (proofs, _) = proofs();
    let challenge = proofs.issue(b"alice");
    let zeros = |n: u64| {
        let text = format!("{}:{n}", challenge.token());
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let word = u64::from_be_bytes(hash.as_ref()[..8].try_into().unwrap());
        word.leading_zeros()
    };
    let solution = challenge.solve();
    assert!(zeros(solution) >= 8);
    assert!((0..solution).all(|n| zeros(n) < 8));
    assert_eq!(solution, solve(challenge.token(), challenge.difficulty()));
    let wrong = (0..).find(|n| zeros(*n) < 8).unwrap();
    assert_eq!(
        proofs.verify(b"alice", challenge.token(), wrong),
        Err(ProofError::Wrong)
    );
    let wrong = proofs.verify(b"alice", challenge.token(), u64::MAX);
    assert!(wrong == Err(ProofError::Wrong) || zeros(u64::MAX) >= 8);
}

/// With no room to remember another, a token is refused rather than accepted any number of times; when
/// the old ones have expired there is room again.
#[test]
fn the_memory_of_spent_tokens_is_bounded_and_fails_closed() {
    let (proofs, clock) = proofs();
    let proofs = proofs.capacity(4).clock(clock.clone());
    let mut results = Vec::new();
    for _ in 0..20 {
        let challenge = proofs.issue(b"alice");
        let solution = challenge.solve();
        let first = proofs.verify(b"alice", challenge.token(), solution);
        let second = proofs.verify(b"alice", challenge.token(), solution);
        assert!(second.is_err());
        results.push(first);
    }
    let (accepted, refused) = results.split_at(results.iter().take_while(|r| r.is_ok()).count());
    assert!((4..=8).contains(&accepted.len()));
    assert!(
        refused
            .iter()
            .all(|result| *result == Err(ProofError::Busy))
    );
    clock.advance(LIFETIME);
    let challenge = proofs.issue(b"alice");
    assert_eq!(
        proofs.verify(b"alice", challenge.token(), challenge.solve()),
        Ok(())
    );
}

/// One that lives for a second would have forgotten, after that, a token that is good for ten minutes.
#[test]
fn a_longer_life_than_ones_own_is_not_accepted() {
    let clock = ManualClock::new();
    let keyed = |seconds| {
        let proofs = ProofOfWork::with_key(&[7; 32], 4, Duration::from_secs(seconds)).unwrap();
        proofs.clock(clock.clone())
    };
    let (long, short) = (keyed(600), keyed(1));
    let challenge = long.issue(b"alice");
    let solution = challenge.solve();
    let verify = || short.verify(b"alice", challenge.token(), solution);
    let mut results = Vec::new();
    for _ in 0..=600 {
        results.push(verify());
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(results[0], Err(ProofError::TooLong));
    // Clocks may differ by a minute: until then it is refused, then it counts once, then never again.
    let accepted: Vec<_> = (0..=600).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(accepted, [600 - 61]);
    assert!(
        results[600 - 60..600]
            .iter()
            .all(|r| *r == Err(ProofError::Spent))
    );
    assert_eq!(results[600], Err(ProofError::Expired));
}

#[test]
fn setting_the_clock_back_makes_no_token_good_again() {
    use sec_core::Clock;

    let (proofs, clock) = proofs();
    let (spent, fresh) = (proofs.issue(b"alice"), proofs.issue(b"alice"));
    let solution = spent.solve();
    let start = clock.now();
    assert_eq!(proofs.verify(b"alice", spent.token(), solution), Ok(()));
    for _ in 0..10 {
        clock.advance(LIFETIME / 2);
        clock.step_wall(start);
        let again = proofs.verify(b"alice", spent.token(), solution);
        assert!(matches!(
            again,
            Err(ProofError::Spent | ProofError::Expired)
        ));
    }
    let late = proofs.verify(b"alice", fresh.token(), fresh.solve());
    assert_eq!(late, Err(ProofError::Expired));
    // It goes on working; so it does when the clock ran ahead and was set right.
    for wall in [start, start + LIFETIME * 1_000, start] {
        clock.step_wall(wall);
        let challenge = proofs.issue(b"alice");
        clock.advance(LIFETIME / 2);
        let verified = proofs.verify(b"alice", challenge.token(), challenge.solve());
        assert_eq!(verified, Ok(()));
    }
}

#[test]
fn processes_share_a_key() {
    let key = [7; 32];
    let one = ProofOfWork::with_key(&key, 4, LIFETIME).unwrap();
    let other = ProofOfWork::with_key(&key, 10, LIFETIME).unwrap();
    let challenge = one.issue(b"alice");
    assert_eq!(
        other.verify(b"alice", challenge.token(), challenge.solve()),
        Ok(())
    );
}

#[test]
fn a_challenge_is_a_problem_that_a_client_can_solve() {
    let (proofs, _) = proofs();
    let challenge = proofs.issue(b"alice");
    let json: serde_json::Value =
        serde_json::from_slice(&Problem::from(&challenge).to_json()).unwrap();
    assert_eq!(json["status"], 403);
    assert!(
        json["type"]
            .as_str()
            .unwrap()
            .ends_with("#challenge-required")
    );
    assert_eq!(json["challenge"]["kind"], "proof-of-work");
    let token = json["challenge"]["token"].as_str().unwrap();
    let difficulty = json["challenge"]["difficulty"].as_u64().unwrap();
    let solution = solve(token, difficulty.try_into().unwrap());
    assert_eq!(proofs.verify(b"alice", token, solution), Ok(()));
}

#[test]
fn what_cannot_work_is_an_error_at_construction() {
    let field =
        |proofs: Result<ProofOfWork, crate::ConfigError>| proofs.unwrap_err().field().to_owned();
    assert_eq!(field(ProofOfWork::with_key(&[0; 31], 8, LIFETIME)), "key");
    assert_eq!(field(ProofOfWork::new(0, LIFETIME)), "difficulty");
    assert_eq!(field(ProofOfWork::new(41, LIFETIME)), "difficulty");
    assert_eq!(field(ProofOfWork::new(8, Duration::ZERO)), "lifetime");
    assert_eq!(field(ProofOfWork::new(8, LIFETIME * 1_000)), "lifetime");
    let shown = format!(
        "{:?}",
        ProofOfWork::with_key(&[42; 32], 8, LIFETIME).unwrap()
    );
    assert!(!shown.contains("42"), "{shown}");
}
