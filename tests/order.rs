//! The canonical order, and what each swap of two neighbours does: a documented result, or a loud 500.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::routing::{get, post};
use sec_audit::{AuditConfig, AuditQuery, AuditTrail, RequestLogLayer};
use sec_core::ContextLayer;
use sec_headers::{
    Cors, CorsLayer, CrossOriginGuard, CrossOriginGuardLayer, HeadersLayer, HostGuard,
    HostGuardLayer, SecHeaders,
};
use sec_ratelimit::{
    AddressList, AddressListLayer, Concurrency, ConcurrencyLayer, Key, Limiter, Quota,
    RateLimitLayer, Shed, ShedLayer, Subject,
};
use sec_sanitize::ErrorLayer;
use sec_tokens::{Auth, AuthLayer, Issuer, KeyRing, SigningKey};
use serde_json::Value;
use tower::ServiceExt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Context,
    RequestLog,
    Headers,
    Errors,
    Host,
    ReadBy,
    Guard,
    Lists,
    Shedding,
    AddressLimit,
    AtOnce,
    Auth,
    PrincipalLimit,
}

use Place::{
    AddressLimit, AtOnce, Context, Errors, Guard, Headers, Host, Lists, PrincipalLimit, ReadBy,
    RequestLog, Shedding,
};

const CANONICAL: [Place; 13] = [
    Context,
    RequestLog,
    Headers,
    Errors,
    Host,
    ReadBy,
    Guard,
    Lists,
    Shedding,
    AddressLimit,
    AtOnce,
    Place::Auth,
    PrincipalLimit,
];

/// A service whose layers stand in a given order: each limit at two requests a minute, one request under way in all and
/// two of one address, 192.0.2.0/24 on the block list.
struct Stack {
    router: Router,
    trail: AuditTrail,
    shed: Shed,
    at_once: Concurrency,
}

