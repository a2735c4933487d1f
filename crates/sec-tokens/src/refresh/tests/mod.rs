mod cookie;

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::*;

type Tokens = RefreshTokens<MemoryRefreshStore>;

fn tokens() -> Tokens {
    RefreshTokens::new(MemoryRefreshStore::new())
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

const DAY: u64 = 24 * 60 * 60;

async fn issued(tokens: &Tokens) -> Issued {
    tokens
        .issue(Owner::new("alice"), None, at(0))
        .await
        .unwrap()
}

async fn rotated(tokens: &Tokens, token: &RefreshToken, now: u64) -> RefreshToken {
    match tokens.rotate(token, at(now)).await.unwrap() {
        Rotation::Rotated(issued) => issued.token,
        other => panic!("not rotated but {other:?}"),
    }
}

fn name(rotation: &Rotation) -> &'static str {
    match rotation {
        Rotation::Rotated(_) => "rotated",
        Rotation::Grace(_) => "grace",
        Rotation::Reused(_) => "reused",
        Rotation::Unknown => "unknown",
    }
}

async fn outcome(tokens: &Tokens, token: &RefreshToken, now: u64) -> &'static str {
    name(&tokens.rotate(token, at(now)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_racers_get_one_rotation_and_one_successor() {
    let tokens = tokens();
    let first = issued(&tokens).await.token;
    let start = Arc::new(tokio::sync::Barrier::new(50));
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let (tokens, token, start) = (tokens.clone(), first.clone(), Arc::clone(&start));
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            tokens.rotate(&token, at(1)).await.unwrap()
        }));
    }
    let (mut names, mut successors) = (Vec::new(), HashSet::new());
    for task in tasks {
        let rotation = task.await.unwrap();
        names.push(name(&rotation));
        if let Rotation::Rotated(issued) | Rotation::Grace(issued) = rotation {
            successors.insert(issued.token.expose().to_string());
        }
    }
    assert_eq!(names.iter().filter(|name| **name == "rotated").count(), 1);
    assert_eq!(names.iter().filter(|name| **name == "grace").count(), 49);
    assert_eq!(successors.len(), 1);
    let successor = RefreshToken::parse(successors.iter().next().unwrap()).unwrap();
    assert_eq!(
        outcome(&tokens, &successor, 2).await,
        "rotated",
        "the family lives"
    );
}

#[tokio::test]
async fn every_kind_of_reuse_ends_the_family_once() {
    // After the grace.
    let first = tokens();
    let a = issued(&first).await.token;
    let b = rotated(&first, &a, 1).await;
    assert_eq!(outcome(&first, &a, 11).await, "grace");
    assert_eq!(outcome(&first, &a, 12).await, "reused");
    assert_eq!(outcome(&first, &a, 12).await, "unknown", "one alarm");
    assert_eq!(outcome(&first, &b, 12).await, "unknown");

    // Within the grace, but the successor was used.
    let second = tokens();
    let a = issued(&second).await.token;
    let b = rotated(&second, &a, 1).await;
    let c = rotated(&second, &b, 2).await;
    assert_eq!(outcome(&second, &a, 2).await, "reused");
    assert_eq!(outcome(&second, &c, 2).await, "unknown");

    // The oldest of many, of which the store has long forgotten the hash.
    let third = tokens();
    let a = issued(&third).await.token;
    let mut last = a.clone();
    for round in 1..20 {
        last = rotated(&third, &last, round).await;
    }
    assert_eq!(outcome(&third, &a, 30).await, "reused");
    assert_eq!(outcome(&third, &last, 30).await, "unknown");
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    // FAPI 2.0 §5.3.2.1: a client whose answer got lost retries with the old token.
    let tokens = tokens();
    let a = issued(&tokens).await.token;
    let _lost = rotated(&tokens, &a, 1).await;
    let Rotation::Grace(again) = tokens.rotate(&a, at(5)).await.unwrap() else {
        panic!()
    };
    assert_eq!(outcome(&tokens, &again.token, 6).await, "rotated");
}

