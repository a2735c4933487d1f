//! Limits that are looked up: from memory, once at a time, and the tier's own when nobody knows.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sec_core::ManualClock;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::layer::{Inner, World};
use crate::{
    Key, LimitLookup, LimitLookupLayer, Limiter, Limits, LookupError, Quota, RateLimitLayer, Tier,
};

type Failure = &'static str;

/// A database of plans that counts its queries and answers when it is let.
struct Plans {
    asked: AtomicU64,
    answers: Semaphore,
    limit: AtomicU64,
}

impl Plans {
    fn new(answers: usize) -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicU64::new(0),
            answers: Semaphore::new(answers),
            limit: AtomicU64::new(5),
        })
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Account 13 makes it fail.
    fn lookup(self: &Arc<Self>, clock: &Arc<ManualClock>) -> LimitLookup<u64> {
        let plans = self.clone();
        let lookup = LimitLookup::new(move |account: u64| {
            let plans = plans.clone();
            async move {
                plans.asked.fetch_add(1, Ordering::Relaxed);
                plans.answers.acquire().await.unwrap().forget();
                match account {
                    13 => Err::<_, Failure>("no connection"),
                    _ => Ok(Limits::all(plans.limit.load(Ordering::Relaxed))),
                }
            }
        });
        lookup.clock(clock.clone())
    }
}

/// The account is the path.
fn layer(lookup: LimitLookup<u64>) -> LimitLookupLayer<u64> {
    LimitLookupLayer::new(lookup, |view| {
        view.uri.path().trim_start_matches('/').parse().ok()
    })
}

fn limited(world: &World) -> RateLimitLayer {
    let tier = |name, key| Tier::new(name, Quota::per_minute(2), key).limit_looked_up();
    let limiter = Limiter::builder()
        .with_tier(tier("api", Key::ip()))
        .with_tier(tier("day", Key::ip()))
        .with_tier(Tier::new("fixed", Quota::per_minute(9), Key::ip()))
        .clock(world.clock.clone())
        .build();
    RateLimitLayer::new(limiter.unwrap()).unwrap()
}

async fn policy<S, R>(service: S, world: &World, path: &str) -> String
where
    S: Service<Request<()>, Response = Response<R>, Error = Infallible>,
{
    let response = service.oneshot(world.request(path)).await.unwrap();
    let policy = &response.headers()["ratelimit-policy"];
    policy.to_str().unwrap().to_owned()
}

macro_rules! service {
    ($world:expr, $lookup:expr) => {
        layer($lookup).layer(limited($world).layer(service_fn(|_: Request<()>| {
            ready(Ok::<_, Infallible>(Inner::new(Full::from("hello"))))
        })))
    };
}

#[tokio::test]
async fn the_limit_of_who_asks_applies_in_the_tiers_that_ask_for_it() {
    let world = World::new();
    let lookup = LimitLookup::new(|account: u64| {
        ready(Ok::<_, Failure>(match account {
            1 => Limits::all(60).tier("day", 5000),
            2 => Limits::own().tier("day", 7),
            3 => Limits::from(Some(0)),
            _ => Limits::from(None),
        }))
    });
    let service = service!(&world, lookup);
    for (path, api, day) in [("/1", 60, 5000), ("/2", 2, 7), ("/3", 0, 0), ("/4", 2, 2)] {
        let told = policy(service.clone(), &world, path).await;
        let expected = format!("\"api\";q={api};w=60, \"day\";q={day};w=60, \"fixed\";q=9;w=60");
        assert_eq!(told, expected, "{path}");
    }
    // Nobody to look up: nothing is asked, the tiers' own apply.
    let told = policy(service, &world, "/index").await;
    assert!(told.starts_with("\"api\";q=2;w=60"), "{told}");
}

