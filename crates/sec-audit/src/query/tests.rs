use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use proptest::prelude::*;
use sec_core::{EventKind, Outcome, Problem};
use serde_json::json;

use super::*;
use crate::entry::{AuditEntry, EntryBuilder};
use crate::error::{AuditError, QueryErrorKind};
use crate::{AuditConfig, AuditTrail};

fn trail() -> AuditTrail {
    AuditTrail::in_memory(&AuditConfig::default()).unwrap()
}

fn record(trail: &AuditTrail, number: u64) {
    let _ = trail.record(
        AuditEntry::builder(EventKind::RESOURCE_READ)
            .at(UNIX_EPOCH + Duration::from_secs(number))
            .entity("comment", number.to_string()),
    );
}

async fn ids(trail: &AuditTrail, query: &AuditQuery) -> (Vec<String>, Option<String>) {
    let page = trail.query(query).await.unwrap();
    let ids = page
        .entries
        .iter()
        .map(|entry| entry.entity().unwrap().1.to_owned())
        .collect();
    (ids, page.next_cursor)
}

/// Statement 18: stable under inserts.
#[tokio::test]
async fn pages_neither_repeat_nor_skip_while_entries_arrive() {
    let trail = trail();
    (0..25).for_each(|number| record(&trail, number));
    let first = AuditQuery::default().with_limit(10).unwrap();
    let (mut seen, mut cursor) = ids(&trail, &first).await;
    let mut arriving = 100;
    while let Some(after) = cursor {
        // Older by their time, too: only the number counts.
        (0..7).for_each(|_| record(&trail, 1));
        record(&trail, arriving);
        arriving += 1;
        let (more, next) = ids(&trail, &first.clone().after(after)).await;
        assert!(more.len() <= 10);
        seen.extend(more);
        cursor = next;
    }
    let expected: Vec<String> = (0..25).rev().map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_last_page_has_no_cursor() {
    let trail = trail();
    (0..10).for_each(|number| record(&trail, number));
    let query = AuditQuery::default().with_limit(10).unwrap();
    assert_eq!(ids(&trail, &query).await.1, None);
    record(&trail, 10);
    assert!(ids(&trail, &query).await.1.is_some());
    let empty = AuditQuery::parse("actor=nobody").unwrap();
    assert_eq!(ids(&trail, &empty).await, (vec![], None));
}

/// Statement 18: a tampered cursor is a 400.
#[tokio::test]
async fn a_cursor_that_is_not_the_trails_own_is_refused() {
    let trail = trail();
    (0..10).for_each(|number| record(&trail, number));
    let query = AuditQuery::parse("entity_kind=comment&limit=3").unwrap();
    let cursor = ids(&trail, &query).await.1.unwrap();
    assert!(
        trail
            .query(&query.clone().after(cursor.clone()))
            .await
            .is_ok()
    );

    let mut wrong: Vec<(AuditQuery, String)> = (0..cursor.len())
        .map(|index| {
            let mut bytes = cursor.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            (query.clone(), String::from_utf8(bytes).unwrap())
        })
        .collect();
    for text in [
        "",
        "x",
        "1",
        "9999999999",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "' OR 1=1 --",
        &"A".repeat(10_000),
    ] {
        wrong.push((query.clone(), text.to_owned()));
    }
    wrong.push((
        AuditQuery::parse("entity_kind=user").unwrap(),
        cursor.clone(),
    ));
    wrong.push((AuditQuery::default(), cursor.clone()));
    for (query, cursor) in wrong {
        let error = trail.query(&query.after(cursor.clone())).await.unwrap_err();
        let AuditError::Query(inner) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(inner.kind(), QueryErrorKind::InvalidCursor, "{cursor}");
        assert_eq!(Problem::from(&error).status(), StatusCode::BAD_REQUEST);
    }
    let other = super::tests::trail();
    assert!(
        other.query(&query.after(cursor)).await.is_err(),
        "another trail's cursor"
    );
}

fn sample() -> EntryBuilder {
    AuditEntry::builder(EventKind::LOGIN_FAILURE)
        .actor("Ann")
        .entity("user", "7")
        .tenant("acme")
        .session("s1")
        .client("2001:db8::7".parse().unwrap())
        .reason("wrong password given")
        .metadata("attempt", json!({"list": ["Third", 42]}))
        .at(UNIX_EPOCH + Duration::from_secs(1_767_225_600))
}

#[tokio::test]
async fn each_parameter_finds_and_leaves_out() {
    let trail = trail();
    let _ = trail.record(sample());
    for (query, found) in [
        ("", true),
        ("actor=Ann", true),
        ("actor=ann", false),
        ("actor=", true),
        ("action=authn_login_fail", true),
        ("action=authn_*", true),
        ("action=authn", false),
        ("action=*", true),
        ("severity=medium", true),
        ("severity=low", true),
        ("severity=high", false),
        ("outcome=failure", true),
        ("outcome=success", false),
        ("entity_kind=user", true),
        ("entity_kind=user&entity_id=7", true),
        ("entity_id=8", false),
        ("tenant=acme", true),
        ("tenant=other", false),
        ("session=s1", true),
        ("session=s2", false),
        ("client=2001:db8::7", true),
        ("client=2001%3Adb8%3A%3A%2F64", true),
        ("client=2001:db8:1::/48", false),
        ("client=203.0.113.0/24", false),
        ("client=0.0.0.0/0", false),
        ("client=::/0", true),
        ("request_id=x", false),
        ("since=2026-01-01", true),
        ("since=2026-01-01T00:00:00.000001Z", false),
        ("until=2026-01-01T00:00:00Z", false),
        ("until=2026-01-01T00:00:01+00:00", true),
        ("text=wrong+password", true),
        ("text=THIRD", true),
        ("text=42", true),
        ("text=absent", false),
        ("actor=Ann&outcome=failure&severity=medium&limit=1", true),
    ] {
        let page = trail
            .query(&AuditQuery::parse(query).unwrap())
            .await
            .unwrap();
        assert_eq!(!page.entries.is_empty(), found, "{query}");
    }
    let mapped =
        AuditEntry::builder(EventKind::LOGOUT).client("::ffff:203.0.113.9".parse().unwrap());
    let _ = trail.record(mapped);
    let page = trail
        .query(&AuditQuery::parse("client=203.0.113.0/24").unwrap())
        .await
        .unwrap();
    assert_eq!(
        page.entries.len(),
        1,
        "an IPv4-mapped address is an IPv4 address"
    );
}

#[test]
fn a_wrong_parameter_is_named() {
    use QueryErrorKind::{InvalidValue, Repeated, UnknownParameter};
    for (query, kind, parameter) in [
        ("sverity=high", UnknownParameter, "sverity"),
        ("severity=High", InvalidValue, "severity"),
        ("outcome=ok", InvalidValue, "outcome"),
        ("limit=0", InvalidValue, "limit"),
        ("limit=501", InvalidValue, "limit"),
        ("limit=-1", InvalidValue, "limit"),
        ("limit=99999999999999999999", InvalidValue, "limit"),
        ("client=me", InvalidValue, "client"),
        ("client=10.0.0.0/33", InvalidValue, "client"),
        ("client=10.0.0.0/", InvalidValue, "client"),
        ("since=yesterday", InvalidValue, "since"),
        ("until=2026-01-01T00:00:00%2B02:00", InvalidValue, "until"),
        ("actor=%ff", InvalidValue, "actor"),
        ("actor=a&actor=b", Repeated, "actor"),
        ("actor=&actor=b", Repeated, "actor"),
        ("format=csv", UnknownParameter, "format"),
        (
            "a%0d%0ab%1b=1",
            UnknownParameter,
            "a\u{FFFD}\u{FFFD}b\u{FFFD}",
        ),
    ] {
        let error = AuditQuery::parse(query).unwrap_err();
        assert_eq!(
            (error.kind(), error.parameter()),
            (kind, parameter),
            "{query}"
        );
        assert_eq!(Problem::from(&error).status(), StatusCode::BAD_REQUEST);
    }
    let long = format!("actor={}", "a".repeat(513));
    assert_eq!(AuditQuery::parse(&long).unwrap_err().kind(), InvalidValue);
}

#[test]
fn serde_follows_the_same_rules() {
    let query: AuditQuery = serde_json::from_value(
        json!({"actor": "ann", "limit": 20, "severity": "high", "cursor": null}),
    )
    .unwrap();
    assert_eq!(
        query,
        AuditQuery::parse("actor=ann&limit=20&severity=high").unwrap()
    );
    for wrong in [
        json!({"acter": "ann"}),
        json!({"limit": 0}),
        json!({"limit": "many"}),
        json!({"actor": ["a"]}),
        json!([]),
    ] {
        assert!(
            serde_json::from_value::<AuditQuery>(wrong.clone()).is_err(),
            "{wrong}"
        );
    }
    let error = serde_json::from_value::<AuditQuery>(json!({"acter": "ann"}))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("acter: there is no such parameter; there are actor, action"),
        "{error}"
    );
}

