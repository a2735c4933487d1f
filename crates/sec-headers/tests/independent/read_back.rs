use std::collections::BTreeMap;

use content_security_policy::{CspList, PolicyDisposition, PolicySource};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use sec_headers::{Csp, CspNonce, SandboxFlag, Scheme, SecHeaders};

use crate::inputs::{Said, csp, lists};

/// Directives and their values, as the other parser sees them.
pub(crate) type Seen = BTreeMap<String, Vec<String>>;

/// The one policy of a header; it is valid by the grammar of CSP 3.
pub(crate) fn seen(header: &str) -> Seen {
    let list = CspList::parse(header, PolicySource::Header, PolicyDisposition::Enforce);
    assert!(list.is_valid(), "{header}");
    let [policy] = list.0.as_slice() else {
        panic!("more or less than one policy: {header}");
    };
    let written = header.split(';').count();
    assert_eq!(
        policy.directive_set.len(),
        written,
        "a part is ignored: {header}"
    );
    let directives = policy.directive_set.iter();
    directives
        .map(|d| (d.name.clone(), d.value.clone()))
        .collect()
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// The values that are no sources.
#[derive(Debug, Clone)]
struct Rest {
    sandbox: Option<Vec<SandboxFlag>>,
    trusted_types: Option<Vec<&'static str>>,
    require_trusted_types: bool,
    upgrade: bool,
    report_uri: Vec<&'static str>,
    report_to: Option<&'static str>,
}

fn rest() -> impl Strategy<Value = Rest> {
    let flags = vec![
        SandboxFlag::Forms,
        SandboxFlag::Scripts,
        SandboxFlag::SameOrigin,
    ];
    let names = vec!["default", "my#policy", "*", "'allow-duplicates'"];
    let places = vec!["/r", "/r?a=b&c", "https://reports.example/"];
    (
        prop::option::of(prop::sample::subsequence(flags, 0..=3)),
        prop::option::of(prop::sample::subsequence(names, 0..=4)),
        any::<bool>(),
        any::<bool>(),
        prop::sample::subsequence(places, 0..=3),
        prop::option::of(prop::sample::select(vec!["csp", "a.b_c-d9"])),
    )
        .prop_map(
            |(sandbox, trusted_types, require_trusted_types, upgrade, report_uri, report_to)| {
                Rest {
                    sandbox,
                    trusted_types,
                    require_trusted_types,
                    upgrade,
                    report_uri,
                    report_to,
                }
            },
        )
}

impl Rest {
    fn add_to(&self, mut csp: Csp) -> Csp {
        if let Some(flags) = &self.sandbox {
            csp = csp.sandbox(flags.clone());
        }
        if let Some(names) = &self.trusted_types {
            csp = csp.trusted_types(names);
        }
        if let Some(name) = self.report_to {
            csp = csp.report_to(name);
        }
        let csp = self
            .report_uri
            .iter()
            .fold(csp, |csp, uri| csp.report_uri(*uri));
        csp.require_trusted_types(self.require_trusted_types)
            .upgrade_insecure_requests(self.upgrade)
    }

    fn expected(&self, https: bool) -> Seen {
        let mut expected = Seen::new();
        let mut put = |name: &str, values| expected.insert(name.to_owned(), values);
        if let Some(flags) = &self.sandbox {
            put(
                "sandbox",
                flags.iter().map(|flag| flag.as_str().to_owned()).collect(),
            );
        }
        if let Some(names) = &self.trusted_types {
            put("trusted-types", words(names));
        }
        if self.require_trusted_types {
            put("require-trusted-types-for", words(&["'script'"]));
        }
        if self.upgrade && https {
            put("upgrade-insecure-requests", Vec::new());
        }
        if !self.report_uri.is_empty() {
            put("report-uri", words(&self.report_uri));
        }
        if let Some(name) = self
            .report_to
            .filter(|_| https || self.report_uri.is_empty())
        {
            put("report-to", words(&[name]));
        }
        expected
    }
}

fn expected(said: &[Said], nonce: &CspNonce) -> Vec<String> {
    let mut values = Vec::new();
    for said in said {
        let value = match said {
            Said::Nonce => format!("'nonce-{nonce}'"),
            Said::Host(host) => host.text(),
            other => other.source().to_string(),
        };
        if !values.contains(&value) {
            values.push(value);
        }
    }
    // What alone says nothing about what is allowed.
    let nothing = ["'report-sample'".to_owned(), "'strict-dynamic'".to_owned()];
    if values.iter().all(|value| nothing.contains(value)) {
        return words(&["'none'"]);
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_typed_policy_reads_back_as_it_was_said(lists in lists(), rest in rest(), https: bool) {
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let nonce = CspNonce::generate();
        let csp = rest.add_to(csp(&lists));
        let template = csp.template(scheme).unwrap();
        let header = template.render(Some(&nonce));
        let mut wanted = rest.expected(https);
        for (directive, said) in &lists {
            wanted.insert(directive.to_string(), expected(said, &nonce));
        }
        prop_assert_eq!(seen(header.to_str().unwrap()), wanted);
        let without = template.render(None);
        let without = seen(without.to_str().unwrap());
        prop_assert!(without.values().flatten().all(|value| !value.contains("nonce")));
    }

    #[test]
    fn both_policies_of_an_answer_name_the_same_nonce(
        enforced in lists(),
        trial in lists(),
        https: bool,
    ) {
        let policy = SecHeaders::none()
            .csp(csp(&enforced))
            .csp_report_only(csp(&trial).report_uri("/reports"))
            .build()
            .unwrap();
        let nonce = CspNonce::generate();
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let mut headers = HeaderMap::new();
        policy.apply(&mut headers, StatusCode::OK, scheme, Some(&nonce));
        let mut any = false;
        for (name, lists) in [
            ("content-security-policy", &enforced),
            ("content-security-policy-report-only", &trial),
        ] {
            let mut seen = seen(headers[name].to_str().unwrap());
            seen.remove("report-uri");
            for (directive, values) in seen {
                let said = lists.iter().find(|(known, _)| known.as_str() == directive);
                let asked = said.unwrap().1.contains(&Said::Nonce);
                let nonces: Vec<_> = values.iter().filter(|v| v.starts_with("'nonce-")).collect();
                prop_assert_eq!(nonces.len(), usize::from(asked));
                let wanted = format!("'nonce-{nonce}'");
                prop_assert!(nonces.iter().all(|value| **value == wanted));
                any |= asked;
            }
        }
        prop_assert_eq!(policy.uses_nonce(), any);
        prop_assert_eq!(headers.contains_key("cache-control"), any);
    }
}