#[tokio::test]
async fn rotating_never_lengthens_the_life() {
    let tokens = tokens();
    let first = issued(&tokens).await;
    assert_eq!(first.family.expires_at, at(7 * DAY));
    let mut token = first.token;
    for day in 1..7 {
        token = rotated(&tokens, &token, day * DAY).await;
    }
    let families = tokens
        .list(&Owner::new("alice"), at(6 * DAY))
        .await
        .unwrap();
    assert_eq!(families[0].expires_at, at(7 * DAY));
    assert_eq!(families[0].used_at, at(6 * DAY));
    token = rotated(&tokens, &token, 7 * DAY - 1).await;
    assert_eq!(outcome(&tokens, &token, 7 * DAY).await, "unknown");
    assert!(tokens.store().is_empty());
}

#[tokio::test]
async fn a_log_out_ends_tokens_in_grace_too() {
    let tokens = tokens();
    let a = issued(&tokens).await.token;
    let b = rotated(&tokens, &a, 1).await;
    // By the token in grace, of all.
    assert!(tokens.revoke(&a, at(2)).await.unwrap().is_some());
    assert_eq!(outcome(&tokens, &a, 2).await, "unknown");
    assert_eq!(outcome(&tokens, &b, 2).await, "unknown");
    assert!(tokens.revoke(&a, at(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn clocks_that_step_back_do_not_make_tabs_attackers() {
    let tokens = tokens();
    let a = issued(&tokens).await.token;
    let _b = rotated(&tokens, &a, 100).await;
    assert_eq!(outcome(&tokens, &a, 95).await, "grace");
    assert_eq!(outcome(&tokens, &a, 89).await, "reused", "but not for long");
}

#[tokio::test]
async fn without_grace_a_second_use_is_reuse() {
    let tokens = tokens().grace(Duration::ZERO).unwrap();
    let a = issued(&tokens).await.token;
    let _b = rotated(&tokens, &a, 1).await;
    assert_eq!(outcome(&tokens, &a, 2).await, "reused");
}

#[tokio::test]
async fn a_token_made_up_with_a_known_session_revokes_nothing() {
    // The session's identifier stands in every access token. It must not be enough.
    let tokens = tokens();
    let real = issued(&tokens).await;
    let made_up = RefreshToken::parse(&"A".repeat(64)).unwrap();
    assert_ne!(made_up.family(), real.family.id);
    assert_eq!(outcome(&tokens, &made_up, 1).await, "unknown");
    assert_eq!(outcome(&tokens, &real.token, 1).await, "rotated");
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest_of_its_owner_alone() {
    let tokens = tokens().families_per_owner(2).unwrap();
    let owner = || Owner::new("alice");
    let other = tokens
        .issue(owner().in_tenant("acme"), None, at(0))
        .await
        .unwrap();
    let first = tokens
        .issue(owner(), Some("phone".into()), at(1))
        .await
        .unwrap();
    let second = tokens.issue(owner(), None, at(2)).await.unwrap();
    let third = tokens.issue(owner(), None, at(3)).await.unwrap();
    let evicted: Vec<_> = third.evicted.iter().map(|family| family.id).collect();
    assert_eq!(evicted, [first.family.id]);
    assert_eq!(third.evicted[0].label.as_deref(), Some("phone"));
    assert_eq!(outcome(&tokens, &first.token, 4).await, "unknown");
    let living = tokens.list(&owner(), at(4)).await.unwrap();
    let living: Vec<_> = living.iter().map(|family| family.id).collect();
    assert_eq!(living, [second.family.id, third.family.id]);
    assert_eq!(tokens.revoke_all(&owner(), at(5)).await.unwrap().len(), 2);
    assert_eq!(
        outcome(&tokens, &other.token, 6).await,
        "rotated",
        "another tenant's alice"
    );
}

#[tokio::test]
async fn the_store_is_bounded_and_forgets_what_ended() {
    let tokens = RefreshTokens::new(MemoryRefreshStore::with_capacity(3));
    let first = tokens.issue(Owner::new("u0"), None, at(0)).await.unwrap();
    for n in 1..10 {
        tokens
            .issue(Owner::new(format!("u{n}")), None, at(n))
            .await
            .unwrap();
        assert!(tokens.store().len() <= 3);
    }
    assert_eq!(outcome(&tokens, &first.token, 10).await, "unknown");
    tokens
        .issue(Owner::new("later"), None, at(8 * DAY))
        .await
        .unwrap();
    assert_eq!(tokens.store().len(), 1);
}

#[tokio::test]
async fn the_store_holds_no_token() {
    let tokens = tokens();
    let a = issued(&tokens).await.token;
    let b = rotated(&tokens, &a, 1).await;
    let dump = format!("{:?}", tokens.store());
    for token in [&a, &b] {
        assert!(!dump.contains(token.expose().as_str()));
        assert_eq!(format!("{token:?}"), "RefreshToken([redacted])");
    }
    // What is sealed under one token opens under no other, and not for another family.
    let (next, sealed) = a.successor().unwrap();
    assert_eq!(*a.open(&sealed).unwrap().expose(), *next.expose());
    assert!(b.open(&sealed).is_none());
    assert!(RefreshToken::generate().unwrap().open(&sealed).is_none());
    let mut tampered = *sealed.as_bytes();
    tampered[20] ^= 1;
    assert!(a.open(&Sealed::from_bytes(tampered)).is_none());
}

#[test]
fn tokens_have_one_spelling() {
    let token = RefreshToken::generate().unwrap();
    let text = token.expose().to_string();
    assert_eq!(text.len(), RefreshToken::ENCODED_LEN);
    assert_eq!(RefreshToken::parse(&text).unwrap().hash(), token.hash());
    for bad in [
        "",
        "x",
        &text[1..],
        &format!("{text}A"),
        &format!("{}=", &text[1..]),
        &" ".repeat(64),
    ] {
        assert!(RefreshToken::parse(bad).is_none(), "{bad:?}");
    }
    let id = token.family();
    assert_eq!(FamilyId::parse(&id.to_string()), Some(id));
    assert_eq!(FamilyId::parse("short"), None);
}

#[test]
fn settings_are_bounded() {
    let minute = Duration::from_secs(60);
    assert_eq!(
        tokens().lifetime(Duration::from_secs(59)).unwrap_err(),
        RefreshConfigError::Lifetime
    );
    assert_eq!(
        tokens().lifetime(minute * 60 * 24 * 91).unwrap_err(),
        RefreshConfigError::Lifetime
    );
    assert_eq!(
        tokens().grace(minute * 2).unwrap_err(),
        RefreshConfigError::Grace
    );
    assert_eq!(
        tokens().families_per_owner(0).unwrap_err(),
        RefreshConfigError::Families
    );
}

proptest::proptest! {
    /// Against a slow model that keeps every token of a family and its story.
    #[test]
    fn rotation_follows_the_model(steps in proptest::collection::vec((0usize..4, 0u64..15), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let tokens = tokens();
            let mut chain = vec![issued(&tokens).await.token];
            let (mut now, mut rotated_at, mut alive) = (0, None::<u64>, true);
            for (back, pause) in steps {
                now += pause;
                let index = chain.len().saturating_sub(1 + back);
                let expected = if !alive {
                    "unknown"
                } else if index + 1 == chain.len() {
                    "rotated"
                } else if index + 2 == chain.len() && rotated_at.is_some_and(|at| now - at <= 10) {
                    "grace"
                } else {
                    "reused"
                };
                let rotation = tokens.rotate(&chain[index], at(now)).await.unwrap();
                assert_eq!(name(&rotation), expected);
                match rotation {
                    Rotation::Rotated(next) => {
                        chain.push(next.token);
                        rotated_at = Some(now);
                    }
                    Rotation::Grace(same) => {
                        assert_eq!(*same.token.expose(), *chain.last().unwrap().expose());
                    }
                    Rotation::Reused(_) => alive = false,
                    Rotation::Unknown => {}
                }
            }
        });
    }
}
