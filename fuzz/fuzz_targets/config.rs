//! A TOML file, and behind a line `---` the variables of the environment, one a line.
//!
//! Reading it ends; every fault is one line of text and says where it stands.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sec_core::config::{Faults, Loader};

type Variables<'a> = Vec<(&'a str, &'a str)>;

/// What is missing altogether stands nowhere.
static OF_NOTHING: LazyLock<HashSet<String>> = LazyLock::new(|| match read("", Vec::new()) {
    Ok(()) => HashSet::new(),
    Err(faults) => faults.iter().map(ToString::to_string).collect(),
});

fuzz_target!(|text: &str| {
    let (file, rest) = text.split_once("\n---\n").unwrap_or((text, ""));
    let variables: Variables<'_> = rest.lines().filter_map(|l| l.split_once('=')).collect();
    let has_variables = !variables.is_empty();
    let Err(faults) = read(file, variables) else {
        return;
    };
    assert!(!faults.is_empty());
    let lines = file.split('\n').count();
    for fault in &faults {
        let shown = fault.to_string();
        assert!(!fault.reason().is_empty());
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        match (fault.line(), fault.variable()) {
            (Some(line), None) => {
                assert!((1..=lines).contains(&line), "{shown}");
                assert!(fault.column() >= Some(1), "{shown}");
            }
            (None, Some(_)) => assert!(has_variables, "{shown}"),
            _ => assert!(has_variables || OF_NOTHING.contains(&shown), "{shown}"),
        }
    }
});

/// Every section of the family.
fn read(file: &str, variables: Variables<'_>) -> Result<(), Faults> {
    let mut load = Loader::new()
        .text("sec.toml", file)?
        .env_prefix("SEC")
        .env_from(variables);
    let sections = (
        load.section::<sec_core::ContextConfig>("context"),
        load.section::<sec_headers::HeadersConfig>("headers"),
        load.section::<sec_headers::GuardConfig>("cross_origin_guard"),
        load.section::<sec_headers::ReportsConfig>("reports"),
        load.section::<sec_ratelimit::RateLimitConfig>("ratelimit"),
        load.section::<sec_ratelimit::LoginLimitConfig>("login_limit"),
        load.section::<sec_tokens::TokensConfig>("tokens"),
        load.section::<sec_audit::AuditConfig>("audit"),
        load.section::<sec_sanitize::SanitizeConfig>("sanitize"),
    );
    load.finish(sections).map(drop)
}
