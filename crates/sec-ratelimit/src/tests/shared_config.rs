//! Shared limiters in a configuration file: the rules of the builder, and every fault with its path.

use std::sync::Arc;

use sec_core::FieldFaults;
use sec_core::config::Loader;
use serde_json::{Value, json};

use crate::{MemoryStore, RateLimitLayer, SharedLimitConfig, SharedLimiter, SharedStores, Subject};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn parsed(value: Value) -> SharedLimitConfig {
    serde_json::from_value(value).unwrap()
}

/// A sound section with these keys changed.
fn with(changes: Value) -> Value {
    let mut section = json!({
        "name": "api",
        "store": "redis",
        "secret": SECRET,
        "tiers": [{"name": "ok", "preset": "api"}],
    });
    let fields = section.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        fields.insert(key.clone(), value.clone());
    }
    section
}

fn stores() -> SharedStores {
    let store = || Arc::new(MemoryStore::new());
    SharedStores::new()
        .with("redis", store())
        .with("sessions", store())
}

#[tokio::test]
async fn a_whole_section_becomes_a_limiter_and_a_layer() {
    let config = parsed(with(json!({
        "deadline": "20ms",
        "breaker": {"failures": 3, "pause": "2s"},
        "on_store_error": {"local": 4},
        "remember_refusals": {"count": 64, "longest": "500ms"},
        "headers": ["ietf", "legacy"],
        "exclude": ["/health"],
        "tiers": [
            {"name": "service", "algorithm": "gcra", "limit": 5000, "per": "1s", "key": "global",
             "lease": {"units": 100, "for_at_most": "250ms", "renew_below": 20, "keys": 8}},
            {"name": "caller", "preset": "api", "key": "principal-or-ip"},
            {"name": "hour", "limit": 500, "per": "1h", "key": "principal-or-ip"}
        ],
    })));
    assert!(FieldFaults::of(&config).is_empty());
    let builder = format!("{:?}", config.builder(&stores()).unwrap());
    for words in [
        "units: 100, life: 250ms, renew_below: Some(20), keys: 8",
        "fallback: Local { nodes: 4 }",
        "deadline: 20ms",
    ] {
        assert!(builder.contains(words), "{words}: {builder}");
    }
    assert!(!builder.contains(SECRET));
    let limiter: SharedLimiter = config.limiter(&stores()).unwrap();
    let subjects = [Subject::everyone(), Subject::of("ada"), Subject::of("ada")];
    let decision = limiter.check(&subjects, 1).await.unwrap();
    let left: Vec<_> = decision.tiers().map(|tier| tier.remaining).collect();
    assert_eq!(left, [4999, 99, 499]);
    let _: RateLimitLayer<SharedLimiter> = config.layer(&stores()).unwrap();
}

#[test]
fn the_defaults_are_those_of_the_builder() {
    let config = parsed(with(json!({})));
    let store = stores().get("redis").unwrap();
    let plain = SharedLimiter::builder("api", store, SECRET.as_bytes().to_vec());
    let numbers = |debug: String| debug.split_once("fallback").unwrap().1.to_owned();
    assert_eq!(
        numbers(format!("{:?}", config.builder(&stores()).unwrap())),
        numbers(format!("{plain:?}"))
    );
    for fallback in ["open", "closed"] {
        let config = parsed(with(json!({"on_store_error": fallback})));
        let debug = format!("{:?}", config.builder(&stores()).unwrap()).to_lowercase();
        assert!(debug.contains(&format!("fallback: {fallback}")), "{debug}");
    }
}

#[test]
fn each_wrong_value_is_reported_at_its_path() {
    let tier = |tier: Value| with(json!({"tiers": [{"name": "ok", "preset": "api"}, tier]}));
    let leased = |lease: Value| tier(json!({"name": "x", "preset": "api", "lease": lease}));
    for (section, path, reason) in [
        (with(json!({"name": ""})), "name", "is missing"),
        (with(json!({"name": "a".repeat(65)})), "name", "1 to 64"),
        (with(json!({"name": "A{b}"})), "name", "a-z"),
        (with(json!({"store": ""})), "store", "registered"),
        (with(json!({"secret": null})), "secret", "32 bytes"),
        (with(json!({"secret": "short"})), "secret", "32 bytes"),
        (
            with(json!({"deadline": "999us"})),
            "deadline",
            "1 ms to 10 s",
        ),
        (
            with(json!({"deadline": "10001ms"})),
            "deadline",
            "1 ms to 10 s",
        ),
        (
            with(json!({"breaker": {"failures": 0}})),
            "breaker.failures",
            "from 1",
        ),
        (
            with(json!({"breaker": {"pause": 0}})),
            "breaker.pause",
            "longer than zero",
        ),
        (
            with(json!({"remember_refusals": {"count": 2_000_000}})),
            "remember_refusals.count",
            "to 1048576",
        ),
        (
            with(json!({"on_store_error": {"local": 0}})),
            "on_store_error.local",
            "from 1",
        ),
        (with(json!({"tiers": []})), "tiers", "at least one tier"),
        (
            with(json!({"headers": ["x"]})),
            "headers[0]",
            "ietf, legacy",
        ),
        (
            with(json!({"include": ["a"]})),
            "include[0]",
            "start with `/`",
        ),
        (
            with(json!({"retry_jitter": 2})),
            "retry_jitter",
            "from 0 to 1",
        ),
        (
            tier(json!({"name": "x", "limit": 0, "per": 1})),
            "tiers[1].limit",
            "from 1",
        ),
        (
            tier(json!({"name": "ok", "preset": "api"})),
            "tiers[1].name",
            "another tier",
        ),
        (
            tier(json!({"name": "x", "preset": "api", "key": "given"})),
            "tiers[1].key",
            "given by the caller",
        ),
        (leased(json!({})), "tiers[1].lease.units", "from 1 to 100"),
        (
            leased(json!({"units": 101})),
            "tiers[1].lease.units",
            "from 1 to 100",
        ),
        (
            leased(json!({"units": 5, "for_at_most": "2m"})),
            "tiers[1].lease.for_at_most",
            "the tier's window",
        ),
        (
            leased(json!({"units": 5, "renew_below": 6})),
            "tiers[1].lease.renew_below",
            "from 0 to 5",
        ),
        (
            leased(json!({"units": 5, "keys": 0})),
            "tiers[1].lease.keys",
            "from 1",
        ),
        (
            tier(
                json!({"name": "x", "preset": "api", "on_exceed": "demand", "lease": {"units": 5}}),
            ),
            "tiers[1].lease",
            "demands",
        ),
    ] {
        let config = parsed(section.clone());
        let faults = FieldFaults::of(&config);
        let found = faults.iter().find(|fault| fault.path() == path);
        let found = found.unwrap_or_else(|| panic!("{section}: {faults}"));
        assert!(found.reason().contains(reason), "{section}: {found}");
        // The check and the constructor follow one set of rules.
        let error = config.layer(&stores()).unwrap_err();
        assert_eq!(error.field(), path, "{section}");
    }
}

