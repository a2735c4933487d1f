use http::{HeaderMap, HeaderValue, StatusCode};

use super::super::{Check, Grade, Redirect, check};
use crate::{CspNonce, Scheme, SecHeaders};

#[test]
fn the_presets_are_clean_and_get_the_best_grade() {
    let rows = [
        ("web_app", SecHeaders::web_app(), "text/html; charset=utf-8"),
        ("strict", SecHeaders::strict(), "text/html"),
        ("api", SecHeaders::api(), "application/json"),
        (
            "reporting",
            SecHeaders::web_app().report_to("csp", "/csp-report"),
            "text/html",
        ),
    ];
    for (name, builder, kind) in rows {
        let policy = builder.build().unwrap();
        let answer = || {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(kind));
            let nonce = policy.uses_nonce().then(CspNonce::generate);
            policy.apply(&mut headers, StatusCode::OK, Scheme::Https, nonce.as_ref());
            headers
        };
        let (first, second) = (answer(), answer());
        let report = Check::new(&second).earlier(&first).run();
        assert!(report.is_clean(), "{name}: {report}");
        assert_eq!(report.grade(), Grade::APlus, "{name}: {report}");
        // default-src 'none' 10, referrer 5, frame-ancestors 5, resource policy 10.
        assert_eq!(report.score(), 130, "{name}: {report}");
    }
}

#[test]
fn an_empty_answer_is_bad() {
    let report = check(&HeaderMap::new());
    assert_eq!((report.grade(), report.score()), (Grade::D, 30));
    let report = Check::new(&HeaderMap::new()).scheme(Scheme::Http).run();
    assert_eq!((report.grade(), report.score()), (Grade::F, 10));
}

#[test]
fn a_certificate_that_is_not_trusted_costs_twice() {
    // The scanner's hsts-invalid-cert and redirection-invalid-cert, seen with an unknown issuer.
    let report = Check::new(&HeaderMap::new()).untrusted_certificate().run();
    assert!(report.has("hsts-invalid-cert") && report.has("redirection-invalid-cert"));
    assert_eq!(report.score(), 10);
}

#[test]
fn what_is_told_is_not_assumed() {
    let empty = HeaderMap::new();
    let report = Check::new(&empty)
        .scheme(Scheme::Https)
        .redirect(Redirect::ToHttps)
        .cors("https://foreign.example", &empty)
        .html("<p>")
        .run();
    assert!(report.assumed().is_empty(), "{report}");
}

#[test]
fn grades_are_ordered_and_read_back() {
    let mut last = Grade::of(-1);
    assert_eq!(last, Grade::F);
    for score in 0..=150 {
        let grade = Grade::of(score);
        assert!(grade >= last, "{score}");
        assert_eq!(grade.as_str().to_ascii_lowercase().parse(), Ok(grade));
        last = grade;
    }
    assert_eq!(last, Grade::APlus);
    assert!("E".parse::<Grade>().is_err());
}

#[test]
fn chains_of_redirects() {
    let rows: [(&[&str], Redirect); 9] = [
        (&[], Redirect::NoHttp),
        (&["http://a.example/"], Redirect::Missing),
        (
            &["http://a.example/", "https://a.example/"],
            Redirect::ToHttps,
        ),
        (
            &["http://a.example:3000/", "https://A.example:3443/x"],
            Redirect::ToHttps,
        ),
        (
            &["http://a.example/", "https://www.a.example/"],
            Redirect::OffHost,
        ),
        (
            &[
                "http://a.example/",
                "http://www.a.example/",
                "https://www.a.example/",
            ],
            Redirect::NotAtOnce,
        ),
        (
            &[
                "http://a.example/",
                "https://a.example/",
                "http://a.example/",
            ],
            Redirect::NotToHttps,
        ),
        (&["http://a.example/", "/x"], Redirect::NotToHttps),
        (
            &["http://[::1]:80/", "https://[::1]:443/"],
            Redirect::ToHttps,
        ),
    ];
    for (chain, expected) in rows {
        assert_eq!(Redirect::of(chain), expected, "{chain:?}");
    }
}
