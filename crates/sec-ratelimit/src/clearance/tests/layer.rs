//! The layer, the page and what a browser or a program gets.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sec_core::{ManualClock, PathRules, Problem, RequestView};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::clearance::page;
use crate::{Key, Limiter, OnExceed, Quota, RateLimitLayer, Shed, Tier};

const NAVIGATION: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn send(layer: &ChallengeLayer, request: Request<()>) -> Response<Bytes> {
    let service = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("the service")))
    });
    let answer = layer.layer(service).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_browser_gets_a_page_that_runs_only_its_own_script() {
    let layer = ChallengeLayer::new(clearance(&ManualClock::new()), |_| Demand::Work);
    let path = "/a?q=%22%3E<script>alert(1)</script>";
    let path = path.replace('<', "%3C").replace('>', "%3E");
    let request = ADA.request(Method::GET, &path, &[("accept", NAVIGATION)]);
    let page = send(&layer, request).await;
    assert_eq!(page.status(), StatusCode::TOO_MANY_REQUESTS);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(page.headers()[name], value, "{name}");
    }
    assert!(page.extensions().get::<Problem>().is_some());
    let text = std::str::from_utf8(page.body()).unwrap();
    assert!(!text.contains("alert"), "nothing of the request is in it");
    assert!(!text.contains("//cdn") && !text.contains(" src=") && !text.contains("href="));
    // The policy names exactly what stands between the tags.
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    for (directive, tag) in [("script-src", "script"), ("style-src", "style")] {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        assert_eq!(text.matches(&open).count(), 1, "one {tag}");
        let start = text.find(&open).unwrap() + open.len();
        let inside = text.get(start..text.find(&close).unwrap()).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, inside.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        assert!(
            policy.contains(&format!("{directive} 'sha256-{hash}'")),
            "{policy}"
        );
    }
    assert!(policy.starts_with("default-src 'none'; "));
    for bad in ["unsafe-inline", "unsafe-eval", "unsafe-hashes", "http", "*"] {
        assert!(!policy.contains(bad), "{policy}");
    }
}

/// What the script relies on: one block of the hash is constant, the rest fits into a second one.
#[test]
fn a_token_fills_one_block_of_the_hash_and_a_part_of_the_next() {
    let challenge = clearance(&ManualClock::new()).challenge(&ADA.here(), 0);
    let prefix = challenge.token().len() + ":".len();
    assert!((64..64 + 64 - 20 - 9).contains(&prefix), "{prefix}");
}

#[tokio::test]
async fn everything_but_a_navigation_gets_the_problem_with_the_challenge() {
    let layer = ChallengeLayer::new(clearance(&ManualClock::new()), |_| Demand::Harder(3));
    for (method, headers) in [
        (Method::GET, &[][..]),
        (Method::GET, &[("accept", "application/json")]),
        (Method::GET, &[("accept", "*/*")]),
        (Method::POST, &[("accept", "application/json")]),
    ] {
        let answer = send(&layer, ADA.request(method, "/api", headers)).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(
            problem["type"]
                .as_str()
                .unwrap()
                .ends_with("#challenge-required")
        );
        let challenge = &problem["challenge"];
        assert_eq!(challenge["kind"], "proof-of-work");
        assert_eq!(
            (&challenge["difficulty"], &challenge["path"]),
            (&7.into(), &"/_clearance".into())
        );
        assert!(answer.extensions().get::<Challenged>().is_some());
    }
    // A script's request that says it takes HTML, and a form that would be lost, get no page to load anew.
    let embedded = [("accept", NAVIGATION), ("sec-fetch-dest", "image")];
    for request in [
        ADA.request(Method::GET, "/", &embedded),
        ADA.request(Method::POST, "/", &[("accept", NAVIGATION)]),
    ] {
        let answer = send(&layer, request).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(
            !std::str::from_utf8(answer.body())
                .unwrap()
                .contains("<script")
        );
    }
}

