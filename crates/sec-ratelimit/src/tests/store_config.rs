//! Stores in a configuration file: the rules of their builders, and every fault with its path.

use sec_core::config::Loader;
use sec_core::{FieldFaults, Section};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn parsed<C: DeserializeOwned>(value: &Value) -> C {
    serde_json::from_value(value.clone()).unwrap()
}

/// The paths of a section's faults with their reasons; nothing shows its passwords.
fn faults<C: Section + std::fmt::Debug>(config: &C) -> Vec<(String, String)> {
    let faults = FieldFaults::of(config);
    assert!(!format!("{faults} {config:?}").contains("hush"));
    let faults = faults.into_iter();
    faults
        .map(|fault| (fault.path().to_owned(), fault.reason().to_owned()))
        .collect()
}

#[cfg(feature = "redis")]
mod redis {
    use super::*;
    use crate::{RedisStore, RedisStoreConfig};

    #[test]
    fn sound_sections_are_stores() {
        for section in [
            json!({"url": "redis://ada:hush@localhost/2", "connect_within": "500ms", "lanes": 1}),
            json!({"sentinels": ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"],
                   "master": "mymaster", "prefix": "shop"}),
            json!({"sentinels": ["redis://10.0.0.1:26379"], "master": "redis://ada:hush@mymaster/1"}),
        ] {
            let config: RedisStoreConfig = parsed(&section);
            assert_eq!(faults(&config), [], "{section}");
            RedisStore::try_from(&config).unwrap();
        }
    }

    #[test]
    fn each_wrong_value_is_reported_at_its_path() {
        for (section, path, reason) in [
            (json!({}), "url", "one of `url`, `sentinels`"),
            (json!({"prefix": "shop"}), "url", "is needed"),
            (
                json!({"url": "http://ada:hush@host"}),
                "url",
                "not an address",
            ),
            (json!({"url": ""}), "url", "not an address"),
            (
                json!({"url": "redis://a", "sentinels": ["redis://b"], "master": "m"}),
                "sentinels",
                "`url` is set too",
            ),
            (
                json!({"url": "redis://a", "cluster": ["redis://b"]}),
                "cluster",
                "`url` is set",
            ),
            (
                json!({"sentinels": ["redis://b"], "master": "m", "cluster": ["redis://c"]}),
                "cluster",
                "`sentinels` is set",
            ),
            (
                json!({"url": "redis://a", "master": "m"}),
                "master",
                "belongs to `sentinels`",
            ),
            (json!({"master": "m"}), "master", "belongs to `sentinels`"),
            (
                json!({"sentinels": ["redis://a"]}),
                "master",
                "what the sentinels call it",
            ),
            (
                json!({"sentinels": ["redis://a", "ada:hush@b"], "master": "m"}),
                "sentinels[1]",
                "",
            ),
            (
                json!({"sentinels": ["redis://a", "redis://b/3"], "master": "m"}),
                "sentinels[1]",
                "no database",
            ),
            (
                json!({"sentinels": ["redis://a"], "master": "my master"}),
                "master",
                "",
            ),
            (
                json!({"url": "redis://a", "prefix": "a{b"}),
                "prefix",
                "1 to 64",
            ),
            (json!({"url": "redis://a", "lanes": 0}), "lanes", "1 to 64"),
            (json!({"url": "redis://a", "lanes": 65}), "lanes", "1 to 64"),
            (
                json!({"url": "redis://a", "connect_within": 0}),
                "connect_within",
                "a minute",
            ),
            (
                json!({"url": "redis://a", "connect_within": "61s"}),
                "connect_within",
                "a minute",
            ),
        ] {
            wrong(&section, path, reason);
        }
    }

    fn wrong(section: &Value, path: &str, reason: &str) {
        let config: RedisStoreConfig = parsed(section);
        let faults = faults(&config);
        let found = faults.iter().find(|(at, _)| at == path);
        let (_, why) = found.unwrap_or_else(|| panic!("{section}: {faults:?}"));
        assert!(why.contains(reason), "{section}: {why}");
        // The check and the constructor follow one set of rules.
        let error = RedisStore::try_from(&config).unwrap_err();
        assert_eq!(error.field(), faults[0].0, "{section}");
    }

