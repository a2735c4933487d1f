use super::*;

#[test]
fn every_form_is_read() {
    let text = r#"
        [limits]
        enabled = false
        burst = 0x10
        ratio = 1
        window = "1h30m"
        name = 'x'
        hosts = ["a", "b"]
        ports = [
            80,
            443,
        ]
        mode = { custom = { level = 3 } }
        proxy = "192.0.2.1"
        by_port = { 80 = 1 }
        nested.depth = 2

        [limits.store]
        kind = "redis"
        url = "redis://h"
        pool = 4
        tls = true

        [limits.quotas]
        "a.b" = 5

        [[limits.tiers]]
        limit = 5
        window = "1s"
        per = "::1"
    "#;
    assert_eq!(
        limits(text, &[]).unwrap(),
        Limits {
            enabled: false,
            burst: 16,
            ratio: 1.0,
            window: Duration::from_secs(5400),
            name: "x".into(),
            hosts: vec!["a".into(), "b".into()],
            ports: vec![80, 443],
            mode: Mode::Custom { level: 3 },
            store: Store::Redis {
                url: "redis://h".into(),
                pool: 4,
                tls: true
            },
            tiers: vec![Tier {
                limit: 5,
                window: "1s".into(),
                per: "::1".parse().unwrap()
            }],
            quotas: [(Name("a.b".into()), 5)].into(),
            by_port: [(80, 1)].into(),
            proxy: Some("192.0.2.1".parse().unwrap()),
            nested: Nested {
                depth: 2,
                label: String::new()
            },
        }
    );
}

#[test]
fn a_missing_section_has_its_defaults_and_is_checked() {
    assert_eq!(limits("", &[]).unwrap(), Limits::default());

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Server {
        host: String,
    }
    impl Section for Server {
        fn check(&self, faults: &mut FieldFaults) {
            if self.host.is_empty() {
                faults.add("host", "must be set");
            }
        }
    }
    for (loader, expected) in [
        (
            Loader::new().text("sec.toml", "").unwrap(),
            "sec.toml: server.host: must be set",
        ),
        (
            Loader::new().text("sec.toml", "\n[server]").unwrap(),
            "sec.toml:2: server.host: must be set",
        ),
        (Loader::new(), "server.host: must be set"),
    ] {
        let mut load = loader;
        let server = load.section::<Server>("server");
        let faults = load.finish(server).unwrap_err();
        assert_eq!(faults.to_string(), expected);
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_lines() {
    let text = r#"
surprise = 1

[limits]
window = "15"
burst = "x"
name = 5
burts = 3
ports = [80, "x", 70000]
mode = "slack"
proxy = "nowhere"
nested = { depth = 300, lable = "typo" }

[[limits.tiers]]
limit = 5
window = "1s"
per = "::1"

[[limits.tiers]]
limit = -1
colour = "red"

[other]
x = 1
"#;
    assert_eq!(
        faults(text, &[]),
        [
            "sec.toml:2: surprise: unknown section or key, known are `limits`",
            "sec.toml:5: limits.window: \"15\" needs a unit: w, d, h, m, s, ms, us or ns",
            "sec.toml:6: limits.burst: invalid type: string \"x\", expected u16",
            "sec.toml:7: limits.name: invalid type: integer `5`, expected a string",
            "sec.toml:8: limits.burts: unknown key, did you mean `burst`? Known are `enabled`, `burst`, `ratio`, `window`, `name`, \
             `hosts`, `ports`, `mode`, `store`, `tiers`, `quotas`, `by_port`, `proxy`, `nested`",
            "sec.toml:9: limits.ports[1]: invalid type: string \"x\", expected u16",
            "sec.toml:9: limits.ports[2]: invalid value: integer `70000`, expected u16",
            "sec.toml:10: limits.mode: unknown value `slack`, expected one of `strict`, `lax`, `custom`",
            "sec.toml:11: limits.proxy: invalid IP address syntax",
            "sec.toml:12: limits.nested.depth: invalid value: integer `300`, expected u8",
            "sec.toml:12: limits.nested.lable: unknown key",
            "sec.toml:19: limits.tiers[1].window: is missing",
            "sec.toml:19: limits.tiers[1].per: is missing",
            "sec.toml:20: limits.tiers[1].limit: invalid value: integer `-1`, expected u32",
            "sec.toml:21: limits.tiers[1].colour: unknown key, expected one of `limit`, `window`, `per`",
            "sec.toml:23: other: unknown section, known are `limits`",
        ]
    );
}

#[test]
fn the_check_maps_paths_to_lines_and_keeps_indices() {
    let text = r#"
[limits]
burst = 0
nested.depth = 9
name = 1

[[limits.tiers]]
limit = 500
window = ""
per = "::1"

[[limits.tiers]]
limit = 50
window = ""
per = "::1"

[[limits.tiers]]
limit = 600
window = ""
per = "::1"
"#;
    assert_eq!(
        faults(text, &[]),
        [
            "sec.toml:3: limits.burst: must not be zero",
            "sec.toml:4: limits.nested.depth: is too deep",
            "sec.toml:5: limits.name: invalid type: integer `1`, expected a string",
            "sec.toml:8: limits.tiers[0].limit: 500 is above 100",
            "sec.toml:18: limits.tiers[2].limit: 600 is above 100",
        ]
    );
}

#[test]
fn a_value_that_was_refused_is_not_checked_again() {
    // Its default would be faulted for what nobody wrote.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Zero {
        count: u8,
    }
    impl Section for Zero {
        fn check(&self, faults: &mut FieldFaults) {
            if self.count == 0 {
                faults.add("count", "is zero");
            }
        }
    }
    let mut load = Loader::new().text("f", "z.count = 'x'").unwrap();
    let zero = load.section::<Zero>("z");
    let faults = load.finish(zero).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "f:1: z.count: invalid type: string \"x\", expected u8"
    );
}

