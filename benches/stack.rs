//! The family beside what people would use instead, in one run: `cargo bench --bench stack`.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark"
)]

mod common;

use std::hint::black_box;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use sec_audit::RequestLogLayer;
use sec_core::{CollectingSink, ContextLayer};
use sec_headers::{CrossOriginGuard, CrossOriginGuardLayer, HeadersLayer, SecHeaders};
use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer, Subject};
use sec_sanitize::{ErrorLayer, HtmlPolicy};
use tower::{Layer, service_fn};

use common::{Candidate, calls, group, hello, request};

fn main() {
    group("one in-memory decision of a limit", limits());
    group("the whole stack around a handler, per request", stacks());
    group("sanitising a comment without markup", plain_text());
}

fn limits() -> Vec<Candidate> {
    let ip = IpAddr::from([203, 0, 113, 7]);
    let million = NonZeroU32::new(1_000_000_000).unwrap();
    let governor = governor::RateLimiter::keyed(governor::Quota::per_second(million));
    let ours = |quota| {
        Limiter::builder()
            .tier("api", quota, Key::given("ip"))
            .build()
            .unwrap()
    };
    let decide = |limiter: Limiter| move || assert!(limiter.check([Subject::of(ip)], 1).is_ok());
    let second = Duration::from_secs(1);
    vec![
        (
            "governor, keyed",
            Box::new(move || assert!(governor.check_key(&ip).is_ok())),
        ),
        (
            "sec-ratelimit, GCRA",
            Box::new(decide(ours(Quota::gcra(1_000_000, second)))),
        ),
        (
            "sec-ratelimit, fixed window",
            Box::new(decide(ours(Quota::per(1_000_000_000, second)))),
        ),
    ]
}

fn stacks() -> Vec<Candidate> {
    let quota = Quota::per(1_000_000_000, Duration::from_secs(1));
    let limiter = Limiter::builder()
        .tier("api", quota, Key::ip())
        .build()
        .unwrap();
    let (context, log) = (
        ContextLayer::new().sink(CollectingSink::new()),
        RequestLogLayer::new().sample_one_in(0),
    );
    let headers = HeadersLayer::new(SecHeaders::web_app().build().unwrap());
    let guard = CrossOriginGuardLayer::new(CrossOriginGuard::new());
    let limit = RateLimitLayer::new(limiter).unwrap();
    // From the inside out: each line is the one before it with one layer more.
    let limited = limit.layer(service_fn(hello));
    let guarded = guard.layer(limited.clone());
    let caught = ErrorLayer::new().layer(guarded.clone());
    let headed = headers.layer(caught.clone());
    let logged = log.layer(headed.clone());
    vec![
        calls("the handler alone", request, service_fn(hello)),
        calls("+ context", request, context.layer(service_fn(hello))),
        calls(
            "+ limit, its header fields",
            request,
            context.layer(limited),
        ),
        calls("+ cross-origin guard", request, context.layer(guarded)),
        calls("+ errors", request, context.layer(caught)),
        calls("+ response headers", request, context.layer(headed)),
        calls(
            "+ request log (not sampled)",
            request,
            context.layer(logged),
        ),
    ]
}

fn plain_text() -> Vec<Candidate> {
    let text = "A comment as most people write it, without any markup in it. ".repeat(16);
    let (policy, own) = (HtmlPolicy::comment(), text.clone());
    vec![
        (
            "ammonia::clean",
            Box::new(move || drop(black_box(ammonia::clean(&text)))),
        ),
        (
            "sec-sanitize, HtmlPolicy::comment",
            Box::new(move || drop(black_box(policy.clean(&own).unwrap()))),
        ),
    ]
}