    #[cfg(not(feature = "redis-cluster"))]
    #[test]
    fn a_cluster_needs_its_feature() {
        wrong(
            &json!({"cluster": ["redis://a"]}),
            "cluster",
            "the feature `redis-cluster`",
        );
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn a_cluster_is_checked_server_by_server() {
        let sound: RedisStoreConfig = parsed(&json!({"cluster": ["redis://a", "redis://b:7000"]}));
        assert_eq!(faults(&sound), []);
        RedisStore::try_from(&sound).unwrap();
        for (list, path, reason) in [
            (
                json!(["redis://a", "redis://b/1"]),
                "cluster[1]",
                "database 0",
            ),
            (
                json!(["http://ada:hush@a", "redis://b"]),
                "cluster[0]",
                "not an address",
            ),
        ] {
            wrong(&json!({"cluster": list}), path, reason);
        }
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_needs_its_feature() {
        let why = "the feature `redis-tls`";
        wrong(&json!({"url": "rediss://a"}), "url", why);
        let section = json!({"url": "redis://a", "root_certificates": "/ca.pem"});
        wrong(&section, "root_certificates", why);
    }

    #[cfg(feature = "redis-tls")]
    #[test]
    fn certificates_are_files_that_are_read() {
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let folder = std::env::temp_dir().join(format!("sec-certificates-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        let ca = file("ca.pem", &pem("CERTIFICATE", made.cert.der()));
        let key = file(
            "key.pem",
            &pem("PRIVATE KEY", &made.signing_key.serialize_der()),
        );
        let (empty, absent) = (file("empty.pem", ""), "/nonexistent/ca.pem");
        let secure = |more: Value| {
            let mut section = json!({"url": "rediss://a", "root_certificates": ca});
            let fields = section.as_object_mut().unwrap();
            fields.extend(more.as_object().unwrap().clone());
            section
        };
        for section in [
            secure(json!({})),
            secure(json!({"client_certificate": ca, "client_key": key})),
        ] {
            let config: RedisStoreConfig = parsed(&section);
            assert_eq!(faults(&config), [], "{section}");
            RedisStore::try_from(&config).unwrap();
        }
        for (section, path, reason) in [
            (
                secure(json!({"root_certificates": absent})),
                "root_certificates",
                absent,
            ),
            (
                secure(json!({"root_certificates": empty})),
                "root_certificates",
                "no certificate",
            ),
            (
                secure(json!({"client_certificate": ca})),
                "client_key",
                "missing",
            ),
            (
                secure(json!({"client_key": key})),
                "client_certificate",
                "missing",
            ),
            (
                secure(json!({"client_certificate": ca, "client_key": absent})),
                "client_key",
                absent,
            ),
            (
                secure(json!({"client_certificate": empty, "client_key": key})),
                "client_certificate",
                "no certificate",
            ),
            (
                secure(json!({"client_certificate": ca, "client_key": empty})),
                "client_certificate",
                "",
            ),
            (
                json!({"url": "redis://a", "root_certificates": ca}),
                "root_certificates",
                "no address is `rediss://`",
            ),
        ] {
            wrong(&section, path, reason);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(feature = "redis-tls")]
    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = serde_json::from_value::<RedisStoreConfig>(json!({"uri": "redis://a"}));
        assert!(error.unwrap_err().to_string().contains("unknown field"));
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use crate::{PostgresStore, PostgresStoreConfig};

    const URL: &str = "postgres://ada:hush@localhost/shop";

    /// Building asks for no runtime.
    #[test]
    fn a_sound_section_is_a_store() {
        let config: PostgresStoreConfig = parsed(&json!({
            "url": URL, "schema": "shop_limits", "prefix": "shop", "connections": 256,
            "statement_timeout": "10ms", "connect_within": "1m", "sweep_every": 0
        }));
        assert_eq!(faults(&config), []);
        PostgresStore::try_from(&config).unwrap();
        // What is not set is as in code.
        let config: PostgresStoreConfig = parsed(&json!({"url": URL}));
        let shown = format!("{:?}", PostgresStore::try_from(&config).unwrap());
        let plain = PostgresStore::builder(URL).build().unwrap();
        assert_eq!(shown, format!("{plain:?}"));
    }

    #[test]
    fn each_wrong_value_is_reported_at_its_path() {
        for (change, path, reason) in [
            (json!({"url": null}), "url", "is missing"),
            (json!({"url": ""}), "url", "names no host"),
            (
                json!({"url": "postgres://localhost/?sslmode=require"}),
                "url",
                "asks for TLS",
            ),
            (json!({"url": "hush"}), "url", "cannot be read"),
            (json!({"schema": "pg_limits"}), "schema", "1 to 63"),
            (json!({"schema": "a\"; DROP"}), "schema", "1 to 63"),
            (json!({"prefix": "A"}), "prefix", "1 to 64"),
            (json!({"connections": 0}), "connections", "1 to 256"),
            (json!({"connections": 257}), "connections", "1 to 256"),
            (
                json!({"statement_timeout": "9ms"}),
                "statement_timeout",
                "10 milliseconds",
            ),
            (
                json!({"statement_timeout": "61s"}),
                "statement_timeout",
                "a minute",
            ),
            (
                json!({"connect_within": 0}),
                "connect_within",
                "longer than zero",
            ),
        ] {
            let mut section = json!({ "url": URL });
            let fields = section.as_object_mut().unwrap();
            fields.extend(change.as_object().unwrap().clone());
            let config: PostgresStoreConfig = parsed(&section);
            let faults = faults(&config);
            assert_eq!(faults.len(), 1, "{change}: {faults:?}");
            assert_eq!(faults[0].0, path, "{change}");
            assert!(faults[0].1.contains(reason), "{change}: {faults:?}");
            let error = PostgresStore::try_from(&config).unwrap_err();
            assert_eq!(error.field(), path, "{change}");
        }
        let error = serde_json::from_value::<PostgresStoreConfig>(json!({"tls": true}));
        assert!(error.unwrap_err().to_string().contains("unknown field"));
    }
}

/// What the loader makes of them: lists from the environment, all faults at once, and no password.
#[cfg(all(feature = "postgres", feature = "redis-cluster"))]
#[test]
fn the_loader_says_where_each_fault_stands() {
    use crate::{PostgresStoreConfig, RedisStoreConfig};
    let load = |file: &str, variables: &[(&str, &str)]| {
        let mut load = Loader::new()
            .text("sec.toml", file)
            .unwrap()
            .env_prefix("SEC")
            .env_from(variables.to_vec());
        let redis = load.section::<RedisStoreConfig>("redis");
        let postgres = load.section::<PostgresStoreConfig>("postgres");
        load.finish((redis, postgres))
    };
    let sound = "[redis]\nlanes = 4\n[postgres]\nschema = \"limits\"\n";
    let (redis, postgres) = load(
        sound,
        &[
            (
                "SEC_REDIS__CLUSTER",
                "redis://ada:hush@a, redis://ada:hush@b",
            ),
            ("SEC_POSTGRES__URL", "postgres://ada:hush@localhost"),
        ],
    )
    .unwrap();
    assert_eq!((redis.cluster.len(), &*postgres.schema), (2, "limits"));

    let file = "\
[redis]
lanes = 65
cluster = [\"redis://a\", \"redis://b/7\"]
connect_within = \"2m\"

[postgres]
schema = \"1\"
connections = 0
";
    let faults = load(file, &[("SEC_POSTGRES__URL", "host=a sslmode=hush")]).unwrap_err();
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    for (line, path) in [
        ("sec.toml:2", "redis.lanes"),
        ("sec.toml:3", "redis.cluster[1]"),
        ("sec.toml:4", "redis.connect_within"),
        ("sec.toml:7", "postgres.schema"),
        ("sec.toml:8", "postgres.connections"),
        ("SEC_POSTGRES__URL", ""),
    ] {
        let mut lines = lines.iter();
        let found = lines.any(|l| l.starts_with(line) && l.contains(path));
        assert!(found, "{line} {path}: {faults}");
    }
    assert_eq!(lines.len(), 6, "{lines:#?}");
    assert!(!faults.to_string().contains("hush"));
}
