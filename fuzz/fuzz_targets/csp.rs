//! Directives of any name with any values. Records are separated by U+001E, the values in one by
//! U+001F; everything else, line ends included, may be part of a value.
//!
//! Either the policy is an error, or the header says exactly what was asked for, to us and to a parser
//! that others wrote.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use content_security_policy::{CspList, PolicyDisposition, PolicySource};
use libfuzzer_sys::fuzz_target;
use sec_headers::{Csp, CspNonce, Scheme};

type Directives = BTreeMap<String, Vec<String>>;

static NONCE: LazyLock<CspNonce> = LazyLock::new(CspNonce::generate);

fuzz_target!(|text: &str| {
    let mut csp = Csp::empty();
    let mut asked = Directives::new();
    for record in text.split('\u{1e}') {
        let mut fields = record.split('\u{1f}');
        let name = fields.next().unwrap_or_default();
        let values: Vec<&str> = fields.collect();
        csp = csp.directive(name, &values);
        let values = values.iter().map(|value| value.to_ascii_lowercase());
        asked.insert(name.to_ascii_lowercase(), values.collect());
    }
    for scheme in [Scheme::Https, Scheme::Http] {
        let Ok(template) = csp.template(scheme) else {
            continue;
        };
        for nonce in [None, Some(&*NONCE)] {
            let header = template.render(nonce);
            let header = header.to_str().expect("visible ASCII");
            let said = split(header);
            assert_eq!(read_elsewhere(header), said, "{header}");
            check(header, &asked, &said);
            if scheme == Scheme::Https && nonce.is_some() {
                let again = said.iter().fold(Csp::empty(), |csp, (name, values)| {
                    csp.directive(name, values)
                });
                let again = again
                    .template(scheme)
                    .expect("what was written can be read");
                assert_eq!(split(again.render(nonce).to_str().unwrap()), said);
            }
        }
    }
});

/// As CSP 3, section 2.2.1, reads a policy. The nonce is written as it was asked for.
fn split(header: &str) -> Directives {
    let nonce = format!("'nonce-{}'", NONCE.as_str());
    let mut directives = Directives::new();
    for directive in header.split(';').filter(|d| !d.trim().is_empty()) {
        let mut tokens = directive
            .split_ascii_whitespace()
            .map(|token| token.replace(&nonce, "'nonce'"));
        let name = tokens.next().expect("a name").to_ascii_lowercase();
        assert!(
            directives.insert(name, tokens.collect()).is_none(),
            "{header}"
        );
    }
    directives
}

/// The same by the crate `content-security-policy`.
fn read_elsewhere(header: &str) -> Directives {
    let list = CspList::parse(header, PolicySource::Header, PolicyDisposition::Enforce);
    assert!(list.is_valid() && list.0.len() <= 1, "{header}");
    let nonce = format!("'nonce-{}'", NONCE.as_str());
    let directives = list.0.into_iter().flat_map(|policy| policy.directive_set);
    directives
        .map(|directive| {
            let values = directive.value.into_iter();
            let values = values.map(|value| value.replace(&nonce, "'nonce'"));
            (directive.name, values.collect())
        })
        .collect()
}

fn check(header: &str, asked: &Directives, said: &Directives) {
    // A comma would begin another policy.
    assert!(!header.contains(['\r', '\n', ',']), "{header}");
    for (name, values) in said {
        let asked = asked
            .get(name)
            .unwrap_or_else(|| panic!("nobody asked for {name}: {header}"));
        for value in values {
            let value = value.to_ascii_lowercase();
            // Digests are written in one form of base64.
            let known = asked.contains(&value) || value == "'none'" || value.starts_with("'sha");
            assert!(known, "nobody asked for {value}: {header}");
        }
        if asked
            .iter()
            .any(|value| value != "'nonce'" && value != "'none'")
            && name.ends_with("-src")
        {
            assert!(!values.is_empty(), "{header}");
        }
    }
    for name in asked
        .keys()
        .filter(|name| name.ends_with("-src") || *name == "sandbox")
    {
        assert!(said.contains_key(name), "{name} is lost: {header}");
    }
}