/// Statement 18: a tenant's reader sees no other tenant, whatever the query says.
#[tokio::test]
async fn a_query_is_confined_to_a_tenant() {
    let trail = trail();
    let _ = trail.record(sample());
    let _ = trail.record(sample().tenant("other"));
    let own = AuditQuery::parse("")
        .unwrap()
        .within_tenant("acme")
        .unwrap();
    let page = trail.query(&own).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].tenant(), Some("acme"));
    assert!(
        AuditQuery::parse("tenant=acme")
            .unwrap()
            .within_tenant("acme")
            .is_ok()
    );
    let error = AuditQuery::parse("tenant=other")
        .unwrap()
        .within_tenant("acme")
        .unwrap_err();
    assert_eq!(error.kind(), QueryErrorKind::ForeignTenant);
    assert_eq!(Problem::from(error).status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_is_one_line_of_safe_json() {
    let trail = trail();
    let _ = trail.record(sample().metadata("note", "a\r\n\u{2028}\u{202e}\u{9b}\u{7f}\u{e0041}b"));
    let page = trail.query(&AuditQuery::default()).await.unwrap();
    let answer = page.respond();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let text = std::str::from_utf8(answer.body()).unwrap();
    assert!(!text.chars().any(sec_core::text::is_unsafe), "{text}");
    let back: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(
        back["entries"][0]["metadata"]["note"], "a\r\n\u{2028}\u{202e}\u{9b}\u{7f}\u{e0041}b",
        "nothing is lost"
    );
    assert_eq!(back["next_cursor"], serde_json::Value::Null);
    assert_eq!(back, serde_json::to_value(&page).unwrap());
}

#[tokio::test]
async fn security_events_begin_at_medium() {
    let trail = trail();
    for kind in [
        EventKind::LOGIN_SUCCESS,
        EventKind::LOGIN_FAILURE,
        EventKind::TOKEN_REUSED,
    ] {
        let _ = trail.record(AuditEntry::builder(kind));
    }
    let query = AuditQuery::new(AuditFilter::security_events());
    assert_eq!(trail.query(&query).await.unwrap().entries.len(), 2);
    let failures = AuditFilter::new()
        .with_outcome(Outcome::Failure)
        .with_actor("x");
    assert!(
        trail
            .query(&AuditQuery::new(failures))
            .await
            .unwrap()
            .entries
            .is_empty()
    );
}

proptest! {
    /// Whatever stands in the address bar: an answer or an error, never a panic.
    #[test]
    fn any_query_string_is_answered(query in "\\PC{0,60}") {
        let _ = AuditQuery::parse(&query);
    }

    #[test]
    fn known_names_with_any_value(name in 0..15_usize, value in "[-0-9a-zA-Z%+:/.*]{0,24}") {
        let name = <AuditQuery as Parameters>::names()[name];
        let _ = AuditQuery::parse(&format!("{name}={value}"));
    }

    #[test]
    fn decoding_undoes_encoding(text in "\\PC{0,30}") {
        let encoded: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
        prop_assert_eq!(percent_decode(&encoded, true), text.as_bytes());
    }
}
