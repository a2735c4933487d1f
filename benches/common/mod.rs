//! What the benchmarks share: candidates that are timed in turn, and a handler to put layers around.
//!
//! Every round times all candidates of a group one after another, so that a machine whose speed drifts is slow for all of
//! them. What is printed is the median over the rounds, and each candidate's ratio to the first of its group. No figure is
//! asserted.

#![allow(
    dead_code,
    reason = "each benchmark is a program of its own and takes what it needs"
)]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use sec_core::PeerAddr;
use tower::Service;

const ROUNDS: usize = 31;
const CALLS: u32 = 2_000;

pub(crate) type Candidate = (&'static str, Box<dyn FnMut()>);

pub(crate) fn group(name: &str, mut candidates: Vec<Candidate>) {
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

pub(crate) fn hello(_: Request<()>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
    ready(Ok(response))
}

pub(crate) fn request() -> Request<()> {
    let mut request = Request::get("/").header("host", "a.test").body(()).unwrap();
    request
        .extensions_mut()
        .insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 1))));
    request
}

/// The answer is read to its end, as a server does; nothing that is measured here waits for anything.
pub(crate) fn calls<S, B>(
    name: &'static str,
    request: impl Fn() -> Request<()> + 'static,
    mut service: S,
) -> Candidate
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
