use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};

use super::*;
use crate::values::OpenerPolicy;
use crate::{DocumentPolicy, IntegrityDestination, IntegrityPolicy};

fn everything() -> SecHeaders {
    let permissions = PermissionsPolicy::new()
        .deny(Feature::Usb)
        .allow(Feature::Camera, [crate::Grant::SelfOrigin])
        .report_feature_to(Feature::Camera, "camera")
        .report_to("main");
    let integrity = IntegrityPolicy::new([IntegrityDestination::Script]).report_to("main");
    let document = DocumentPolicy::new()
        .set("document-write", false)
        .report_to("main");
    SecHeaders::none()
        .endpoint("main", "/reports")
        .endpoint("camera", "https://reports.example/camera")
        .permissions(permissions.clone())
        .permissions_report_only(permissions)
        .opener_policy(OpenerPolicy::SameOrigin.report_to("main"))
        .opener_policy_report_only(OpenerPolicy::NoopenerAllowPopups.report_to("main"))
        .embedder_policy(EmbedderPolicy::Credentialless.report_to("main"))
        .embedder_policy_report_only(EmbedderPolicy::RequireCorp.report_to("main"))
        .integrity_policy(integrity.clone())
        .integrity_policy_report_only(integrity)
        .document_policy(document.clone())
        .document_policy_report_only(document.clone())
        .require_document_policy(document)
}

const EXPECTED: [(&str, &str); 12] = [
    (
        "permissions-policy",
        r#"camera=(self);report-to="camera", usb=();report-to="main""#,
    ),
    (
        "permissions-policy-report-only",
        r#"camera=(self);report-to="camera", usb=();report-to="main""#,
    ),
    (
        "cross-origin-opener-policy",
        r#"same-origin;report-to="main""#,
    ),
    (
        "cross-origin-opener-policy-report-only",
        r#"noopener-allow-popups;report-to="main""#,
    ),
    (
        "cross-origin-embedder-policy",
        r#"credentialless;report-to="main""#,
    ),
    (
        "cross-origin-embedder-policy-report-only",
        r#"require-corp;report-to="main""#,
    ),
    (
        "integrity-policy",
        "blocked-destinations=(script), sources=(inline), endpoints=(main)",
    ),
    (
        "integrity-policy-report-only",
        "blocked-destinations=(script), sources=(inline), endpoints=(main)",
    ),
    ("document-policy", "document-write=?0, *;report-to=main"),
    (
        "document-policy-report-only",
        "document-write=?0, *;report-to=main",
    ),
    (
        "require-document-policy",
        "document-write=?0, *;report-to=main",
    ),
    (
        "reporting-endpoints",
        r#"main="/reports", camera="https://reports.example/camera""#,
    ),
];

#[test]
fn every_header_that_reports_is_written_and_parses() {
    let map = applied(&everything().build().unwrap(), Scheme::Https);
    assert_eq!(map.len(), EXPECTED.len());
    for (name, value) in EXPECTED {
        assert_eq!(
            map.get_all(name).iter().collect::<Vec<_>>(),
            [value],
            "{name}"
        );
        if name.starts_with("cross-origin") {
            let item: Item = Parser::new(value).parse().unwrap();
            assert!(matches!(item.bare_item, BareItem::Token(_)), "{name}");
        } else {
            let dictionary: Dictionary = Parser::new(value).parse().unwrap();
            assert!(!dictionary.is_empty(), "{name}");
        }
    }
    let permissions: Dictionary = Parser::new(EXPECTED[0].1).parse().unwrap();
    for (feature, endpoint) in [("camera", "camera"), ("usb", "main")] {
        let ListEntry::InnerList(list) = &permissions[feature] else {
            panic!("{feature} is a bare item, which the specification's algorithm ignores");
        };
        let named = &list.params["report-to"];
        assert!(
            matches!(named, BareItem::String(text) if text.as_str() == endpoint),
            "{feature}"
        );
    }
}

#[test]
fn each_can_be_left_out_and_none_is_set_by_hand() {
    let all = applied(&everything().build().unwrap(), Scheme::Https);
    for (name, _) in EXPECTED {
        let name = HeaderName::from_static(name);
        let raw = SecHeaders::none().header(name.clone(), HeaderValue::from_static("x"));
        assert!(raw.build().unwrap_err().has(FaultKind::Header), "{name}");
        if name == names::REPORTING_ENDPOINTS {
            continue;
        }
        let map = applied(
            &everything().without(name.clone()).build().unwrap(),
            Scheme::Https,
        );
        assert!(
            !map.contains_key(&name) && map.len() + 1 == all.len(),
            "{name}"
        );
    }
    // Without the endpoints every one of them would report to nowhere.
    let error = everything()
        .without(names::REPORTING_ENDPOINTS)
        .build()
        .unwrap_err();
    assert!(
        error
            .faults()
            .iter()
            .all(|fault| fault.kind() == FaultKind::UnknownEndpoint)
    );
    let mut fields: Vec<_> = error.faults().iter().map(Fault::field).collect();
    fields.dedup();
    assert_eq!(
        fields,
        [
            "permissions.report-to",
            "permissions_report_only.report-to",
            "opener_policy.report-to",
            "opener_policy_report_only.report-to",
            "embedder_policy.report-to",
            "embedder_policy_report_only.report-to",
            "integrity_policy.report-to",
            "integrity_policy_report_only.report-to",
            "document_policy.report-to",
            "document_policy_report_only.report-to",
            "require_document_policy.report-to",
        ]
    );
}

#[test]
fn the_last_word_counts_and_a_trial_must_report() {
    let map = applied(
        &SecHeaders::strict()
            .opener_policy(OpenerPolicy::UnsafeNone)
            .opener_policy(OpenerPolicy::SameOriginAllowPopups)
            .build()
            .unwrap(),
        Scheme::Https,
    );
    assert_eq!(
        map["cross-origin-opener-policy"],
        "same-origin-allow-popups"
    );
    let silent = SecHeaders::none()
        .opener_policy_report_only(OpenerPolicy::SameOrigin)
        .embedder_policy_report_only(EmbedderPolicy::RequireCorp)
        .build()
        .unwrap_err();
    let fields: Vec<_> = silent.faults().iter().map(Fault::field).collect();
    assert_eq!(
        fields,
        [
            "opener_policy_report_only.report-to",
            "embedder_policy_report_only.report-to"
        ]
    );
    assert!(silent.has(FaultKind::UnknownEndpoint));
    let empty = SecHeaders::none().integrity_policy(IntegrityPolicy::new([]));
    assert_eq!(
        empty.build().unwrap_err().faults()[0].field(),
        "integrity_policy"
    );
    let stray = PermissionsPolicy::new().report_feature_to(Feature::Usb, "main");
    let stray = SecHeaders::none()
        .endpoint("main", "/r")
        .permissions_report_only(stray);
    let error = stray.build().unwrap_err();
    assert_eq!(error.faults()[0].field(), "permissions_report_only.usb");
}
