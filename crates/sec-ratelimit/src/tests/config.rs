//! The form in a configuration file: one set of rules, and every fault with its path.

use std::time::Duration;

use sec_core::FieldFaults;
use serde_json::{Value, json};

use crate::{Limiter, Quota, RateLimitConfig, RateLimitLayer, Subject};

fn parsed(value: Value) -> RateLimitConfig {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_whole_section_becomes_a_limiter_and_a_layer() {
    let config = parsed(json!({
        "headers": ["ietf", "legacy"],
        "shadow": true,
        "include": ["/api"],
        "exclude": ["/api/health"],
        "capacity": 100,
        "tiers": [
            {"name": "log-in", "preset": "auth"},
            {"name": "burst", "algorithm": "gcra", "limit": 50, "per": "10s", "burst": 10, "key": "ip+route"},
            {"name": "hour", "limit": 9, "per": 3600, "key": "header:x-api-key+tenant+role"},
            {"name": "exact", "algorithm": "exact", "limit": 9, "per": "1h30m", "key": "principal"},
            {"name": "all", "limit": 9, "per": "1h", "key": "global", "on_exceed": "demand"}
        ]
    }));
    assert!(FieldFaults::of(&config).is_empty());
    let limiter = Limiter::try_from(&config).unwrap();
    let decision = limiter.peek(vec![Subject::of("a"); 5], 1).unwrap();
    let tiers: Vec<_> = decision
        .tiers()
        .map(|tier| (tier.quota, tier.window.as_secs()))
        .collect();
    assert_eq!(
        tiers,
        [(5, 900), (50, 10), (9, 3_600), (9, 5_400), (9, 3_600)]
    );
    assert_eq!(limiter.0.tiers[0].tier.quota, Quota::auth());
    assert_eq!(
        limiter.0.tiers[1].tier.quota,
        Quota::gcra(50, Duration::from_secs(10)).burst(10)
    );
    let policies = limiter.0.policies.mine();
    let keys: Vec<_> = policies.iter().map(|policy| &*policy.key).collect();
    assert_eq!(
        keys,
        [
            "ip",
            "ip+route",
            "header:x-api-key+tenant+role",
            "principal",
            "global"
        ]
    );
    RateLimitLayer::try_from(&config).unwrap();
}

#[test]
fn every_preset_has_its_numbers_and_builds() {
    for (name, limit, seconds) in [
        ("auth", 5, 900),
        ("sensitive", 5, 900),
        ("standard", 100, 900),
        ("relaxed", 300, 900),
        ("api", 100, 60),
        ("write", 20, 60),
        ("upload", 20, 3_600),
        ("ai", 30, 3_600),
        ("search", 30, 60),
        ("export", 5, 3_600),
        ("payments", 10, 60),
        ("media", 20, 60),
    ] {
        let quota = Quota::preset(name).unwrap();
        assert_eq!(
            (quota.limit(), quota.window().as_secs()),
            (limit, seconds),
            "{name}"
        );
        let limiter = parsed(json!({"tiers": [{"name": name, "preset": name}]}))
            .limiter()
            .unwrap();
        let admitted = (0..limit + 5).filter(|_| limiter.check([Subject::of("a")], 1).is_ok());
        assert_eq!(admitted.count() as u64, limit, "{name}");
    }
    assert_eq!(Quota::preset("Auth"), None);
    assert_eq!(Quota::per_minute(7).limit(), 7);
}

#[test]
fn each_wrong_value_is_reported_at_its_path() {
    let tier = |tier: Value| json!({ "tiers": [{"name": "ok", "preset": "api"}, tier] });
    for (section, path, reason) in [
        (json!({}), "tiers", "at least one tier"),
        (json!({"retry_jitter": 1.5}), "retry_jitter", "from 0 to 1"),
        (json!({"retry_jitter": -0.1}), "retry_jitter", "from 0 to 1"),
        (json!({"headers": ["draft"]}), "headers[0]", "ietf, legacy"),
        (
            json!({"exclude": ["/a", "b"]}),
            "exclude[1]",
            "must start with `/`",
        ),
        (json!({"include": ["/a/../b"]}), "include[0]", "dot segment"),
        (
            tier(json!({"name": "x"})),
            "tiers[1].limit",
            "unless a preset",
        ),
        (
            tier(json!({"name": "x", "limit": 5})),
            "tiers[1].per",
            "unless a preset",
        ),
        (
            tier(json!({"name": "x", "preset": "fast"})),
            "tiers[1].preset",
            "payments",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "burst": 1})),
            "tiers[1].burst",
            "preset",
        ),
        (
            tier(json!({"name": "ok", "preset": "api"})),
            "tiers[1].name",
            "another tier",
        ),
        (
            tier(json!({"preset": "api"})),
            "tiers[1].name",
            "is missing",
        ),
        (
            tier(json!({"name": "a\"", "preset": "api"})),
            "tiers[1].name",
            "printable",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": "user"})),
            "tiers[1].key",
            "principal-or-ip",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": ""})),
            "tiers[1].key",
            "expected ip",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": "ip+"})),
            "tiers[1].key",
            "expected ip",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": "header:a b"})),
            "tiers[1].key",
            "header name",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": "given"})),
            "tiers[1].key",
            "given by the caller",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": "ip+given"})),
            "tiers[1].key",
            "given by the caller",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "lease": {"units": 5}})),
            "tiers[1].lease",
            "processes share",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "on_exceed": "ban"})),
            "tiers[1].on_exceed",
            "demand",
        ),
        (
            tier(json!({"name": "x", "limit": 0, "per": 1})),
            "tiers[1].limit",
            "from 1",
        ),
        (
            tier(json!({"name": "x", "limit": 1, "per": 0})),
            "tiers[1].per",
            "longer than zero",
        ),
        (
            tier(json!({"name": "x", "limit": 1, "per": 1, "algorithm": "leaky"})),
            "tiers[1].algorithm",
            "fixed, sliding, exact, bounded, gcra",
        ),
        (
            tier(json!({"name": "x", "limit": 1, "per": 1, "algorithm": "bounded", "burst": 2})),
            "tiers[1].burst",
            "gcra",
        ),
        (
            tier(json!({"name": "x", "limit": 1, "per": 1, "burst": 2})),
            "tiers[1].burst",
            "gcra",
        ),
        (
            tier(json!({"name": "x", "limit": 200, "per": 1, "algorithm": "exact"})),
            "tiers[1].limit",
            "to 128",
        ),
    ] {
        let config = parsed(section.clone());
        let faults = FieldFaults::of(&config);
        let found = faults.iter().find(|fault| fault.path() == path);
        let found = found.unwrap_or_else(|| panic!("{section}: {faults}"));
        assert!(found.reason().contains(reason), "{section}: {found}");
        // The check and the constructor follow one set of rules.
        assert!(config.layer().is_err(), "{section}");
    }
}

