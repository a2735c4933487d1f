//! The lists of the OWASP Secure Headers Project, `ci/headers_add.json` and `ci/headers_remove.json`
//! of 2024-09-02.

use super::super::disclosing::DISCLOSING;
use super::*;
use crate::{SiteData, clear_site_data};

/// Name and value of their list, and what it takes to have it here: `None` where `strict()` has it
/// as it stands.
type Row = (&'static str, &'static str, fn(SecHeaders) -> SecHeaders);

/// Every header to add. Where `strict()` says something else, the row's setter says theirs, and the
/// comment why the preset does not.
#[test]
fn the_owasp_lists_are_met() {
    let same: fn(SecHeaders) -> SecHeaders = |headers| headers;
    let rows: [Row; 10] = [
        // Presets for pages leave caching to handlers and keep nonces out of caches.
        ("cache-control", "no-store", SecHeaders::no_store),
        // `block-all-mixed-content` is in no specification of today: browsers upgrade mixed content.
        (
            "content-security-policy",
            "default-src 'self'; object-src 'none'; form-action 'self'; frame-ancestors 'none'; \
             upgrade-insecure-requests",
            |headers| {
                let csp = Csp::empty()
                    .default_src([Source::SelfOrigin])
                    .form_action([Source::SelfOrigin])
                    .object_src([Source::None])
                    .frame_ancestors([Source::None])
                    .upgrade_insecure_requests(true);
                headers.csp(csp)
            },
        ),
        // Stops every image from elsewhere, so no preset has it.
        ("cross-origin-embedder-policy", "require-corp", |headers| {
            headers.embedder_policy(EmbedderPolicy::RequireCorp)
        }),
        ("cross-origin-opener-policy", "same-origin", same),
        ("cross-origin-resource-policy", "same-origin", same),
        // Makes same-origin form posts carry `Origin: null`, so no preset has it.
        ("referrer-policy", "no-referrer", |headers| {
            headers.referrer_policy(ReferrerPolicy::NoReferrer)
        }),
        // The preset says two years.
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
            |headers| headers.hsts(Hsts::years(1).include_subdomains(true)),
        ),
        ("x-content-type-options", "nosniff", same),
        ("x-frame-options", "DENY", same),
        ("x-permitted-cross-domain-policies", "none", same),
    ];
    for (name, value, change) in rows {
        let policy = change(SecHeaders::strict()).build().unwrap();
        let map = applied(&policy, Scheme::Https);
        let values: Vec<_> = map.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }

    // Theirs is quoted as well; it belongs to a log-out and not to every answer.
    let data = clear_site_data([SiteData::Cache, SiteData::Cookies, SiteData::Storage]).unwrap();
    let theirs = "\"cache\",\"cookies\",\"storage\"";
    assert_eq!(data.to_str().unwrap().replace(' ', ""), theirs);
}

/// The features that their Permissions-Policy names. `interest-cohort` is gone from browsers;
/// whoever wants it takes it by name.
#[test]
fn the_owasp_permissions_can_be_said() {
    let theirs = "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), \
        display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), \
        keyboard-map=(), magnetometer=(), microphone=(), midi=(), payment=(), \
        picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(self), \
        usb=(), web-share=(), xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), \
        gamepad=(), hid=(), idle-detection=(), interest-cohort=(), serial=(), unload=()";
    let mut policy = PermissionsPolicy::new();
    for member in theirs.split(", ") {
        let (name, grants) = member.split_once('=').unwrap();
        let feature = Feature::named(name).unwrap();
        let known = !matches!(feature, Feature::Named(_));
        assert_eq!(known, name != "interest-cohort", "{name}");
        policy = match grants {
            "()" => policy.deny(feature),
            _ => policy.allow(feature, [crate::Grant::SelfOrigin]),
        };
    }
    let header = policy.header().unwrap().unwrap();
    let sorted = |text: &str| {
        let mut members: Vec<String> = text.split(", ").map(ToOwned::to_owned).collect();
        members.sort();
        members
    };
    assert_eq!(sorted(header.to_str().unwrap()), sorted(theirs));
}

#[test]
fn whatever_discloses_a_product_is_taken_off() {
    let mine = [
        ("etag", "1"),
        ("x-request-id", "7"),
        ("content-type", "text/plain"),
    ];
    let everything = || {
        let mut map = own(&mine);
        for name in DISCLOSING {
            map.append(name, HeaderValue::from_static("x/1.0"));
        }
        map
    };
    assert_eq!(
        everything().len(),
        DISCLOSING.len() + mine.len(),
        "each name once"
    );
    let policy = SecHeaders::none().remove_disclosing().build().unwrap();
    let mut headers = everything();
    policy.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    assert_eq!(headers, own(&mine));

    let kept = SecHeaders::web_app()
        .precedence(Precedence::Policy)
        .remove_disclosing()
        .keep(&HeaderName::from_static("sourcemap"))
        .build()
        .unwrap();
    let mut headers = everything();
    headers.insert("x-frame-options", HeaderValue::from_static("SAMEORIGIN"));
    kept.apply(&mut headers, StatusCode::OK, Scheme::Http, None);
    assert_eq!(headers["sourcemap"], "x/1.0");
    assert_eq!(headers["x-frame-options"], "DENY", "the policy still wins");
    assert!(
        DISCLOSING
            .iter()
            .all(|name| *name == "sourcemap" || !headers.contains_key(*name))
    );
    assert!(mine.iter().all(|(name, value)| headers[*name] == *value));

    // The presets take off what every server has by default.
    for (name, preset) in presets() {
        let mut headers = everything();
        preset
            .build()
            .unwrap()
            .apply(&mut headers, StatusCode::OK, Scheme::Https, None);
        assert!(
            !headers.contains_key("server") && !headers.contains_key("x-powered-by"),
            "{name}"
        );
    }
}
