//! Text that somebody else chose. Whatever is taken stands in its own place, word for word.

use content_security_policy::url::{Host, Url};
use content_security_policy::{
    CheckResult, CspList, Destination, Initiator, ParserMetadata, PolicyDisposition, PolicySource,
    Request,
};
use proptest::prelude::*;
use sec_headers::{Csp, CspNonce, HashAlgorithm, Scheme, SecHeaders, Source};

use crate::inputs::header;
use crate::read_back::seen;

/// Pieces that are harmless alone and what an attacker puts between them.
fn text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "'self'",
        "'SELF'",
        "'none'",
        "'nonce'",
        "'nonce-abc'",
        "'unsafe-inline'",
        "self",
        "'strict-dynamic'",
        "'report-sample'",
        "a.example",
        "A.Example",
        "https://a.example",
        "https:",
        "DATA:",
        "*",
        "*.",
        ":8443",
        ":*",
        "/lib/",
        "%2F",
        "csp",
        "allow-forms",
        "ALLOW-FORMS",
        "default",
        "'script'",
        "'sha256-",
        "'SHA256-qznLcsROx4GACP2dm0UCKCzCG-HiZ1guq6ZZDob_Tng='",
        "qznLcsROx4GACP2dm0UCKCzCG-HiZ1guq6ZZDob_Tng=",
        "'",
        "\"",
        ";",
        ",",
        "\r\n",
        "\r",
        "\n",
        "\t",
        "\0",
        "\u{c}",
        " ",
        "\u{a0}",
        "ü",
        "例",
        "; script-src *",
        ", default-src *",
        "\r\nSet-Cookie: a=b",
        "?",
        "#",
        "@",
        "\\",
        "(",
        "=",
        "//",
    ];
    let piece = prop_oneof![
        12 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => "[ -~]{0,12}",
        1 => "[a-zA-Z.:/*%0-9-]{1,24}",
        1 => (1_usize..3).prop_map(|n| "a".repeat(n * 20_000)),
    ];
    prop_oneof![
        3 => piece.clone(),
        1 => prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let known = vec![
        "default-src",
        "Script-Src",
        "style-src-elem",
        "IMG-SRC",
        "frame-ancestors",
        "base-uri",
        "sandbox",
        "Sandbox",
        "trusted-types",
        "report-to",
        "report-uri",
        "child-src",
        "upgrade-insecure-requests",
        "require-trusted-types-for",
    ];
    prop_oneof![
        8 => prop::sample::select(known).prop_map(str::to_owned),
        1 => text(),
    ]
}

/// As the crate documents it: keywords, schemes and flags in lower case, digests in standard base64,
/// everything else as it came; each source once, and `'none'` for what allows nothing.
fn written(name: &str, values: &[String], nonce: &CspNonce) -> Vec<String> {
    if ["trusted-types", "report-to", "report-uri"].contains(&name) {
        return values.to_vec();
    }
    let mut written: Vec<String> = Vec::new();
    for value in values {
        let lower = value.to_ascii_lowercase();
        let value = match lower.as_str() {
            "'nonce'" => format!("'nonce-{nonce}'"),
            digest if digest.starts_with("'sha") => {
                let (name, rest) = value.split_once('-').unwrap();
                let rest = rest.replace('-', "+").replace('_', "/");
                format!("{}-{rest}", name.to_ascii_lowercase())
            }
            _ if lower.starts_with('\'') || lower.ends_with(':') || name == "sandbox" => lower,
            _ => value.clone(),
        };
        if name == "sandbox" || !written.contains(&value) {
            written.push(value);
        }
    }
    let idle = |value: &String| value == "'report-sample'" || value == "'strict-dynamic'";
    if !["sandbox", "upgrade-insecure-requests"].contains(&name) && written.iter().all(idle) {
        return vec!["'none'".to_owned()];
    }
    written
}

