use http_body_util::BodyExt;
use sec_core::{EventKind, EventSink, ManualClock, Outcome, RequestContext, SecurityEvent};
use serde_json::{Value, json};

use super::csv::cell;
use super::*;
use crate::entry::AuditEntry;
use crate::{AuditConfig, AuditQuery};

const CANARY: &str = "s3cr3t-C4NARY";

fn trail() -> AuditTrail {
    AuditTrail::in_memory(&AuditConfig::default()).unwrap()
}

fn context(trail: &AuditTrail) -> RequestContext {
    let ctx = RequestContext::builder()
        .sink(Arc::new(trail.clone()))
        .build();
    ctx.identify(sec_core::Principal::new(
        "root",
        sec_core::AuthMethod::Password,
    ));
    ctx
}

async fn text(export: Export) -> String {
    let bytes = export.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

/// Statement 17; OWASP "CSV Injection"; retraced exports formulas unescaped.
#[test]
fn no_cell_is_a_formula() {
    for (value, expected) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\u{a0}=1", "'\u{a0}=1"),
        ("\u{3000}＝1", "'\u{3000}＝1"),
        ("\t=1", "'\u{FFFD}=1"),
        ("\r=1", "'\u{FFFD}=1"),
        ("\n=1", "'\u{FFFD}=1"),
        ("\u{200b}=1", "'\u{FFFD}=1"),
        ("\u{feff}=1", "'\u{FFFD}=1"),
        ("\"=1", "'\"=1"),
        ("'=1", "''=1"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠x", "'＠x"),
        ("−1", "'−1"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("x;=1+1", "x;'=1+1"),
        ("x; \"=1", "x;' \"=1"),
        ("\tx", "\u{FFFD}x"),
        ("\rx", "\u{FFFD}x"),
        ("\nx", "\u{FFFD}x"),
        ("a=1", "a=1"),
        ("user@example.com", "user@example.com"),
        (
            "Mozilla/5.0 (X11; Linux x86_64)",
            "Mozilla/5.0 (X11; Linux x86_64)",
        ),
        ("00123", "00123"),
        ("", ""),
    ] {
        assert_eq!(cell(value), expected, "{value:?}");
    }
}

/// Statements 16 and 17 over every text of an entry and every format.
#[tokio::test]
async fn one_entry_is_one_line_whatever_it_holds() {
    let attack = "=a\",\r\nb\x1b[31m\u{85}\u{9b}\u{2028}\u{202e}\u{2066}\"c;=d";
    let trail = trail();
    let entry = AuditEntry::builder(EventKind::ERROR)
        .actor(attack)
        .roles([attack])
        .reason(attack)
        .entity(attack, attack)
        .session(attack)
        .tenant(attack)
        .metadata(attack, attack)
        .before(json!(attack))
        .after(json!({attack: [attack]}));
    let _ = trail.record(entry);
    let query = |format| ExportQuery::new(AuditFilter::new().with_action("sys_error"), format);

    let lines = text(trail.export_by(&query(Format::JsonLines), "job")).await;
    assert_eq!(lines.lines().count(), 1);
    assert!(
        !lines.trim_end().chars().any(sec_core::text::is_unsafe),
        "{lines}"
    );
    let back: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(back["before"], attack, "JSON loses nothing of a value");

    let array = text(trail.export_by(&query(Format::Json), "job")).await;
    assert_eq!(array.lines().count(), 3);
    assert!(
        !array
            .replace('\n', "")
            .chars()
            .any(sec_core::text::is_unsafe)
    );
    assert_eq!(serde_json::from_str::<Value>(&array).unwrap()[0], back);

    let csv = text(trail.export_by(&query(Format::Csv), "job")).await;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(
        !csv.replace("\r\n", "")
            .chars()
            .any(sec_core::text::is_unsafe),
        "{csv}"
    );
    let rows = rows(&csv);
    assert_eq!((rows.len(), rows[0].len(), rows[1].len()), (2, 24, 24));
    for (name, value) in rows[0].iter().zip(&rows[1]) {
        assert!(!value.starts_with(['=', '+', '-', '@']), "{name}: {value}");
        assert!(!value.contains(";="), "{name}: {value}");
    }
    assert!(rows[1][9].starts_with("'=a"));
}

#[tokio::test]
async fn columns_and_members_have_the_same_names_in_the_same_order() {
    let trail = trail();
    let _ = trail.record(AuditEntry::builder(EventKind::STARTED).actor("a,\"b\""));
    let filter = AuditFilter::new().with_action("sys_startup");
    let csv = text(trail.export_by(&ExportQuery::new(filter.clone(), Format::Csv), "job")).await;
    let rows = rows(&csv);
    let line = text(trail.export_by(&ExportQuery::new(filter, Format::JsonLines), "job")).await;
    let mut rest = line.as_str();
    for name in &rows[0] {
        let (_, after) = rest
            .split_once(&format!("\"{name}\":"))
            .unwrap_or_else(|| panic!("{name} in {rest}"));
        rest = after;
    }
    assert_eq!(rows[1][9], "a,\"b\"");
    assert!(
        csv.starts_with("\"seq\",\"id\","),
        "not `ID`, which Excel takes for a SYLK file"
    );
}

#[tokio::test]
async fn large_exports_come_in_pieces_and_whole() {
    for format in [Format::Json, Format::JsonLines, Format::Csv] {
        let trail = trail();
        for number in 0..1000 {
            let entry = AuditEntry::builder(EventKind::RESOURCE_READ);
            let _ = trail.record(entry.entity("n", number.to_string()));
        }
        let filter = AuditFilter::new().with_action("sensitive_read");
        let mut body = trail
            .export_by(&ExportQuery::new(filter, format), "job")
            .into_body();
        let late = || AuditEntry::builder(EventKind::RESOURCE_READ).entity("n", "late");
        // What arrives from now on is not part of it: an export ends.
        let _ = trail.record(late());
        let mut frames = 0;
        let mut out = Vec::new();
        while let Some(frame) = body.frame().await {
            frames += 1;
            out.extend_from_slice(&frame.unwrap().into_data().unwrap());
            let _ = trail.record(late());
        }
        let text = String::from_utf8(out).unwrap();
        let numbers: Vec<String> = match format {
            Format::Csv => rows(&text)[1..].iter().map(|row| row[14].clone()).collect(),
            Format::Json => serde_json::from_str::<Vec<Value>>(&text)
                .unwrap()
                .iter()
                .map(id)
                .collect(),
            Format::JsonLines => text
                .lines()
                .map(|line| id(&serde_json::from_str(line).unwrap()))
                .collect(),
        };
        let expected: Vec<String> = (0..1000).rev().map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected, "{format:?}");
        assert!(frames >= 4, "{frames}");
    }
}

fn id(entry: &Value) -> String {
    entry["entity_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_empty_export_is_a_document() {
    let trail = trail();
    let query = |format| ExportQuery::new(AuditFilter::new().with_actor("nobody"), format);
    assert_eq!(
        text(trail.export_by(&query(Format::Json), "job")).await,
        "[]\n"
    );
    assert_eq!(
        text(trail.export_by(&query(Format::JsonLines), "job")).await,
        ""
    );
    assert_eq!(
        rows(&text(trail.export_by(&query(Format::Csv), "job")).await).len(),
        1
    );
}

/// Statement 18: exports audit themselves.
#[tokio::test]
async fn an_export_is_on_record_before_and_after() {
    let trail = trail();
    let ctx = context(&trail);
    let _ = trail.record(AuditEntry::builder(EventKind::STARTED));
    let exports = async || {
        let query = AuditQuery::parse("action=data_export").unwrap();
        trail.query(&query).await.unwrap().entries
    };
    let query = ExportQuery::parse("format=csv&severity=low&text=secret%3Dhunter2").unwrap();
    let export = trail.export(&query, &ctx);
    let begun = exports().await;
    assert_eq!((begun.len(), begun[0].outcome()), (1, Outcome::Pending));
    assert_eq!(begun[0].actor(), Some("root"));
    assert_eq!(begun[0].request_id(), Some(ctx.request_id()));
    assert_eq!(begun[0].metadata()["format"], "csv");
    assert_eq!(begun[0].metadata()["filter.severity"], "low");
    assert_eq!(begun[0].metadata()["filter.text"], "secret=[masked]");
    drop(export);
    let broken = exports().await;
    assert_eq!((broken.len(), broken[0].outcome()), (2, Outcome::Failure));
    assert_eq!(broken[0].reason(), Some("the export was broken off"));

    let whole = ExportQuery::parse("format=json&action=sys_startup").unwrap();
    let _ = text(trail.export(&whole, &ctx)).await;
    let done = exports().await;
    assert_eq!((done.len(), done[0].outcome()), (4, Outcome::Success));
    assert_eq!(done[0].metadata()["entries"], 1);
    assert_ne!(done[0].id(), done[1].id());
}

#[tokio::test]
async fn the_answer_is_complete() {
    let clock = ManualClock::new();
    let trail = trail().with_clock(clock);
    let response = trail
        .export(&ExportQuery::parse("format=csv").unwrap(), &context(&trail))
        .into_response();
    let headers = response.headers();
    assert_eq!(
        headers["content-type"],
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(
        headers["content-disposition"],
        "attachment; filename=\"audit-20260101T000000Z.csv\""
    );
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[test]
fn parameters_are_checked() {
    assert_eq!(ExportQuery::parse("").unwrap().format(), Format::Json);
    assert_eq!(
        ExportQuery::parse("format=jsonl").unwrap().format(),
        Format::JsonLines
    );
    assert!(ExportQuery::parse("format=xls").is_err());
    assert!(ExportQuery::parse("limit=5").is_err());
    assert!(
        ExportQuery::parse("tenant=b")
            .unwrap()
            .within_tenant("a")
            .is_err()
    );
    let own = ExportQuery::parse("").unwrap().within_tenant("a").unwrap();
    assert_eq!(own.filter().tenant(), Some("a"));
    let query: ExportQuery =
        serde_json::from_value(json!({"format": "csv", "actor": "a"})).unwrap();
    assert_eq!(query, ExportQuery::parse("actor=a&format=csv").unwrap());
}

/// Statement 15: a canary that goes in everywhere comes out nowhere.
#[tokio::test]
async fn a_canary_comes_out_of_no_face_of_the_trail() {
    let trail = trail();
    let ctx = context(&trail);
    let look = format!("Authorization: Bearer {CANARY}");
    let event = ctx
        .event(EventKind::TOKEN_REJECTED)
        .with_reason(look.clone())
        .with_subject(look.as_str())
        .with_entity("token", look.as_str())
        .with_detail(
            "headers",
            json!({"Cookie": CANARY, "X-Api-Key": CANARY, "accept": [look]}),
        )
        .with_detail("query", format!("a=1&access_token={CANARY}&b=2"))
        .with_detail("pin", 31_337)
        .with_detail("url", format!("redis://:{CANARY}@host/"))
        .with_detail(
            "body",
            format!("{{\"user\":{{\"password\":\"{CANARY}\"}}}}"),
        );
    let _ = trail.emit(event);
    let _ = trail.emit(
        SecurityEvent::new(EventKind::ERROR, &*ManualClock::new()).with_subject(look.as_str()),
    );
    let _ = trail.record(
        AuditEntry::builder(EventKind::RESOURCE_UPDATED)
            .before(json!({"users": [{"password": CANARY, "totp_secret": 31_337}]}))
            .after(json!({"users": [{"password": true, "totp_secret": CANARY}]})),
    );

    let page = trail.query(&AuditQuery::default()).await.unwrap();
    let mut out = vec![
        String::from_utf8(page.to_json().to_vec()).unwrap(),
        serde_json::to_string(&page).unwrap(),
        format!("{page:?} {trail:?} {:?}", trail.health()),
    ];
    for format in [Format::Json, Format::JsonLines, Format::Csv] {
        out.push(text(trail.export(&ExportQuery::new(AuditFilter::new(), format), &ctx)).await);
        let mut plain = Vec::new();
        write_entries(&mut plain, page.entries.iter().map(AsRef::as_ref), format).unwrap();
        out.push(String::from_utf8(plain).unwrap());
    }
    for text in out {
        assert!(!text.contains(CANARY), "{text}");
        assert!(!text.contains("31337"), "{text}");
    }
}