#[tokio::test]
async fn the_whole_way_from_the_page_to_the_service() {
    let layer = ChallengeLayer::new(clearance(&ManualClock::new()), |_| Demand::Work)
        .paths(PathRules::all().exclude("/healthz").unwrap());
    let health = ADA.request(Method::GET, "/healthz", &[]);
    assert_eq!(send(&layer, health).await.body(), "the service");

    let page = send(
        &layer,
        ADA.request(Method::GET, "/orders", &[("accept", NAVIGATION)]),
    )
    .await;
    let challenge = page.extensions().get::<Challenged>().unwrap().challenge();
    let solution = solved(challenge);
    let text = std::str::from_utf8(page.body()).unwrap();
    assert!(text.contains(&format!("data-token=\"{}\"", challenge.token())));
    assert!(text.contains("data-path=\"/_clearance\""));

    let redeem =
        |solution: &str| ADA.request(Method::POST, "/_clearance", &[(SOLUTION_HEADER, solution)]);
    let answer = send(&layer, redeem(&solution)).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let cleared = ADA.request(Method::GET, "/orders", &[("cookie", cookie)]);
    assert_eq!(send(&layer, cleared).await.body(), "the service");

    for wrong in [&*solution, "", "x:1"] {
        let answer = send(&layer, redeem(wrong)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{wrong}");
        assert!(!answer.headers().contains_key("set-cookie"));
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert!(problem["challenge"]["token"].is_string(), "another try");
    }
    let mut twice = redeem(&solution);
    twice
        .headers_mut()
        .append(SOLUTION_HEADER, HeaderValue::from_static("x"));
    assert_eq!(send(&layer, twice).await.status(), StatusCode::FORBIDDEN);
    let get = ADA.request(Method::GET, "/_clearance", &[]);
    assert_eq!(
        send(&layer, get).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );

    let off = layer.enabled(false);
    assert_eq!(
        send(&off, ADA.request(Method::GET, "/", &[])).await.body(),
        "the service"
    );
    let bare = send(&off.enabled(true), Request::new(())).await;
    assert_eq!(bare.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// A `POST` with nothing in it must not be the way to an easier challenge, nor an easier challenge the way in.
#[tokio::test]
async fn harder_work_is_not_to_be_got_round() {
    let demand = Arc::new(std::sync::atomic::AtomicU8::new(4));
    let now = demand.clone();
    let policy = move |_: RequestView<'_>| match now.load(Ordering::Relaxed) {
        0 => Demand::Work,
        bits => Demand::Harder(bits),
    };
    let clearance = clearance(&ManualClock::new());
    let layer = ChallengeLayer::new(clearance.clone(), policy);
    let bits = |answer: &Response<Bytes>| {
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        problem["challenge"]["difficulty"].as_u64().unwrap()
    };
    let post = |solution: &str| {
        let headers = [(SOLUTION_HEADER, solution)];
        ADA.request(Method::POST, "/_clearance", &headers)
    };
    let with = |cookie: &str| ADA.request(Method::GET, "/orders", &[("cookie", cookie)]);
    let worked = async |harder: u8| {
        let easy = solved(&clearance.challenge(&ADA.here(), harder));
        let answer = send(&layer, post(&easy)).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };

    let asked = send(&layer, ADA.request(Method::GET, "/orders", &[])).await;
    assert_eq!(bits(&asked), 8);
    let empty = send(&layer, ADA.request(Method::POST, "/_clearance", &[])).await;
    assert_eq!((empty.status(), bits(&empty)), (StatusCode::FORBIDDEN, 8));

    // However somebody came by an easier token: what was done for it is in the clearance, and signed.
    let easy = worked(0).await;
    let refused = send(&layer, with(&easy)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let hard = worked(4).await;
    assert_eq!(send(&layer, with(&hard)).await.body(), "the service");
    let (name, value) = easy.split_once('=').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
    bytes[1] = 40;
    let forged = format!("{name}={}", URL_SAFE_NO_PAD.encode(bytes));
    let refused = send(&layer, with(&forged)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);

    // When less is demanded both are good, and harder work than the most cannot be demanded.
    demand.store(0, Ordering::Relaxed);
    for cookie in [&easy, &hard] {
        assert_eq!(send(&layer, with(cookie)).await.body(), "the service");
    }
    demand.store(255, Ordering::Relaxed);
    let asked = send(&layer, with(&hard)).await;
    assert_eq!(bits(&asked), u64::from(ProofOfWork::MAX_DIFFICULTY));
}

/// The path is the host's, and still no page can be made to send the solution to someone else.
#[test]
fn only_own_paths_are_taken_and_they_are_escaped() {
    let layer = || ChallengeLayer::new(clearance(&ManualClock::new()), |_| Demand::Work);
    for path in [
        "",
        "/",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "evil",
        "/a/../b",
        "/a/",
        "/a/*",
        "/a?b",
        "/a#b",
        "/a\nb",
        "javascript:alert(1)",
    ] {
        assert!(layer().path(path).is_err(), "{path:?}");
    }
    assert!(layer().path("/own/clearance").is_ok());
    assert_eq!(
        page::escape("\"><script>'&"),
        "&quot;&gt;&lt;script&gt;&#39;&amp;"
    );
}

#[test]
fn the_work_rises_with_the_pressure() {
    let demands: Vec<_> = [0, 69, 70, 77, 78, 85, 93, 99, 100, 250]
        .map(|pressure| Demand::at(pressure, 70))
        .into();
    assert_eq!(
        demands,
        [
            Demand::Nothing,
            Demand::Nothing,
            Demand::Work,
            Demand::Work,
            Demand::Harder(1),
            Demand::Harder(2),
            Demand::Harder(3),
            Demand::Harder(3),
            Demand::Harder(4),
            Demand::Harder(4),
        ]
    );
    let shed = Shed::new(10).unwrap();
    assert_eq!(Demand::under_pressure(&shed, 70), Demand::Nothing);
    let _permits: Vec<_> = (0..10).map(|_| shed.try_acquire().unwrap()).collect();
    assert_eq!(Demand::under_pressure(&shed, 70), Demand::Harder(4));
    assert_eq!(Demand::under_pressure(&shed, 100), Demand::Work);
}

/// A limiter that demands, or refuses in shadow mode, further out: the challenge stands in for the refusal.
#[tokio::test]
async fn an_exceeded_limit_becomes_a_challenge() {
    let tier = |on| Tier::new("page", Quota::per_minute(1), Key::ip()).on_exceed(on);
    for (on, shadow) in [(OnExceed::Demand, false), (OnExceed::Refuse, true)] {
        let limiter = Limiter::builder().with_tier(tier(on)).build().unwrap();
        let limit = RateLimitLayer::new(limiter).unwrap().shadow(shadow);
        let challenge = ChallengeLayer::new(clearance(&ManualClock::new()), Demand::exceeded);
        let service = limit.layer(challenge.layer(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("the service")))
        })));
        let statuses = async || {
            let request = ADA.request(Method::GET, "/", &[("accept", NAVIGATION)]);
            service.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(statuses().await, StatusCode::OK);
        assert_eq!(statuses().await, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[test]
fn a_section_reports_its_faults_by_field() {
    for (json, fields) in [
        ("{}", &[][..]),
        (
            r#"{"difficulty": 0, "lifetime": "2d", "status": 200, "path": "//x", "include": ["x"]}"#,
            &["difficulty", "lifetime", "path", "status", "include[0]"],
        ),
        (r#"{"status": 503, "path": "/work"}"#, &[]),
    ] {
        let config: ChallengeConfig = serde_json::from_str(json).unwrap();
        let faults = sec_core::FieldFaults::of(&config);
        let found: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
        assert_eq!(found, fields, "{json}");
        let layer = config
            .clearance()
            .and_then(|clearance| config.layer_of(clearance, |_| Demand::Work));
        assert_eq!(layer.is_ok(), fields.is_empty());
    }
    assert!(serde_json::from_str::<ChallengeConfig>(r#"{"key": "x"}"#).is_err());
    let short = Clearance::with_keys([&KEY[..], &[1; 31]], 4).unwrap_err();
    assert_eq!(short.field(), "keys[1]");
    assert!(Clearance::with_keys([], 4).is_err());
}