#[tokio::test]
async fn what_was_found_is_remembered_for_a_while() {
    let world = World::new();
    let plans = Plans::new(100);
    let lookup = plans.lookup(&world.clock);
    for _ in 0..5 {
        assert_eq!(lookup.limits(&1).await, Ok(Limits::all(5)));
    }
    assert_eq!(plans.asked(), 1);
    plans.limit.store(6, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(lookup.limits(&1).await, Ok(Limits::all(5)));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(lookup.limits(&1).await, Ok(Limits::all(6)));
    assert_eq!(plans.asked(), 2);
    // A change of plan that the host tells of is seen at once.
    plans.limit.store(7, Ordering::Relaxed);
    lookup.forget(&1);
    assert_eq!(lookup.limits(&1).await, Ok(Limits::all(7)));
}

#[tokio::test]
async fn all_who_ask_meanwhile_wait_for_one_look_up_and_none_ends_it() {
    let world = World::new();
    let plans = Plans::new(0);
    let lookup = plans.lookup(&world.clock);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let lookup = lookup.clone();
            tokio::spawn(async move { lookup.limits(&1).await })
        })
        .collect();
    tokio::task::yield_now().await;
    // The first, who began it, goes away.
    waiting[0].abort();
    plans.answers.add_permits(1);
    for task in waiting.into_iter().skip(1) {
        assert_eq!(task.await.unwrap(), Ok(Limits::all(5)));
    }
    assert_eq!(plans.asked(), 1);
}

#[tokio::test]
async fn what_is_forgotten_while_it_is_looked_up_is_not_remembered() {
    let world = World::new();
    let plans = Plans::new(0);
    let lookup = plans.lookup(&world.clock);
    let (first, plan) = (lookup.clone(), plans.clone());
    let first = tokio::spawn(async move { first.limits(&1).await });
    while plan.asked() == 0 {
        tokio::task::yield_now().await;
    }
    lookup.forget(&1);
    plans.answers.add_permits(2);
    assert!(first.await.unwrap().is_ok());
    plans.limit.store(6, Ordering::Relaxed);
    assert_eq!(lookup.limits(&1).await, Ok(Limits::all(6)));
}

#[tokio::test]
async fn when_it_fails_the_tiers_own_apply_and_an_event_says_why() {
    let world = World::new();
    let plans = Plans::new(100);
    let service = service!(&world, plans.lookup(&world.clock));
    for _ in 0..3 {
        let told = policy(service.clone(), &world, "/13").await;
        assert!(told.starts_with("\"api\";q=2;w=60"), "{told}");
    }
    assert_eq!(plans.asked(), 1, "a failure is not repeated at once");
    let events = world.sink.events();
    let event = &events[0];
    assert_eq!(event.kind().as_str(), "rate_limit_lookup");
    assert!(event.reason().unwrap().contains("no connection"));
    world.clock.advance(Duration::from_secs(1));
    let _ = policy(service, &world, "/13").await;
    assert_eq!(plans.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_fails() {
    let world = World::new();
    let plans = Plans::new(0);
    let lookup = plans.lookup(&world.clock);
    // Tokio's paused clock goes on by itself when nothing else can.
    assert_eq!(lookup.limits(&1).await, Err(LookupError::Deadline));
}

#[tokio::test]
async fn a_look_up_that_panics_fails_and_is_tried_again() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = asked.clone();
    let lookup = LimitLookup::new(move |_: u64| {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(number > 0, "the first one panics");
            Ok::<_, Failure>(Limits::all(5))
        }
    });
    assert!(matches!(
        lookup.limits(&1).await,
        Err(LookupError::Failed(_))
    ));
    assert_eq!(lookup.limits(&1).await, Ok(Limits::all(5)));
}

#[tokio::test]
async fn its_memory_is_bounded() {
    let world = World::new();
    let plans = Plans::new(10_000);
    let lookup = plans.lookup(&world.clock);
    let lookup = lookup.remember(10, Duration::from_secs(60)).unwrap();
    for account in 100..1000 {
        lookup.limits(&account).await.unwrap();
        // One and the same, begun anew again and again.
        lookup.forget(&5);
        lookup.limits(&5).await.unwrap();
        assert!(lookup.callers() <= 10);
    }
    let asked = plans.asked();
    lookup.limits(&999).await.unwrap();
    assert_eq!(plans.asked(), asked);
}

