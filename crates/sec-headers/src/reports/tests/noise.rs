//! Both directions: what extensions cause does not bury the rest, and an injection does not pass for
//! what they cause.

use sec_core::{CollectingSink, RequestContext, Severity};

use super::types::one;
use super::*;

fn said(document: &str, directive: &str, blocked: &str, source: &str) -> Report {
    let body = json!({"csp-report": {
        "document-uri": document, "effective-directive": directive, "blocked-uri": blocked,
        "source-file": source, "line-number": 3,
    }});
    parse(SINGLE, &body).unwrap().remove(0)
}

const PAGE: &str = "https://a.example/page";

#[test]
fn an_injection_is_not_taken_for_an_extension() {
    for (document, directive, blocked, source) in [
        // An injected `<iframe srcdoc>`: CSP 3, section 5.4, leaves the scheme of its address.
        ("about", "script-src-elem", "inline", ""),
        ("about", "script-src-attr", "inline", "about"),
        ("about", "script-src-elem", "https://evil.example/x.js", ""),
        ("about", "connect-src", "https://evil.example/", "about"),
        ("about:srcdoc", "script-src-elem", "inline", ""),
        ("about:srcdoc", "script-src", "eval", "about:srcdoc"),
        (
            "about:srcdoc",
            "img-src",
            "https://evil.example/",
            "about:srcdoc",
        ),
        ("about:blank", "script-src-elem", "inline", "about:blank"),
        // The frame itself, and where it or a form leads.
        (PAGE, "frame-src", "about", PAGE),
        (PAGE, "FRAME-SRC", "about:srcdoc", ""),
        (PAGE, "child-src", "about", ""),
        (PAGE, "object-src", "about", ""),
        (PAGE, "form-action", "about", ""),
        ("about", "frame-src", "about", "about"),
        // A script in such a frame.
        (PAGE, "script-src", "eval", "about"),
    ] {
        let report = said(document, directive, blocked, source);
        assert!(!report.is_noise(), "{report:?}");
        assert!(!report.names_extension(), "{report:?}");
    }
}

/// `//# sourceURL=chrome-extension://x` at the end of an injected script.
#[test]
fn a_scripts_own_name_hides_nothing() {
    for source in [
        "chrome-extension",
        "chrome-extension://x/y.js",
        "moz-extension",
        "safari-web-extension://x",
        "user-script:1",
        "webkit-masked-url://hidden/",
    ] {
        for (directive, blocked) in [
            ("script-src", "eval"),
            ("script-src-elem", "inline"),
            ("connect-src", "https://evil.example/"),
            ("img-src", "https://evil.example/x"),
            ("frame-src", "about"),
            ("trusted-types", "trusted-types-sink"),
        ] {
            let report = said(PAGE, directive, blocked, source);
            assert!(!report.is_noise(), "{report:?}");
            assert!(report.names_extension(), "{report:?}");
        }
        // What the report is about says so as well.
        let both = said(PAGE, "script-src-elem", "chrome-extension", source);
        assert!(both.is_noise(), "{both:?}");
    }
    for kind in [
        "permissions-policy-violation",
        "document-policy-violation",
        "coop",
    ] {
        let report = one(kind, json!({"sourceFile": "chrome-extension://x/y.js"}));
        assert!(!report.is_noise() && report.names_extension(), "{report:?}");
    }
    // A referrer is where somebody came from, not what failed.
    let report = one(
        "network-error",
        json!({"referrer": "chrome-extension://x/"}),
    );
    assert!(!report.is_noise() && !report.names_extension());
}

#[test]
fn bare_words_of_extensions_are_dropped() {
    for (document, directive, blocked) in [
        (PAGE, "script-src-elem", "chrome-extension"),
        (PAGE, "style-src-elem", "moz-extension"),
        (PAGE, "frame-src", "safari-extension"),
        (PAGE, "img-src", "safari-resource"),
        (PAGE, "script-src", "about"),
        (PAGE, "style-src-elem", "about:blank"),
        ("about", "script-src-elem", "about"),
        ("about", "script-src-elem", "moz-extension"),
        // Pages of extensions and of the browser are not ours.
        (
            "chrome-extension://x/page.html",
            "script-src-elem",
            "inline",
        ),
        ("moz-extension", "img-src", "https://b.example/"),
        ("view-source", "style-src-elem", "inline"),
    ] {
        let report = said(document, directive, blocked, "");
        assert!(report.is_noise(), "{report:?}");
    }
}

#[test]
fn what_names_an_extension_is_one_event_of_low_severity() {
    let (sink, receiver) = (CollectingSink::new(), crate::ReportReceiver::new());
    let context = RequestContext::builder().sink(sink.clone()).build();
    for number in 0..200 {
        let body = json!({"csp-report": {
            "document-uri": format!("https://a.example/{number}"),
            "effective-directive": "script-src", "blocked-uri": "eval",
            "source-file": format!("chrome-extension://x/{number}.js"), "line-number": number,
        }});
        let sent = receiver.receive(SINGLE, body.to_string().as_bytes(), &context);
        assert_eq!(sent, Ok(()));
    }
    let real = hyphenated("eval").to_string();
    assert_eq!(receiver.receive(SINGLE, real.as_bytes(), &context), Ok(()));
    let events = sink.events();
    assert_eq!(events.len(), 2, "the page's own is told apart: {events:?}");
    assert_eq!(events[0].detail()["extension"], true);
    assert_eq!(events[0].severity(), Severity::Low);
    assert!(!events[1].detail().contains_key("extension"));
    assert_eq!(events[1].severity(), Severity::Medium);
    receiver.flush();
    assert_eq!(sink.events()[2].count(), 199);
}
