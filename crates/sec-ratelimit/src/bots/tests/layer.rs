//! The layer and the section.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sec_core::{EventKind, FieldFaults, PathRules};
use tower::{Layer, ServiceExt, service_fn};

use super::*;

async fn status(layer: &BotLayer, ctx: &RequestContext) -> (StatusCode, Option<BotVerdict>) {
    let service = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::<Bytes>::default());
        if let Some(verdict) = BotVerdict::of(request.extensions()) {
            response.extensions_mut().insert(verdict.clone());
        }
        Ok::<_, Infallible>(response)
    });
    let mut request = Request::new(());
    request.extensions_mut().insert(ctx.clone());
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let refused = response.extensions().get::<BotRefused>();
    let refused = refused.map(|refused| refused.verdict().clone());
    let passed = response.extensions().get::<BotVerdict>().cloned();
    (response.status(), refused.or(passed))
}

#[tokio::test]
async fn the_layer_refuses_or_marks_and_tells_the_trail_once() {
    let dns = Dns::of(&[("66.249.66.1", "crawl.googlebot.com", &["66.249.66.1"])]);
    let bots = bots(&dns, &ManualClock::new());
    let layer = BotLayer::new(bots.clone());
    let sink = CollectingSink::new();
    let liar = RequestContext::builder()
        .client("192.0.2.1".parse::<IpAddr>().unwrap())
        .user_agent(GOOGLEBOT)
        .path("/orders")
        .coalesce(Duration::from_secs(10))
        .clock(ManualClock::new())
        .sink(sink.clone())
        .build();
    let pending = named(BotVerdict::Pending, "Googlebot");
    assert_eq!(status(&layer, &liar).await, (StatusCode::OK, Some(pending)));
    bots.refresh().await;
    let spoofed = named(BotVerdict::Spoofed, "Googlebot");
    for _ in 0..50 {
        let answer = status(&layer, &liar).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, Some(spoofed.clone())));
    }
    assert_eq!(sink.events().len(), 1);
    assert_eq!(sink.events()[0].kind(), &EventKind::SUSPICIOUS);
    assert_eq!(sink.events()[0].detail()["bot"], "Googlebot");

    let marks = layer.clone().on_spoofed(OnSpoofed::Mark);
    assert_eq!(status(&marks, &liar).await, (StatusCode::OK, Some(spoofed)));
    let bad = ctx("192.0.2.9", "BadBot/2");
    let refused = (
        StatusCode::FORBIDDEN,
        Some(named(BotVerdict::Bad, "badbot")),
    );
    assert_eq!(status(&marks, &bad).await, refused);
    let _ = bots.classify(&ctx("66.249.66.1", GOOGLEBOT));
    bots.refresh().await;
    let verified = named(BotVerdict::Verified, "Googlebot");
    let real = status(&layer, &ctx("66.249.66.1", GOOGLEBOT)).await;
    assert_eq!(real, (StatusCode::OK, Some(verified)));

    let off = layer.clone().enabled(false);
    assert_eq!(status(&off, &liar).await, (StatusCode::OK, None));
    let elsewhere = layer.paths(PathRules::all().exclude("/orders").unwrap());
    assert_eq!(status(&elsewhere, &liar).await, (StatusCode::OK, None));
}

#[test]
fn a_section_reports_its_faults_by_field() {
    for (json, fields) in [
        ("{}", &[][..]),
        (
            r#"{"bad": ["ok-bot", "x"], "good": [{"name": "Own", "agent": "ownbot", "domains": ["example.com"]}]}"#,
            &["bad[1]"],
        ),
        (
            r#"{"timeout": 0, "capacity": 0, "exclude": ["x"], "bad": [" a b"]}"#,
            &["timeout", "capacity", "exclude[0]", "bad[0]"],
        ),
        (
            r#"{"good": [{"name": "Own", "agent": "own", "domains": ["com"]},
                         {"name": "Own", "agent": "own", "domains": []},
                         {"name": "Own", "agent": "o", "domains": ["a.b"]}]}"#,
            &["good[0].domains[0]", "good[1].domains", "good[2].agent"],
        ),
    ] {
        let config: BotsConfig = serde_json::from_str(json).unwrap();
        let faults = FieldFaults::of(&config);
        let found: Vec<_> = faults.iter().map(sec_core::FieldFault::path).collect();
        assert_eq!(found, fields, "{json}");
        let layer = Bots::new(&config, Dns::default()).and_then(|bots| config.layer_of(bots));
        assert_eq!(layer.is_ok(), fields.is_empty(), "{json}");
    }
    let own = r#"{"well_known": false, "good": [{"name": "Own", "agent": "OwnBot", "domains": ["Example.COM."]}]}"#;
    let own: BotsConfig = serde_json::from_str(own).unwrap();
    let bots = Bots::new(&own, Dns::default()).unwrap();
    assert_eq!(
        bots.classify(&ctx("192.0.2.1", GOOGLEBOT)),
        BotVerdict::Unclaimed
    );
    let claim = bots.classify(&ctx("192.0.2.1", "ownbot"));
    assert_eq!(claim, named(BotVerdict::Pending, "Own"));
    assert!(serde_json::from_str::<BotsConfig>(r#"{"ugly": []}"#).is_err());
}