/// A small memory, and others who ask meanwhile, made one caller's look-up run many times at once.
#[tokio::test]
async fn what_is_coming_is_never_pushed_out_and_few_run_at_once() {
    let world = World::new();
    let plans = Plans::new(0);
    let lookup = plans.lookup(&world.clock);
    let lookup = lookup.remember(1, Duration::from_secs(60)).unwrap();
    let ask = |account| {
        let lookup = lookup.clone();
        tokio::spawn(async move { lookup.limits(&account).await })
    };
    let waiting: Vec<_> = (100..163).flat_map(|other| [ask(1), ask(other)]).collect();
    while plans.asked() < 64 {
        tokio::task::yield_now().await;
    }
    // Nobody else is looked up until one of them has ended, not even after all are forgotten.
    assert_eq!(lookup.limits(&200).await, Err(LookupError::Busy));
    lookup.forget(&1);
    assert_eq!(lookup.limits(&1).await, Err(LookupError::Busy));
    assert_eq!(plans.asked(), 64);
    plans.answers.add_permits(100);
    for task in waiting {
        assert_eq!(task.await.unwrap(), Ok(Limits::all(5)));
    }
    assert_eq!(lookup.callers(), 1);
    assert_eq!(lookup.limits(&200).await, Ok(Limits::all(5)));
    assert_eq!((plans.asked(), lookup.callers()), (65, 1));
}

/// What is missing further out is loud, and never means "no limit".
#[tokio::test]
async fn without_the_layer_a_tier_that_asks_is_a_500() {
    let world = World::new();
    let missing = super::layer::call(&limited(&world), world.request("/")).await;
    assert_eq!(missing.status(), StatusCode::INTERNAL_SERVER_ERROR);
    // A host that knows the limits itself puts them there.
    let mut request = world.request("/");
    request.extensions_mut().insert(Limits::all(3));
    let response = super::layer::call(&limited(&world), request).await;
    let policy = response.headers()["ratelimit-policy"].to_str().unwrap();
    assert!(policy.starts_with("\"api\";q=3;w=60"), "{policy}");
}

#[tokio::test]
async fn switched_off_it_asks_nothing() {
    let world = World::new();
    let plans = Plans::new(0);
    let off = layer(plans.lookup(&world.clock)).enabled(false);
    let service = off.layer(limited(&world).layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Inner::default()))
    })));
    let told = policy(service, &world, "/1").await;
    assert!(told.starts_with("\"api\";q=2;w=60"), "{told}");
    assert_eq!(plans.asked(), 0);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let lookup = || LimitLookup::new(|_: u64| ready(Ok::<_, Failure>(Limits::own())));
    let minute = Duration::from_secs(60);
    for (made, field) in [
        (lookup().remember(0, minute), "remember.callers"),
        (lookup().remember(1 << 25, minute), "remember.callers"),
        (lookup().remember(1, Duration::ZERO), "remember.time"),
        (lookup().retry_after(Duration::ZERO), "retry_after"),
        (lookup().deadline(Duration::ZERO), "deadline"),
        (lookup().deadline(minute * 2), "deadline"),
    ] {
        assert_eq!(made.unwrap_err().field(), field);
    }
}

#[cfg(feature = "shared")]
#[tokio::test]
async fn a_shared_limiter_takes_them_too() {
    let world = World::new();
    let store = Arc::new(crate::MemoryStore::new());
    let tier = Tier::new("api", Quota::per_minute(2), Key::ip()).limit_looked_up();
    let limiter = crate::SharedLimiter::builder("api", store, vec![7; 32]).with_tier(tier);
    let inner = RateLimitLayer::shared(limiter.build().unwrap()).unwrap();
    let plans = Plans::new(1);
    let outer = layer(plans.lookup(&world.clock));
    let service = outer.layer(inner.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Inner::default()))
    })));
    let told = policy(service, &world, "/1").await;
    assert_eq!(told, "\"api\";q=5;w=60");
}
