//! The promises about allocations, counted.
//!
//! One test alone: the counter belongs to the whole process.

#![allow(unsafe_code, reason = "an allocator cannot be written without")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    convert::Infallible,
    future::{Ready, ready},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};

use http::{Request, Response, header};
use sec_core::{AuthMethod, PathRules, Principal, RequestContext};
use sec_tokens::{
    AuthLayer, Issuer, KeyRing, Permissions, RequireRoleLayer, SigningKey, require_role,
};
use tower::{Layer, Service};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A service that allocates nothing.
#[derive(Clone)]
struct Quiet;

impl Service<Request<()>> for Quiet {
    type Response = Response<http_body_util::Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(request);
        ready(Ok(Response::new(http_body_util::Empty::new())))
    }
}

/// Allocations of one call, from the request to the head of the answer.
fn calling<S>(service: &mut S, request: Request<()>) -> usize
where
    S: Service<Request<()>>,
{
    let mut context = Context::from_waker(Waker::noop());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(service.poll_ready(&mut context).is_ready());
    let mut future = std::pin::pin!(service.call(request));
    assert!(future.as_mut().poll(&mut context).is_ready());
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn decisions_allocate_what_their_docs_say() {
    let keys = KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
    let issuer = Issuer::new(keys, "https://auth.example", "https://api.example").unwrap();
    let alice = Principal::new("alice", AuthMethod::Password)
        .with_role("user")
        .with_session("session");
    let ctx = RequestContext::builder().build();
    let token = issuer.issue(&alice, ctx.clock().now()).unwrap();
    let request = |authorization: Option<&str>| {
        let mut request = Request::new(());
        request.extensions_mut().insert(ctx.clone());
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        request
    };

    let mut auth = AuthLayer::new(issuer.verifier()).layer(Quiet);
    assert_eq!(calling(&mut auth, request(None)), 0, "anonymous");

    let bearer = format!("Bearer {}", token.expose());
    let _warm = calling(&mut auth, request(Some(&bearer)));
    let known = calling(&mut auth, request(Some(&bearer)));
    assert!(known <= 25, "a token took {known} allocations");

    let paths = PathRules::all().exclude("/public").unwrap();
    let mut role = RequireRoleLayer::new("user").paths(paths).layer(Quiet);
    assert_eq!(calling(&mut role, request(None)), 0, "a role");

    let permissions = Permissions::sample();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(
        permissions
            .decide(&alice, "comment", "delete", Some("alice"))
            .is_granted()
    );
    assert!(
        !permissions
            .decide(&alice, "comment", "delete", Some("bob"))
            .is_granted()
    );
    assert!(require_role(&ctx, "user").is_ok());
    assert_eq!(
        ALLOCATIONS.load(Ordering::Relaxed) - before,
        0,
        "permissions"
    );
    println!("verifying a token: {known} allocations");
}