#[test]
fn an_enum_reports_its_fields() {
    let wrong = |body: &str| faults(&format!("[limits]\n{body}"), &[]);
    assert_eq!(
        wrong("store = { kind = 'redis', url = 'h', pool = 'x', tls = true }"),
        ["sec.toml:2: limits.store: invalid type: string \"x\", expected u8"]
    );
    assert_eq!(
        wrong("store = { kind = 'redis', url = 'h', pool = 1, tls = true, x = 1 }"),
        ["sec.toml:2: limits.store.x: unknown key, expected one of `url`, `pool`, `tls`"]
    );
    assert_eq!(
        wrong("store = { url = 'h' }"),
        ["sec.toml:2: limits.store.kind: is missing"]
    );
    assert_eq!(
        wrong("mode = { custom = { level = 999 } }"),
        ["sec.toml:2: limits.mode.custom.level: invalid value: integer `999`, expected u8"]
    );
    assert_eq!(
        wrong("mode = { strict = 1, lax = 2 }"),
        ["sec.toml:2: limits.mode: expected a table with exactly one key"]
    );
    assert_eq!(
        wrong("mode = 'custom'"),
        ["sec.toml:2: limits.mode: invalid type: unit variant, expected struct variant"]
    );
}

#[test]
fn a_section_of_another_type_is_one_fault() {
    assert_eq!(
        faults("limits = 5", &[]),
        ["sec.toml:1: limits: invalid type: integer `5`, expected struct Limits"]
    );
    assert_eq!(
        faults("[limits.hosts]", &[]),
        ["sec.toml:1: limits.hosts: invalid type: map, expected a sequence"]
    );
}

#[test]
fn a_misspelt_name_comes_with_what_it_means_and_before_what_follows_from_it() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Host {
        hosts: Vec<String>,
        report_endpoint: String,
    }
    impl Section for Host {
        fn check(&self, faults: &mut FieldFaults) {
            if self.hosts.is_empty() {
                faults.add("hosts", "must not be empty");
            }
        }
    }
    let read = |text: &str| {
        let mut load = Loader::new().text("sec.toml", text).unwrap();
        let host = load.section::<Host>("host");
        let limits = load.section::<Limits>("limits");
        lines(&load.finish((host, limits)).unwrap_err())
    };
    assert_eq!(
        read("\n[hosts]\nhosts = ['a']\n[zzz]\n"),
        [
            "sec.toml:2: hosts: unknown section, did you mean `host`? Known are `host`, `limits`",
            "sec.toml:4: zzz: unknown section, known are `host`, `limits`",
            "sec.toml: host.hosts: must not be empty",
        ]
    );
    assert_eq!(
        read("[host]\nhosts = ['a']\nreport_endpiont = 'x'\nzzz = 1"),
        [
            "sec.toml:3: host.report_endpiont: unknown key, did you mean `report_endpoint`? \
             Known are `hosts`, `report_endpoint`",
            "sec.toml:4: host.zzz: unknown key, expected one of `hosts`, `report_endpoint`",
        ]
    );
}

#[test]
fn one_text_where_a_list_belongs_is_shown_as_a_list() {
    assert_eq!(
        faults("[limits]\nhosts = '/api'\ntiers = 5", &[]),
        [
            "sec.toml:2: limits.hosts: invalid type: string \"/api\", expected a list, such as [\"/api\"]",
            "sec.toml:3: limits.tiers: invalid type: integer `5`, expected a sequence",
        ]
    );
    // A variable's text is a list by its commas.
    let read = limits("", &[("SEC_LIMITS__HOSTS", "/api")]).unwrap();
    assert_eq!(read.hosts, ["/api"]);
}
