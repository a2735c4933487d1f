use super::*;

/// secure_headers, http-security-headers: a nonce that no directive honours, and nobody is told.
#[test]
fn a_nonce_that_has_no_effect_is_refused() {
    let own = || vec![Source::SelfOrigin];
    let nonce = || vec![Source::Nonce];
    let rows: [(Csp, Option<&str>, &str); 9] = [
        (
            Csp::empty().default_src(nonce()),
            None,
            "scripts and styles fall back to it",
        ),
        (
            Csp::empty().default_src(nonce()).style_src(own()),
            None,
            "scripts still do",
        ),
        (
            Csp::empty()
                .default_src(nonce())
                .script_src(own())
                .style_src(own()),
            Some("default-src"),
            "nothing falls back to it",
        ),
        (
            Csp::empty()
                .default_src(nonce())
                .script_src(nonce())
                .style_src(own()),
            None,
            "what falls back has one too",
        ),
        (
            Csp::empty()
                .script_src(nonce())
                .set(Directive::ScriptSrcElem, own()),
            Some("script-src"),
            "script-src-elem decides",
        ),
        (
            Csp::empty()
                .style_src(nonce())
                .set(Directive::StyleSrcElem, own()),
            Some("style-src"),
            "style-src-elem decides",
        ),
        (
            Csp::empty()
                .script_src(nonce())
                .set(Directive::ScriptSrcElem, nonce()),
            None,
            "script-src is for browsers that do not know the other",
        ),
        (
            Csp::empty()
                .script_src(nonce())
                .set(Directive::ScriptSrcAttr, own()),
            None,
            "attributes are another matter",
        ),
        (
            Csp::web_app().directive("script-src-elem", ["'self'"]),
            Some("script-src"),
            "by name, as a configuration file says it",
        ),
    ];
    for (csp, field, why) in rows {
        let found = csp.template(Scheme::Https).err();
        let found = found.as_ref().map(|error| error.faults()[0].field());
        assert_eq!(found, field, "{why}");
    }
}

#[test]
fn leaving_the_nonce_out_does_not_let_unsafe_inline_in() {
    // CSP 3, section 6.7.3.2: a nonce or hash switches 'unsafe-inline' off, and only there.
    for (sources, expected) in [
        (vec![Source::UnsafeInline, Source::Nonce], "'none'"),
        (
            vec![Source::SelfOrigin, Source::Nonce, Source::UnsafeInline],
            "'self'",
        ),
        (
            vec![Source::SelfOrigin, Source::UnsafeInline],
            "'self' 'unsafe-inline'",
        ),
    ] {
        let csp = Csp::empty().script_src(sources.clone());
        assert_eq!(text(&csp), format!("script-src {expected}"));
        let csp = Csp::empty().style_src(sources);
        assert_eq!(text(&csp), format!("style-src {expected}"));
    }
    // Beside a nonce it is for browsers that know no nonces.
    let csp = Csp::empty().script_src([Source::Nonce, Source::UnsafeInline]);
    let header = csp
        .template(Scheme::Https)
        .unwrap()
        .render(Some(&CspNonce::generate()));
    assert!(header.to_str().unwrap().ends_with("' 'unsafe-inline'"));
}
