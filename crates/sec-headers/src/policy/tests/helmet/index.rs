//! `index.test.ts`.

use super::*;
use crate::values::OpenerPolicy;

#[test]
fn index_test() {
    check(&[
        // "includes all middleware, except COEP, with their default options"; the CSP is in `csp`.
        absent(
            "defaults",
            "cross-origin-embedder-policy",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "cross-origin-opener-policy",
            "same-origin",
            SecHeaders::strict,
        ),
        other(
            "defaults",
            "cross-origin-opener-policy",
            "same-origin",
            Some("same-origin-allow-popups"),
            "log-in and payment windows report back to their opener",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "cross-origin-resource-policy",
            "same-origin",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "origin-agent-cluster",
            "?1",
            SecHeaders::web_app,
        ),
        other(
            "defaults",
            "referrer-policy",
            "no-referrer",
            Some("strict-origin-when-cross-origin"),
            "same-origin form posts would carry `Origin: null`",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "x-content-type-options",
            "nosniff",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "x-dns-prefetch-control",
            "off",
            SecHeaders::web_app,
        ),
        other(
            "defaults",
            "x-download-options",
            "noopen",
            None,
            "only Internet Explorer 8 and later ones read it, none of which is supported",
            SecHeaders::web_app,
        ),
        other(
            "defaults",
            "x-frame-options",
            "SAMEORIGIN",
            Some("DENY"),
            "framing is opened by those who need it",
            SecHeaders::web_app,
        ),
        same(
            "defaults",
            "x-permitted-cross-domain-policies",
            "none",
            SecHeaders::web_app,
        ),
        absent("defaults", "x-powered-by", SecHeaders::web_app),
        same("defaults", "x-xss-protection", "0", SecHeaders::web_app),
        // "allows individual middlewares to be disabled"
        absent("disabled", "content-security-policy", || {
            SecHeaders::web_app().without(CONTENT_SECURITY_POLICY)
        }),
        absent("disabled", "x-dns-prefetch-control", || {
            SecHeaders::web_app().without(header::X_DNS_PREFETCH_CONTROL)
        }),
        // "allows default middleware to be explicitly enabled (a no-op)"
        same("enabled", "x-frame-options", "SAMEORIGIN", || {
            SecHeaders::none().frame_options(FrameOptions::SameOrigin)
        }),
        // "allows Cross-Origin-Embedder-Policy middleware to be …"
        same(
            "COEP enabled",
            "cross-origin-embedder-policy",
            "require-corp",
            || SecHeaders::web_app().embedder_policy(EmbedderPolicy::RequireCorp),
        ),
        same(
            "COEP custom",
            "cross-origin-embedder-policy",
            "credentialless",
            || SecHeaders::web_app().embedder_policy(EmbedderPolicy::Credentialless),
        ),
        absent("COEP disabled", "cross-origin-embedder-policy", || {
            SecHeaders::web_app()
                .embedder_policy(EmbedderPolicy::Credentialless)
                .without(names::CROSS_ORIGIN_EMBEDDER_POLICY)
        }),
        // "allows Cross-Origin-Opener-Policy middleware to be …"
        same(
            "COOP enabled",
            "cross-origin-opener-policy",
            "same-origin",
            || SecHeaders::none().opener_policy(OpenerPolicy::SameOrigin),
        ),
        same(
            "COOP custom",
            "cross-origin-opener-policy",
            "same-origin-allow-popups",
            || SecHeaders::strict().opener_policy(OpenerPolicy::SameOriginAllowPopups),
        ),
        absent("COOP disabled", "cross-origin-opener-policy", || {
            SecHeaders::strict().without(names::CROSS_ORIGIN_OPENER_POLICY)
        }),
        // "allows Cross-Origin-Resource-Policy middleware to be …"
        same(
            "CORP enabled",
            "cross-origin-resource-policy",
            "same-origin",
            || SecHeaders::none().resource_policy(ResourcePolicy::SameOrigin),
        ),
        same(
            "CORP custom",
            "cross-origin-resource-policy",
            "same-site",
            || SecHeaders::strict().resource_policy(ResourcePolicy::SameSite),
        ),
        absent("CORP disabled", "cross-origin-resource-policy", || {
            SecHeaders::strict().without(names::CROSS_ORIGIN_RESOURCE_POLICY)
        }),
        // "allows Origin-Agent-Cluster middleware to be …"
        same("OAC enabled", "origin-agent-cluster", "?1", || {
            SecHeaders::none().origin_agent_cluster(true)
        }),
        absent("OAC disabled", "origin-agent-cluster", || {
            SecHeaders::strict().without(names::ORIGIN_AGENT_CLUSTER)
        }),
        // "exposes legacy header options"
        same(
            "legacy",
            "strict-transport-security",
            "max-age=123; includeSubDomains",
            || said(r#"{"hsts": {"max_age": "123s"}}"#),
        ),
        absent("legacy", "x-content-type-options", || {
            SecHeaders::web_app().without(header::X_CONTENT_TYPE_OPTIONS)
        }),
        same("legacy", "x-dns-prefetch-control", "on", || {
            SecHeaders::web_app().dns_prefetch(true)
        }),
        absent("legacy", "x-download-options", SecHeaders::web_app),
        same("legacy", "x-frame-options", "DENY", || {
            said(r#"{"frame_options": "deny"}"#)
        }),
        same(
            "legacy",
            "x-permitted-cross-domain-policies",
            "by-content-type",
            || SecHeaders::none().cross_domain_policies(CrossDomainPolicies::ByContentType),
        ),
        absent("legacy", "x-xss-protection", || {
            SecHeaders::web_app().without(header::X_XSS_PROTECTION)
        }),
    ]);
    // "works with all default middlewares disabled"
    assert!(applied(&SecHeaders::none().build().unwrap(), Scheme::Https).is_empty());
    // "exposes legacy header options", hidePoweredBy: false
    let mut headers = own(&[("x-powered-by", "Helmet test")]);
    let kept = SecHeaders::web_app()
        .keep(&names::X_POWERED_BY)
        .build()
        .unwrap();
    kept.apply(&mut headers, StatusCode::OK, Scheme::Https, None);
    assert_eq!(headers["x-powered-by"], "Helmet test");
    // "properly handles a middleware calling `next()` with an error": here nothing is left to fail
    // while a request is served.
    let bad = Csp::empty().directive("default-src", ["'self'", "bad;value"]);
    assert!(
        SecHeaders::web_app()
            .csp(bad)
            .build()
            .unwrap_err()
            .has(FaultKind::Source)
    );
    // "logs a warning when passing options to …": an option that does not exist is refused.
    for (test, option) in [
        (
            "xPoweredBy",
            r#"{"x_powered_by": {"setTo": "deprecated option"}}"#,
        ),
        (
            "xDownloadOptions",
            r#"{"x_download_options": {"option": "foo"}}"#,
        ),
        (
            "originAgentCluster",
            r#"{"origin_agent_cluster": {"option": "foo"}}"#,
        ),
        (
            "xContentTypeOptions",
            r#"{"x_content_type_options": {"option": "foo"}}"#,
        ),
        (
            "xXssProtection",
            r#"{"x_xss_protection": {"setOnOldIe": true}}"#,
        ),
    ] {
        assert!(section(option).is_err(), "{test}");
    }
}