#[test]
fn all_faults_are_reported_at_once_and_unknown_keys_refused() {
    let config = parsed(json!({
        "headers": ["x"],
        "tiers": [{"name": "a"}, {"name": "b", "preset": "nope"}]
    }));
    let paths: Vec<_> = FieldFaults::of(&config)
        .into_iter()
        .map(|f| f.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "headers[0]",
            "tiers[0].limit",
            "tiers[0].per",
            "tiers[1].preset"
        ]
    );
    for unknown in [json!({"tier": []}), json!({"tiers": [{"nmae": "x"}]})] {
        let error = serde_json::from_value::<RateLimitConfig>(unknown).unwrap_err();
        assert!(error.to_string().contains("unknown field"), "{error}");
    }
}

#[test]
fn blocks_have_lengths_as_text_or_seconds() {
    let lengths = |value: Value| {
        let section = json!({"tiers": [{"name": "x", "preset": "api"}], "ban": {"lengths": value}});
        serde_json::from_value::<RateLimitConfig>(section)
            .map(|config| (FieldFaults::of(&config), config.ban.unwrap().lengths))
    };
    let (faults, read) = lengths(json!(["5m", "1h30m", 86_400])).unwrap();
    assert!(faults.is_empty());
    assert_eq!(read, [300, 5400, 86_400].map(Duration::from_secs));
    let error = lengths(json!(["5m", "1 hour"])).unwrap_err();
    assert!(error.to_string().contains("use w, d, h"), "{error}");
    let (faults, _) = lengths(json!([])).unwrap();
    assert_eq!(faults.iter().next().unwrap().path(), "ban.lengths");
    assert_eq!(
        crate::BanConfig::default().lengths,
        [300, 3600, 86_400].map(Duration::from_secs)
    );
}

/// A limiter for the plain functions may have keys that code gives; a layer cannot.
#[test]
fn a_given_key_is_for_the_plain_functions() {
    let config = parsed(json!({"tiers": [{"name": "x", "preset": "api", "key": "given"}]}));
    assert!(config.limiter().is_ok());
    assert_eq!(config.layer().unwrap_err().field(), "tiers[0].key");
}
