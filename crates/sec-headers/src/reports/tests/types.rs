//! Every type of the Reporting API that this crate knows, in the form of its specification or of what
//! Chromium sends.

use serde_json::{Value, json};

use super::*;

pub(super) fn one(kind: &str, body: Value) -> Report {
    let element = json!({
        "age": 27, "type": kind, "url": "https://a.example/page?token=secret",
        "user_agent": "Mozilla/5.0", "body": body,
    });
    parse(BATCH, &json!([element])).unwrap().remove(0)
}

fn place() -> SourceLocation {
    SourceLocation {
        source: "https://a.example/app.js".to_owned(),
        line: 7,
        column: 42,
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
#[allow(clippy::too_many_lines, reason = "one row per type")]
fn each_type_has_its_own_fields() {
    let rows = [
        // W3C Network Error Logging, section 8; MDN's example of a DNS failure.
        (
            "network-error",
            json!({
                "elapsed_time": 18, "method": "POST", "phase": "dns", "protocol": "http/1.1",
                "referrer": "https://u:secret@b.example/from?secret", "sampling_fraction": 0.25,
                "server_ip": "2001:db8::1", "status_code": 0, "type": "dns.name_not_resolved",
            }),
            ReportKind::NetworkError(NetworkError {
                error: text("dns.name_not_resolved"),
                phase: text("dns"),
                elapsed: Duration::from_millis(18),
                server_ip: Some("2001:db8::1".parse().unwrap()),
                protocol: text("http/1.1"),
                method: text("POST"),
                status: 0,
                sampling_fraction: 0.25,
                referrer: text("https://b.example/from"),
            }),
        ),
        // WICG Deprecation Reporting, section 3.
        (
            "deprecation",
            json!({
                "id": "websql", "anticipatedRemoval": "2026-12-01T00:00:00.000Z",
                "message": "WebSQL is deprecated, see https://chromestatus.com/feature/1?secret.",
                "sourceFile": "https://a.example/app.js?v=secret", "lineNumber": 7, "columnNumber": 42,
            }),
            ReportKind::Deprecation(Deprecation {
                id: text("websql"),
                anticipated_removal: text("2026-12-01T00:00:00.000Z"),
                message: text("WebSQL is deprecated, see https://chromestatus.com/feature/1"),
                location: place(),
            }),
        ),
        // WICG Intervention Reporting, section 3.
        (
            "intervention",
            json!({
                "id": "audio-no-gesture",
                "message": "Blocked 'https://u:secret@a.example/a.mp3#secret' (or /b?secret) as 'data:secret'",
                "sourceFile": "https://a.example/app.js", "lineNumber": 7, "columnNumber": 42,
            }),
            ReportKind::Intervention(Intervention {
                id: text("audio-no-gesture"),
                message: text("Blocked 'https://a.example/a.mp3 (or /b as 'data"),
                location: place(),
            }),
        ),
        // WICG Crash Reporting, section 3; the stack and the page's own context are not read.
        (
            "crash",
            json!({
                "reason": "unresponsive", "stack": "at secret (https://a.example/app.js:1:1)",
                "is_top_level": true, "visibility_state": "hidden",
                "crash_report_api": {"user": "secret"},
            }),
            ReportKind::Crash(Crash {
                reason: text("unresponsive"),
                top_level: Some(true),
                visibility: text("hidden"),
            }),
        ),
        // HTML, section 7.1.4.2.
        (
            "coep",
            json!({
                "type": "corp", "blockedURL": "https://cdn.example/x.png?secret",
                "destination": "image", "disposition": "reporting",
            }),
            ReportKind::Embedder(EmbedderViolation {
                cause: text("corp"),
                blocked: text("https://cdn.example/x.png"),
                destination: text("image"),
                disposition: Disposition::Report,
            }),
        ),
        // HTML, section 7.1.3.3: a navigation, and an access.
        (
            "coop",
            json!({
                "disposition": "enforce", "effectivePolicy": "same-origin-plus-coep",
                "previousResponseURL": "https://b.example/?secret", "referrer": "https://c.example/?secret",
                "type": "navigation-to-response",
            }),
            ReportKind::Opener(OpenerViolation {
                cause: text("navigation-to-response"),
                effective_policy: text("same-origin-plus-coep"),
                other: text("https://b.example/"),
                ..OpenerViolation::default()
            }),
        ),
        (
            "coop",
            json!({
                "disposition": "reporting", "effectivePolicy": "same-origin", "property": "postMessage",
                "type": "access-from-coop-page-to-opener", "openerURL": "", "openeeURL": "",
                "otherDocumentURL": "https://d.example/x", "initialPopupURL": "https://e.example/",
                "sourceFile": "https://a.example/app.js", "lineNumber": 7, "columnNumber": 42,
            }),
            ReportKind::Opener(OpenerViolation {
                cause: text("access-from-coop-page-to-opener"),
                effective_policy: text("same-origin"),
                other: text("https://d.example/x"),
                property: text("postMessage"),
                location: place(),
                disposition: Disposition::Report,
            }),
        ),
        // W3C Permissions Policy, section 7; `policyId` is Chromium's.
        (
            "permissions-policy-violation",
            json!({
                "featureId": "geolocation", "disposition": "enforce", "message": "Denied.",
                "sourceFile": "https://a.example/app.js", "lineNumber": 7, "columnNumber": 42,
            }),
            ReportKind::Permissions(PermissionsViolation {
                feature: text("geolocation"),
                message: text("Denied."),
                location: place(),
                ..PermissionsViolation::default()
            }),
        ),
        (
            "permissions-policy-violation",
            json!({"policyId": "camera", "disposition": "report"}),
            ReportKind::Permissions(PermissionsViolation {
                feature: text("camera"),
                disposition: Disposition::Report,
                ..PermissionsViolation::default()
            }),
        ),
        (
            "potential-permissions-policy-violation",
            json!({"featureId": "usb", "allowAttribute": "usb", "srcAttribute": "https://f.example/?secret"}),
            ReportKind::Permissions(PermissionsViolation {
                feature: text("usb"),
                potential: true,
                frame: text("https://f.example/"),
                ..PermissionsViolation::default()
            }),
        ),
        // WICG Document Policy, as Chromium sends it.
        (
            "document-policy-violation",
            json!({
                "policyId": "document-write", "disposition": "report", "message": "Stopped.",
                "sourceFile": "https://a.example/app.js", "lineNumber": 7, "columnNumber": 42,
            }),
            ReportKind::Document(DocumentViolation {
                feature: text("document-write"),
                message: text("Stopped."),
                location: place(),
                disposition: Disposition::Report,
            }),
        ),
        // W3C Subresource Integrity, "Report violations"; MDN's example.
        (
            "integrity-violation",
            json!({
                "documentURL": "https://a.example/page?secret", "blockedURL": "https://b.example/main.js?secret",
                "destination": "script", "reportOnly": true,
            }),
            ReportKind::Integrity(IntegrityViolation {
                blocked: text("https://b.example/main.js"),
                destination: text("script"),
                disposition: Disposition::Report,
            }),
        ),
        // CSP 3, `report-sha256`.
        (
            "csp-hash",
            json!({
                "documentURL": "https://a.example/page", "subresourceURL": "https://a.example/x.js?secret",
                "hash": "sha256-r2hRGID3tnFVlAI+bMCPMjaKx/ovuqgaMic09dPqVCw=", "destination": "script",
                "type": "subresource",
            }),
            ReportKind::CspHash(CspHash {
                subresource: text("https://a.example/x.js"),
                hash: text("sha256-r2hRGID3tnFVlAI+bMCPMjaKx/ovuqgaMic09dPqVCw="),
                destination: text("script"),
            }),
        ),
        // What nobody has thought of yet.
        (
            "connection-allowlist",
            json!({"secret": "secret"}),
            ReportKind::Other(text("connection-allowlist")),
        ),
    ];
    for (name, body, expected) in rows {
        let report = one(name, body);
        assert_eq!(report.kind, expected);
        assert_eq!(report.kind.name(), name);
        assert_eq!(report.document, "https://a.example/page", "{name}");
        assert_eq!(report.age, Duration::from_millis(27), "{name}");
        assert!(!report.is_noise(), "{name}");
        assert!(!format!("{report:?}").contains("secret"), "{report:?}");
    }
}

#[test]
fn old_names_and_odd_values_are_taken() {
    // w3c/webappsec-permissions-policy, reporting.md, of the time of Feature-Policy.
    let old = one(
        "feature-policy-violation",
        json!({
            "featureId": "geolocation", "source_file": "https://a.example/app.js", "line_number": 7,
            "column_number": 42,
        }),
    );
    let ReportKind::Permissions(body) = old.kind else {
        panic!("{old:?}");
    };
    assert_eq!(
        (body.feature.as_str(), body.location),
        ("geolocation", place())
    );

    for (fraction, expected) in [
        (json!(1), 1.0),
        (json!(0.0), 0.0),
        (json!(7), 1.0),
        (json!("x"), 1.0),
    ] {
        let body = json!({
            "sampling_fraction": fraction, "server_ip": "<script>", "status_code": 70_000,
            "elapsed_time": -1, "url": "https://a.example/failed?secret",
        });
        let report = one("network-error", body);
        assert_eq!(report.document, "https://a.example/failed");
        let ReportKind::NetworkError(body) = report.kind else {
            panic!();
        };
        assert_eq!(body.sampling_fraction.to_bits(), f64::to_bits(expected));
        assert_eq!(
            (body.server_ip, body.status, body.elapsed),
            (None, 0, Duration::ZERO)
        );
    }
    // Chromium writes null for what it does not know, and no body at all for some.
    for kind in [
        "deprecation",
        "intervention",
        "crash",
        "coop",
        "coep",
        "network-error",
    ] {
        let nulls = json!({"id": null, "message": null, "sourceFile": null, "lineNumber": null, "type": null});
        assert_eq!(one(kind, nulls).kind.name(), kind);
        assert_eq!(one(kind, Value::Null).kind.name(), kind);
        assert_eq!(one(kind, json!(["x"])).kind.name(), kind);
    }
}
