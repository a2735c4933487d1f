//! The lists of the OWASP Secure Headers Project, `ci/headers_add.json` and `ci/headers_remove.json`
//! of 2024-09-02, with what later copies of them add.

use super::*;
use crate::{SiteData, clear_site_data};

/// Name and value of their list, and what it takes to have it here.
type Row = (&'static str, &'static str, fn(SecHeaders) -> SecHeaders);

/// Every header to add. Where `strict()` says something else, the row's setter says theirs, and the
/// comment why the preset does not.
#[test]
fn the_owasp_lists_are_met() {
    let same: fn(SecHeaders) -> SecHeaders = |headers| headers;
    let rows: [Row; 11] = [
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
        ("x-dns-prefetch-control", "off", same),
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

/// Their list of names to remove, in its spelling; the last three are of later copies.
const REMOVE: &str = "\
    $wsep Host-Header K-Proxy-Request Liferay-Portal OracleCommerceCloud-Version Pega-Host \
    Powered-By Product Server SourceMap X-AspNet-Version X-AspNetMvc-Version \
    X-Atmosphere-error X-Atmosphere-first-request X-Atmosphere-tracking-id X-B3-ParentSpanId \
    X-B3-Sampled X-B3-SpanId X-B3-TraceId X-BEServer X-CF-Powered-By X-CMS \
    X-CalculatedBETarget X-Cocoon-Version X-Content-Encoded-By X-DiagInfo \
    X-Envoy-Attempt-Count X-Envoy-External-Address X-Envoy-Internal X-Envoy-Original-Dst-Host \
    X-Envoy-Upstream-Service-Time X-FEServer X-Framework X-Generated-By X-Generator \
    X-Jitsi-Release X-Joomla-Version X-Kubernetes-PF-FlowSchema-UI \
    X-Kubernetes-PF-PriorityLevel-UID X-LiteSpeed-Cache X-LiteSpeed-Purge X-LiteSpeed-Tag \
    X-LiteSpeed-Vary X-Litespeed-Cache-Control X-Mod-Pagespeed X-Nextjs-Cache \
    X-Nextjs-Matched-Path X-Nextjs-Page X-Nextjs-Redirect X-OWA-Version X-Old-Content-Length \
    X-OneAgent-JS-Injection X-Page-Speed X-Php-Version X-Powered-By X-Powered-By-Plesk \
    X-Powered-CMS X-Redirect-By X-Server-Powered-By X-SourceFiles X-SourceMap \
    X-Turbo-Charged-By X-Umbraco-Version X-Varnish-Backend X-Varnish-Server X-dtAgentId \
    X-dtHealthCheck X-dtInjectedServlet X-ruxit-JS-Agent X-Backside-Transport X-Gitlab-Meta \
    X-Woodpecker-Version";

#[test]
fn whatever_discloses_a_product_is_taken_off() {
    let mine = [
        ("etag", "1"),
        ("x-request-id", "7"),
        ("content-type", "text/plain"),
    ];
    let everything = || {
        let mut map = own(&mine);
        for name in REMOVE.split_ascii_whitespace() {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_static("x/1.0"));
        }
        map
    };
    assert_eq!(everything().len(), 72 + mine.len(), "each name once");
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
    let listed = REMOVE.split_ascii_whitespace();
    assert!(
        listed
            .into_iter()
            .all(|name| name == "SourceMap" || !headers.contains_key(name))
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
