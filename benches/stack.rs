//! The family beside what people would use instead, in one run: `cargo bench`.
//!
//! Every round times all candidates one after another, so that a machine whose speed drifts is slow for all of them. What
//! is printed is the median over the rounds, and each candidate's ratio to the first of its group. No figure is asserted.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark"
)]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use sec_audit::RequestLogLayer;
use sec_core::{CollectingSink, ContextLayer, PeerAddr};
use sec_headers::{CrossOriginGuard, CrossOriginGuardLayer, HeadersLayer, SecHeaders};
use sec_ratelimit::{Key, Limiter, Quota, RateLimitLayer, Subject};
use sec_sanitize::{ErrorLayer, HtmlPolicy};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_http::set_header::SetResponseHeaderLayer;

const ROUNDS: usize = 31;
const CALLS: u32 = 2_000;

type Candidate = (&'static str, Box<dyn FnMut()>);

fn main() {
    group("response headers, per request", headers());
    group("one in-memory decision of a limit", limits());
    group("the whole stack around a handler, per request", stacks());
    group("sanitising a comment without markup", plain_text());
}

fn group(name: &str, mut candidates: Vec<Candidate>) {
    let mut times = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for round in 0..=ROUNDS {
        for ((_, work), times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..CALLS).for_each(|_| work());
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed() / CALLS);
            }
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    println!("\n{name}");
    for ((candidate, _), median) in candidates.iter().zip(&medians) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        println!(
            "  {candidate:44} {:>8} ns   {ratio:5.2} x",
            median.as_nanos()
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn hello(_: Request<()>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    ready(Ok(response))
}

fn request() -> Request<()> {
    let mut request = Request::get("/").header("host", "a.test").body(()).unwrap();
    request
        .extensions_mut()
        .insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 1))));
    request
}

/// The answer is read to its end, as a server does; nothing that is measured here waits for anything.
fn calls<S, B>(name: &'static str, mut service: S) -> Candidate
where
    S: Service<Request<()>, Response = Response<B>> + 'static,
    B: http_body::Body,
{
    (
        name,
        Box::new(move || {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(answer)) = pin!(service.call(request())).poll(&mut cx) else {
                unreachable!("the handler answers at once");
            };
            let mut body = pin!(black_box(answer).into_body());
            while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
                drop(black_box(frame));
            }
        }),
    )
}

fn headers() -> Vec<Candidate> {
    let value = HeaderValue::from_static("same-origin");
    let set =
        |name| SetResponseHeaderLayer::overriding(HeaderName::from_static(name), value.clone());
    let ten = ServiceBuilder::new()
        .layer(set("strict-transport-security"))
        .layer(set("x-content-type-options"))
        .layer(set("x-frame-options"))
        .layer(set("referrer-policy"))
        .layer(set("cross-origin-opener-policy"))
        .layer(set("cross-origin-resource-policy"))
        .layer(set("origin-agent-cluster"))
        .layer(set("x-dns-prefetch-control"))
        .layer(set("x-permitted-cross-domain-policies"))
        .layer(set("content-security-policy"));
    let context = ContextLayer::new();
    let policy = |preset: SecHeaders| HeadersLayer::new(preset.build().unwrap());
    vec![
        calls(
            "tower-http, SetResponseHeaderLayer x 10",
            context.layer(ten.service(service_fn(hello))),
        ),
        calls(
            "sec-headers, api()",
            context.layer(policy(SecHeaders::api()).layer(service_fn(hello))),
        ),
        calls(
            "sec-headers, web_app()",
            context.layer(policy(SecHeaders::web_app()).layer(service_fn(hello))),
        ),
        calls("nothing but the context", context.layer(service_fn(hello))),
    ]
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
        calls("the handler alone", service_fn(hello)),
        calls("+ context", context.layer(service_fn(hello))),
        calls("+ limit, its header fields", context.layer(limited)),
        calls("+ cross-origin guard", context.layer(guarded)),
        calls("+ errors", context.layer(caught)),
        calls("+ response headers", context.layer(headed)),
        calls("+ request log (not sampled)", context.layer(logged)),
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