#[test]
fn a_store_that_is_not_registered_is_named_with_those_that_are() {
    let config = parsed(with(json!({"store": "redsi"})));
    let error = config.limiter(&stores()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "store: no store \"redsi\" is registered: expected redis, sessions"
    );
    let none = config.limiter(&SharedStores::new()).unwrap_err();
    assert!(
        none.to_string().contains("registered no such store"),
        "{none}"
    );
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    for unknown in [
        with(json!({"tier": []})),
        with(json!({"breaker": {"failure": 1}})),
        with(json!({"remember_refusals": {"long": 1}})),
        with(json!({"on_store_error": "locale"})),
        with(json!({"on_store_error": {"locale": 1}})),
        with(json!({"tiers": [{"name": "x", "lease": {"unit": 1}}]})),
    ] {
        let error = serde_json::from_value::<SharedLimitConfig>(unknown.clone());
        let error = error.unwrap_err().to_string();
        let known = error.contains("unknown") || error.contains("invalid type");
        assert!(known, "{unknown}: {error}");
    }
}

/// What the loader makes of it: all faults at once, each with its line or its variable, and nothing of
/// the secrets.
#[test]
fn the_loader_says_where_each_fault_stands() {
    let file = "\
[limits]
name = \"Api\"
store = \"redis\"
deadline = \"1m\"
on_store_error = { local = 0 }

[[limits.tiers]]
name = \"service\"
preset = \"api\"
key = \"given\"

[[limits.tiers]]
name = \"caller\"
limit = 5
per = \"1h\"
lease = { units = 9 }
";
    let mut load = Loader::new()
        .text("sec.toml", file)
        .unwrap()
        .env_prefix("SEC")
        .env_from([
            ("SEC_LIMITS__SECRET", "hush"),
            ("SEC_LIMITS__BREAKER__PAUSE", "0s"),
        ]);
    let limits = load.section::<SharedLimitConfig>("limits");
    let faults = load.finish(limits).unwrap_err();
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    for (line, path) in [
        ("sec.toml:2", "limits.name"),
        ("sec.toml:4", "limits.deadline"),
        ("sec.toml:5", "limits.on_store_error.local"),
        ("sec.toml:10", "limits.tiers[0].key"),
        ("sec.toml:16", "limits.tiers[1].lease.units"),
        ("SEC_LIMITS__SECRET", ""),
        ("SEC_LIMITS__BREAKER__PAUSE", ""),
    ] {
        let found = lines
            .iter()
            .any(|l| l.starts_with(line) && l.contains(path));
        assert!(found, "{line} {path}: {lines:#?}");
    }
    assert_eq!(lines.len(), 7, "{lines:#?}");
    assert!(!faults.to_string().contains("hush"));
}

/// The section that the README shows is one.
#[cfg(feature = "redis")]
#[test]
fn the_readmes_section_loads_and_builds() {
    use crate::{RedisStore, RedisStoreConfig};
    let readme = include_str!("../../README.md");
    let mut blocks = readme
        .split("```toml\n")
        .filter_map(|rest| rest.split_once("```"));
    let (section, _) = blocks
        .find(|(block, _)| block.contains("[shared_limit]"))
        .unwrap();
    let mut load = Loader::new()
        .text("README.md", section)
        .unwrap()
        .env_prefix("SEC")
        .env_from([
            ("SEC_SHARED_LIMIT__SECRET", SECRET),
            ("SEC_SHARED_LIMIT__BAN__SHARED__SECRET", SECRET),
            ("SEC_REDIS__URL", "redis://localhost"),
        ]);
    let limit = load.section::<SharedLimitConfig>("shared_limit");
    let redis = load.section::<RedisStoreConfig>("redis");
    let (limit, redis) = load.finish((limit, redis)).unwrap();
    let store = Arc::new(RedisStore::try_from(&redis).unwrap());
    let stores = SharedStores::new().with("redis", store.clone());
    let stores = stores.with_blocks("redis", store);
    let (layer, follower) = limit.layer_sharing(&stores).unwrap();
    assert!(layer.bans().is_some() && follower.is_some());
}
