use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use sec_core::{AuthMethod, Clock, ManualClock, Principal, RequestContext};
use serde_json::json;

use super::*;
use crate::mask::{MASK, Masker};

const CANARY: &str = "s3cr3t-C4NARY";

fn seal(builder: EntryBuilder) -> AuditEntry {
    builder.seal(
        &Masker::new(),
        UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        64 * 1024,
    )
}

fn changes(before: Value, after: Value) -> Value {
    serde_json::to_value(diff(Some(&before), Some(&after), &Masker::new())).unwrap()
}

#[test]
fn a_diff_lists_what_differs_and_nothing_else() {
    let same = json!({"a": 1, "b": [1, {"c": 2}]});
    assert_eq!(changes(same.clone(), same), json!([]));
    assert_eq!(
        changes(
            json!({"kept": 1, "gone": 2, "title": "a", "tags": [1, 2], "list": [1], "deep": {"x": {"y": 1}}, "nil": null}),
            json!({"kept": 1, "new": 3, "title": "b", "tags": [1, 3], "list": [1, 2], "deep": {"x": {"y": 2}}, "nil": 0}),
        ),
        json!([
            {"path": "/deep/x/y", "before": 1, "after": 2},
            {"path": "/gone", "before": 2},
            {"path": "/list", "before": [1], "after": [1, 2]},
            {"path": "/new", "after": 3},
            {"path": "/nil", "before": null, "after": 0},
            {"path": "/tags/1", "before": 2, "after": 3},
            {"path": "/title", "before": "a", "after": "b"},
        ])
    );
    assert_eq!(
        changes(json!({"a/b~c": 1}), json!({"a/b~c": 2}))[0]["path"],
        "/a~1b~0c"
    );
    assert_eq!(
        changes(json!(1), json!({"a": 1})),
        json!([{"path": "", "before": 1, "after": {"a": 1}}])
    );
}

#[test]
fn a_changed_secret_is_listed_without_its_value() {
    let changed = changes(
        json!({"password": CANARY, "keys": {"api_keys": [CANARY]}, "card": {"no": CANARY}, "same_token": CANARY}),
        json!({"password": "new", "keys": {"api_keys": [CANARY, 2]}, "card": {"no": 2}, "same_token": CANARY}),
    );
    assert_eq!(
        changed,
        json!([
            {"path": "/card", "before": MASK, "after": MASK},
            {"path": "/keys/api_keys", "before": MASK, "after": MASK},
            {"path": "/password", "before": MASK, "after": MASK},
        ])
    );
}

#[test]
fn a_diff_is_bounded() {
    let state = |n: u32| Value::from_iter((0..1000).map(|i| (i.to_string(), json!(n))));
    let listed = diff(Some(&state(1)), Some(&state(2)), &Masker::new());
    assert_eq!(listed.len(), 257);
    assert_eq!(listed.last().unwrap().path, "…");
}