impl Stack {
    fn new(order: &[Place]) -> Self {
        let trail = AuditTrail::in_memory(&AuditConfig::default()).unwrap();
        let shed = Shed::new(1).unwrap();
        let at_once = Concurrency::new("at-once", 2).unwrap();
        let routes = Router::new()
            .route("/", get(async || "hello").post(async || "changed"))
            .route("/mine", get(async |who: Auth| who.subject().to_owned()))
            .route(
                "/panic",
                get(async || -> &'static str { panic!("a secret of the handler") }),
            )
            .route("/report", post(async || StatusCode::NO_CONTENT));
        let router = order
            .iter()
            .rev()
            .fold(routes, |router, place| match place {
                Shedding => router.layer(ShedLayer::new(shed.clone())),
                AtOnce => router.layer(ConcurrencyLayer::new(at_once.clone(), Key::ip()).unwrap()),
                place => wrap(router, *place, &trail),
            });
        // Around all of them, so that unknown routes pass through every layer.
        Self {
            router: Router::new().fallback_service(router),
            trail,
            shed,
            at_once,
        }
    }

    /// The canonical order with one layer and its inner neighbour changed about.
    fn swapped(outer: Place) -> Self {
        let mut order = CANONICAL;
        let at = order.iter().position(|place| *place == outer).unwrap();
        order.swap(at, at + 1);
        Self::new(&order)
    }

    async fn send(&self, request: http::request::Builder) -> Answer {
        self.send_from([203, 0, 113, 7], request).await
    }

    /// From an address on the block list.
    async fn send_listed(&self, request: http::request::Builder) -> Answer {
        self.send_from([192, 0, 2, 7], request).await
    }

    async fn send_from(&self, client: [u8; 4], request: http::request::Builder) -> Answer {
        let mut request: Request<Body> = request.body(Body::empty()).unwrap();
        let host = request.headers_mut().entry("host");
        host.or_insert(HeaderValue::from_static("a.test"));
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from((client, 4000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            policy: parts.headers.contains_key("content-security-policy"),
            readable: parts.headers.contains_key("access-control-allow-origin"),
            body,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// Without `Origin`, of which CORS has nothing to say.
    async fn cross_origin_post(&self) -> Answer {
        self.send(Request::post("/").header("sec-fetch-site", "cross-site"))
            .await
    }

    async fn foreign_host(&self, request: http::request::Builder) -> Answer {
        self.send(request.header("host", "evil.test")).await
    }

    async fn cross_origin_read(&self) -> Answer {
        self.send(Request::get("/").header("origin", "https://evil.test"))
            .await
    }

    async fn bad_token(&self) -> Answer {
        self.send(Request::get("/").header("authorization", "Bearer forged"))
            .await
    }

    async fn entries(&self, action: &str) -> usize {
        let query = AuditQuery::parse(&format!("action={action}")).unwrap();
        let page: Value =
            serde_json::from_slice(&self.trail.query(&query).await.unwrap().to_json()).unwrap();
        page["entries"].as_array().unwrap().len()
    }
}

/// The canonical order with one layer moved inwards, past another one.
fn moved(layer: Place, past: Place) -> Vec<Place> {
    let others = CANONICAL.into_iter().filter(|place| *place != layer);
    others
        .flat_map(|place| match place == past {
            true => vec![place, layer],
            false => vec![place],
        })
        .collect()
}

struct Answer {
    status: u16,
    policy: bool,
    /// To the page that asked, by CORS.
    readable: bool,
    body: bytes::Bytes,
}

impl Answer {
    /// Whether it was refused by this policy.
    fn is_of(&self, policy: &str) -> bool {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["violated-policies"][0] == policy
    }
}

fn wrap(router: Router, place: Place, trail: &AuditTrail) -> Router {
    let limit = |key: Key| {
        let quota = Quota::per(2, std::time::Duration::from_secs(60));
        RateLimitLayer::new(Limiter::builder().tier("two", quota, key).build().unwrap()).unwrap()
    };
    match place {
        Context => router.layer(ContextLayer::new().sink(Arc::new(trail.clone()))),
        RequestLog => router.layer(RequestLogLayer::new()),
        Headers => router.layer(HeadersLayer::new(SecHeaders::web_app().build().unwrap())),
        Errors => router.layer(ErrorLayer::new()),
        Host => router.layer(HostGuardLayer::new(HostGuard::new(["a.test"]).unwrap())),
        ReadBy => router.layer(CorsLayer::new(
            Cors::builder().origin("https://app.test").build().unwrap(),
        )),
        Guard => router.layer(CrossOriginGuardLayer::new(CrossOriginGuard::new())),
        Lists => router.layer(AddressListLayer::new(
            AddressList::parse("", "192.0.2.0/24").unwrap(),
        )),
        Shedding | AtOnce => unreachable!("the stack keeps what these count"),
        AddressLimit => router.layer(limit(Key::ip())),
        Place::Auth => {
            let keys = KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
            let issuer = Issuer::new(keys, "https://a.test", "https://a.test").unwrap();
            router.layer(AuthLayer::new(issuer.verifier()))
        }
        PrincipalLimit => router.layer(limit(Key::principal().or_ip())),
    }
}

#[tokio::test]
async fn in_the_canonical_order_every_protection_holds() {
    let stack = Stack::new(&CANONICAL);
    let cross = stack.cross_origin_post().await;
    assert_eq!((cross.status, cross.policy), (403, true));
    let foreign = stack.foreign_host(Request::get("/")).await;
    assert_eq!((foreign.status, foreign.policy), (421, true));
    let read = stack.cross_origin_read().await;
    assert_eq!((read.status, read.policy), (403, true));
    let panic = stack.get("/panic").await;
    assert_eq!(
        (panic.status, panic.policy),
        (500, true),
        "the answer after a panic has the policy's headers"
    );
    assert!(!String::from_utf8_lossy(&panic.body).contains("secret"));
    assert_eq!(stack.entries("sys_crash").await, 1);
    let unknown = stack.get("/nowhere").await;
    assert_eq!((unknown.status, unknown.policy), (404, true));
    assert!(String::from_utf8_lossy(&unknown.body).contains("\"status\":404"));
    assert_eq!(
        stack.get("/").await.status,
        429,
        "what was refused as cross-origin or under a foreign name did not count, the others did"
    );
    assert_eq!(
        stack.entries("request").await,
        6,
        "the log saw every answer"
    );

    let stack = Stack::new(&CANONICAL);
    assert_eq!(stack.bad_token().await.status, 401);
    assert_eq!(stack.get("/mine").await.status, 401);
    assert_eq!(
        stack.bad_token().await.status,
        429,
        "guessing tokens counts against the address"
    );
}

#[tokio::test]
async fn context_inside_of_the_request_log_is_a_loud_500() {
    let stack = Stack::swapped(Context);
    assert_eq!(stack.get("/").await.status, 500);
}

/// Documented: nothing is lost, the log's duration leaves out the header layer's nanoseconds.
#[tokio::test]
async fn request_log_inside_of_headers_logs_all_the_same() {
    let stack = Stack::swapped(RequestLog);
    let answer = stack.get("/").await;
    assert_eq!((answer.status, answer.policy), (200, true));
    assert_eq!(stack.entries("request").await, 1);
}

/// Documented: the answer after a panic has the problem's own headers, not the policy's.
#[tokio::test]
async fn headers_inside_of_errors_miss_the_answer_after_a_panic() {
    let stack = Stack::swapped(Headers);
    let panic = stack.get("/panic").await;
    assert_eq!((panic.status, panic.policy), (500, false));
    let answer = stack.get("/").await;
    assert_eq!((answer.status, answer.policy), (200, true));
}

/// Documented: no difference; the refusal of a host is a problem of its own.
#[tokio::test]
async fn errors_inside_of_the_host_guard_change_nothing() {
    let stack = Stack::swapped(Errors);
    let foreign = stack.foreign_host(Request::get("/")).await;
    assert_eq!((foreign.status, foreign.policy), (421, true));
    assert_eq!(stack.get("/panic").await.status, 500);
    assert_eq!(stack.entries("sys_crash").await, 1);
}

/// Documented: the same requests are refused, some of them for their origin.
#[tokio::test]
async fn the_host_guard_inside_of_cors_refuses_the_same() {
    let read = || Request::get("/").header("origin", "https://evil.test");
    let stack = Stack::new(&CANONICAL);
    assert_eq!(stack.foreign_host(read()).await.status, 421);
    let stack = Stack::swapped(Host);
    assert_eq!(stack.foreign_host(read()).await.status, 403);
    assert_eq!(stack.foreign_host(Request::get("/")).await.status, 421);
}

/// Documented: the same requests are refused, and a listed page cannot read why the guard did so.
#[tokio::test]
async fn cors_inside_of_the_guard_refuses_the_same() {
    let listed = || Request::post("/").header("origin", "https://app.test");
    for (stack, readable) in [
        (Stack::new(&CANONICAL), true),
        (Stack::swapped(ReadBy), false),
    ] {
        let answer = stack.send(listed()).await;
        assert_eq!((answer.status, answer.readable), (403, readable));
        assert_eq!(stack.cross_origin_post().await.status, 403);
        assert_eq!(stack.cross_origin_read().await.status, 403);
        assert_eq!(stack.entries("malicious_csrf").await, 2);
    }
}

/// Documented: another site can use up the visitor's own quota.
#[tokio::test]
async fn the_guard_inside_of_the_address_limit_counts_cross_origin_requests() {
    // Three places further in.
    let stack = Stack::new(&moved(Guard, AddressLimit));
    for _ in 0..2 {
        assert_eq!(stack.cross_origin_post().await.status, 403);
    }
    assert_eq!(stack.get("/").await.status, 429);
}

/// Documented: the same requests are refused, some of them for their address.
#[tokio::test]
async fn the_guard_inside_of_the_lists_refuses_the_same() {
    let forged = || Request::post("/").header("sec-fetch-site", "cross-site");
    for (stack, kind) in [
        (Stack::new(&CANONICAL), "malicious_csrf"),
        (Stack::swapped(Guard), "excess_block"),
    ] {
        assert_eq!(stack.send_listed(forged()).await.status, 403);
        assert_eq!(stack.entries(kind).await, 1);
        assert_eq!(stack.cross_origin_post().await.status, 403);
        assert_eq!(stack.send_listed(Request::get("/")).await.status, 403);
    }
}

/// Documented: a listed address is told that the service is busy and asked to come back.
#[tokio::test]
async fn the_lists_inside_of_shedding_ask_who_is_listed_to_come_back() {
    for (stack, status) in [(Stack::new(&CANONICAL), 403), (Stack::swapped(Lists), 503)] {
        let full = stack.shed.try_acquire().unwrap();
        assert_eq!(stack.send_listed(Request::get("/")).await.status, status);
        assert_eq!(stack.get("/").await.status, 503);
        drop(full);
        assert_eq!(stack.send_listed(Request::get("/")).await.status, 403);
        assert_eq!(stack.get("/").await.status, 200);
    }
}

/// Documented: whoever keeps trying while the service is saturated has no quota left when it is not.
#[tokio::test]
async fn shedding_inside_of_the_address_limit_costs_the_callers_their_quota() {
    for (stack, status) in [
        (Stack::new(&CANONICAL), 200),
        (Stack::swapped(Shedding), 429),
    ] {
        let full = stack.shed.try_acquire().unwrap();
        for _ in 0..2 {
            assert_eq!(stack.get("/").await.status, 503);
        }
        drop(full);
        assert_eq!(stack.get("/").await.status, status);
    }
}

/// Documented: knocking while too much is under way costs no quota, so it never becomes a block either.
#[tokio::test]
async fn the_address_limit_inside_of_the_limit_of_what_is_under_way_does_not_see_its_refusals() {
    let swapped = Stack::swapped(AddressLimit);
    for (stack, seen) in [(Stack::new(&CANONICAL), true), (swapped, false)] {
        let client = Subject::of(IpAddr::from([203, 0, 113, 7]));
        let under_way = [(); 2].map(|()| stack.at_once.try_acquire(&client).unwrap());
        for _ in 0..2 {
            let answer = stack.get("/").await;
            assert!(answer.is_of("at-once"), "{:?}", answer.body);
        }
        assert_eq!(stack.get("/").await.is_of("two"), seen);
        drop(under_way);
        assert_eq!(stack.get("/").await.status, if seen { 429 } else { 200 });
    }
}

/// Documented: who authenticates slowly, or not at all, is not bounded.
#[tokio::test]
async fn the_limit_of_what_is_under_way_inside_of_authentication_does_not_see_bad_tokens() {
    for (stack, status) in [(Stack::new(&CANONICAL), 429), (Stack::swapped(AtOnce), 401)] {
        let client = Subject::of(IpAddr::from([203, 0, 113, 7]));
        let under_way = [(); 2].map(|()| stack.at_once.try_acquire(&client).unwrap());
        assert_eq!(stack.bad_token().await.status, status);
        assert_eq!(stack.get("/").await.status, 429);
        drop(under_way);
    }
}

/// Documented: guessing tokens is not counted, because it is refused first.
#[tokio::test]
async fn the_address_limit_inside_of_authentication_does_not_see_bad_tokens() {
    // Two places further in.
    let stack = Stack::new(&moved(AddressLimit, Place::Auth));
    for _ in 0..5 {
        assert_eq!(stack.bad_token().await.status, 401);
    }
    assert_eq!(stack.get("/").await.status, 200);
}

#[tokio::test]
async fn the_lists_and_shedding_outside_of_the_context_are_a_loud_500() {
    for outermost in [Lists, Shedding, AddressLimit, AtOnce] {
        let order: Vec<_> = std::iter::once(outermost).chain(CANONICAL).collect();
        assert_eq!(
            Stack::new(&order).get("/").await.status,
            500,
            "{outermost:?} outside of the context"
        );
    }
}

#[tokio::test]
async fn a_limit_by_principal_outside_of_authentication_is_a_loud_500() {
    let stack = Stack::swapped(Place::Auth);
    // The swap puts PrincipalLimit around Auth.
    assert_eq!(stack.get("/").await.status, 500);
}

#[tokio::test]
async fn whatever_needs_a_layer_that_is_missing_is_a_loud_500() {
    for missing in [Context, Place::Auth] {
        let order: Vec<_> = CANONICAL
            .into_iter()
            .filter(|place| *place != missing)
            .collect();
        let stack = Stack::new(&order);
        assert_eq!(stack.get("/mine").await.status, 500, "without {missing:?}");
    }
}

/// Only what nothing else needs can be left out, and then its own protection is what is missing.
#[tokio::test]
async fn a_layer_left_out_is_felt() {
    let without = |missing: Place| {
        Stack::new(
            &CANONICAL
                .into_iter()
                .filter(|place| *place != missing)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(without(RequestLog).entries("request").await, 0);
    assert!(!without(Headers).get("/").await.policy);
    let foreign = without(Host).foreign_host(Request::get("/")).await;
    assert_eq!(foreign.status, 200);
    assert_eq!(without(ReadBy).cross_origin_read().await.status, 200);
    assert_eq!(without(Guard).cross_origin_post().await.status, 200);
    let open = without(Lists).send_listed(Request::get("/")).await;
    assert_eq!(open.status, 200);
    let stack = without(Shedding);
    let full = stack.shed.try_acquire().unwrap();
    assert_eq!(stack.get("/").await.status, 200);
    drop(full);
    let stack = without(AtOnce);
    let client = Subject::of(IpAddr::from([203, 0, 113, 7]));
    let under_way = [(); 2].map(|()| stack.at_once.try_acquire(&client).unwrap());
    assert_eq!(stack.get("/").await.status, 200);
    drop(under_way);
    let stack = without(AddressLimit);
    for _ in 0..5 {
        assert_eq!(stack.bad_token().await.status, 401);
    }
}