/// With a directive that must stay alone beside it.
fn beside(csp: Csp) -> Option<Vec<String>> {
    let nonce = CspNonce::generate();
    let csp = csp.frame_ancestors([Source::None]);
    let template = csp.template(Scheme::Https).ok()?;
    let header = template.render(Some(&nonce));
    let mut seen = seen(header.to_str().unwrap());
    assert_eq!(seen.remove("frame-ancestors").unwrap(), ["'none'"]);
    assert_eq!(seen.len(), 1, "{header:?}");
    seen.into_values().next()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn directives_of_any_text_are_refused_or_read_back(
        asked in prop::collection::vec((name(), prop::collection::vec(text(), 0..3)), 1..4),
    ) {
        let csp = asked.iter().fold(Csp::empty(), |csp, (name, values)| csp.directive(name, values));
        let nonce = CspNonce::generate();
        let Ok(template) = csp.template(Scheme::Https) else { return Ok(()) };
        let header = template.render(Some(&nonce));
        let mut wanted = std::collections::BTreeMap::new();
        for (name, values) in &asked {
            let name = name.to_ascii_lowercase();
            wanted.insert(name.clone(), written(&name, values, &nonce));
        }
        prop_assert_eq!(seen(header.to_str().unwrap()), wanted);
    }

    #[test]
    fn every_setter_that_takes_text_keeps_it_in_its_place(text in text()) {
        if let Ok(source) = Source::host(&text) {
            prop_assert_eq!(beside(Csp::empty().img_src([source])).unwrap(), [text.clone()]);
        }
        if let Ok(source) = Source::scheme(&text) {
            let wanted = format!("{}:", text.trim_end_matches(':').to_ascii_lowercase());
            prop_assert_eq!(beside(Csp::empty().img_src([source])).unwrap(), [wanted]);
        }
        if let Ok(source) = Source::hash(HashAlgorithm::Sha256, &text) {
            let digest = text.replace('-', "+").replace('_', "/");
            let wanted = format!("'sha256-{digest}'");
            prop_assert_eq!(beside(Csp::empty().script_src([source])).unwrap(), [wanted]);
        }
        if let Some(values) = beside(Csp::empty().trusted_types([&text])) {
            prop_assert_eq!(values, [text.clone()]);
        }
        if let Some(values) = beside(Csp::empty().directive("sandbox", [&text])) {
            prop_assert_eq!(values, [text.to_ascii_lowercase()]);
        }
        if let Some(values) = beside(Csp::empty().report_to(&text)) {
            prop_assert_eq!(values, [text.clone()]);
        }
        if let Some(values) = beside(Csp::empty().report_uri(&text)) {
            prop_assert_eq!(values, [text.clone()]);
        }
    }

    /// What is taken as a host is one to a browser: it allows its own address.
    #[test]
    fn every_host_that_is_taken_allows_its_own_address(
        text in prop_oneof![
            text(),
            "(https://)?(\\*\\.)?[a-z*-]{1,3}(\\.[a-z]{1,3})?\\.?(:[0-9*]{1,5})?(/[a-z%0-9.~:@!$&()*+=/-]{0,6})?",
        ],
    ) {
        let Ok(source) = Source::host(&text) else { return Ok(()) };
        let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
        let scheme = if text.contains("://") { text.split("://").next().unwrap() } else { "https" };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let authority = authority.replace(":*", ":1234").replacen('*', "any", 1);
        let address = format!("{scheme}://{authority}{}", if path.is_empty() { "/" } else { path });
        let Ok(url) = Url::parse(&address) else { return Ok(()) };
        // What an address makes of numbers and dots is not the question here.
        let same = matches!(url.host(), Some(Host::Domain(_))) && (path.is_empty() || url.path() == path);
        let known = ["http", "https", "ws", "wss"].contains(&url.scheme());
        prop_assume!(same && known);
        let header = header(&Csp::empty().img_src([source]), None);
        let list = CspList::parse(&header, PolicySource::Header, PolicyDisposition::Enforce);
        let request = Request {
            current_url: url.clone(),
            url,
            origin: Url::parse("https://page.example").unwrap().origin(),
            redirect_count: 0,
            destination: Destination::Image,
            initiator: Initiator::None,
            nonce: String::new(),
            integrity_metadata: String::new(),
            parser_metadata: ParserMetadata::None,
        };
        prop_assert_eq!(list.should_request_be_blocked(&request).0, CheckResult::Allowed, "{}", address);
    }

    /// Through the whole header set: endpoints join the policy's `report-to` and `report-uri`.
    #[test]
    fn a_header_set_keeps_endpoints_in_their_place(name in text(), address in text()) {
        let set = SecHeaders::none().csp(Csp::api()).report_to(&name, &address);
        if let Ok(policy) = set.build() {
            let mut headers = http::HeaderMap::new();
            policy.apply(&mut headers, http::StatusCode::OK, Scheme::Https, None);
            let seen = seen(headers["content-security-policy"].to_str().unwrap());
            prop_assert_eq!(seen.len(), 6);
            prop_assert_eq!(&seen["report-to"], &[name]);
            prop_assert_eq!(&seen["report-uri"], &[address]);
        }
    }
}