proptest! {
    /// Against the obvious model: a diff is empty exactly when the states are equal.
    #[test]
    fn a_diff_is_empty_only_between_equals(a in json_value(), b in json_value()) {
        let listed = diff(Some(&a), Some(&b), &Masker::new());
        prop_assert_eq!(listed.is_empty(), a == b);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

#[test]
fn an_event_is_taken_over_whole() {
    let clock = ManualClock::new();
    let ctx = RequestContext::builder()
        .clock(clock.clone())
        .client([203, 0, 113, 7])
        .path("/comments/7?token=x")
        .request_id("req-1")
        .user_agent("curl/8")
        .tenant("acme")
        .build();
    ctx.identify(
        Principal::new("ann", AuthMethod::Password)
            .with_roles(["admin", "user"])
            .with_session("s1"),
    );
    let event = ctx
        .event(EventKind::RESOURCE_UPDATED)
        .with_entity("comment", "7")
        .with_reason("because")
        .with_detail("status", 200)
        .with_detail("duration_us", 1500)
        .with_detail("token", CANARY)
        .with_count(3);
    let (id, at) = (event.id(), event.at());
    clock.advance(Duration::from_secs(60));
    let entry = seal(event.into());
    assert_eq!(
        (entry.id(), entry.at()),
        (id, at),
        "an entry keeps the id and time of its event"
    );
    let json = serde_json::to_value(&entry).unwrap();
    assert_eq!(
        json,
        json!({
            "seq": 0, "id": id.to_string(), "at": "2026-01-01T00:00:00.000000Z", "action": "sensitive_update",
            "severity": "low", "outcome": "success", "reason": "because", "count": 3, "duration_us": 1500,
            "actor": "ann", "roles": ["admin", "user"], "session": "s1", "tenant": "acme",
            "entity_kind": "comment", "entity_id": "7", "client": "203.0.113.7", "request_id": "req-1",
            "method": "GET", "path": "/comments/7", "user_agent": "curl/8",
            "metadata": {"status": 200, "token": MASK}, "before": null, "after": null, "changes": [],
        })
    );
}

/// Statements 6 and 12: what a database would cut or change is cut before, so that a repeat is the same.
#[test]
fn id_and_time_are_fixed_when_sealed() {
    let clock = ManualClock::new();
    clock.advance(Duration::from_nanos(123_456_789));
    let entry = AuditEntry::builder(EventKind::STARTED)
        .duration(Duration::from_nanos(1_999))
        .seal(&Masker::new(), clock.now(), 4096);
    assert_eq!(entry.at(), clock.now() - Duration::from_nanos(789));
    assert_eq!(entry.duration(), Some(Duration::from_micros(1)));
    assert_eq!(entry.id().get_version_num(), 7);
    let millis = entry.id().get_timestamp().unwrap().to_unix();
    assert_eq!(
        millis,
        (1_767_225_600, 123_000_000),
        "the id's time is the entry's"
    );
    assert_eq!(entry.clone().numbered(9).id(), entry.id());
}

/// A canary in every text and value of an entry, unmasked by name where a name can say it.
#[test]
fn a_canary_is_gone_from_every_field() {
    let look = format!("Bearer {CANARY}9");
    let entry = seal(
        AuditEntry::builder(EventKind::RESOURCE_UPDATED)
            .actor(look.as_str())
            .roles([look.as_str()])
            .session(look.as_str())
            .tenant(look.as_str())
            .reason(format!("password={CANARY}"))
            .entity(look.as_str(), look.as_str())
            .metadata("apiKey", CANARY)
            .metadata(
                "headers",
                json!({"Cookie": CANARY, "x": [format!("authorization: {CANARY}")]}),
            )
            .metadata(format!("token={CANARY}"), 1)
            .metadata("url", format!("https://u:{CANARY}@h/?secret={CANARY}"))
            .before(json!({"a": {"password": CANARY}, "b": look}))
            .after(json!({"a": {"password": [CANARY]}, "b": format!("pwd={CANARY}")})),
    );
    let json = serde_json::to_string(&entry).unwrap();
    assert!(!json.contains(CANARY), "{json}");
    assert!(!format!("{entry:?}").contains(CANARY));
    assert_eq!(entry.changes().len(), 2);
}

#[test]
fn a_builder_shows_nothing_of_what_it_holds() {
    let builder = AuditEntry::builder(EventKind::STARTED)
        .actor(CANARY)
        .metadata("password", CANARY);
    assert!(!format!("{builder:?}").contains(CANARY));
}

#[test]
fn an_entry_is_bounded_and_never_refused() {
    let huge = "x".repeat(10_000_000);
    let entry = seal(
        AuditEntry::builder(EventKind::RESOURCE_UPDATED)
            .actor(huge.as_str())
            .reason(huge.as_str())
            .entity("comment", huge.as_str())
            .roles((0..500).map(|n| format!("role{n}")))
            .metadata("note", huge.as_str())
            .before(json!({"body": huge}))
            .after(json!({"body": "short"})),
    );
    assert!(entry.bytes() < 64 * 1024, "{}", entry.bytes());
    assert_eq!(entry.actor().unwrap().chars().count(), 257);
    assert_eq!(entry.roles().count(), 32);
    assert_eq!(
        serde_json::to_value(entry.metadata()).unwrap(),
        json!({"truncated": true})
    );
    assert_eq!(entry.before(), Some(&json!({"truncated": true})));
    assert_eq!(entry.after(), Some(&json!({"body": "short"})));
}

/// A token cut in two would not look like one any more.
#[test]
fn a_secret_at_the_cut_is_masked_before_it_is_cut() {
    let jwt = format!("eyJhbGciOiJFZERTQSJ9.{}.c2ln", "eyJzdWIi".repeat(200));
    let entry =
        seal(AuditEntry::builder(EventKind::ERROR).reason(format!("{} {jwt}", "x".repeat(1000))));
    assert!(
        !entry.reason().unwrap().contains("eyJ"),
        "{:?}",
        entry.reason()
    );
}

/// Statement 16; RUSTSEC-2025-0055.
#[test]
fn texts_cannot_forge_a_line() {
    let attack = "a\r\nb\x1b[2Jc\u{9b}d\u{2028}e\u{202e}f\0";
    let entry = seal(
        AuditEntry::builder(EventKind::ERROR)
            .actor(attack)
            .reason(attack)
            .entity(attack, attack)
            .session(attack),
    );
    for text in [
        entry.actor().unwrap(),
        entry.reason().unwrap(),
        entry.entity().unwrap().1,
        entry.session().unwrap(),
    ] {
        assert!(!text.chars().any(sec_core::text::is_unsafe), "{text:?}");
        assert!(text.starts_with('a') && text.contains("[2Jc"), "{text:?}");
    }
}
