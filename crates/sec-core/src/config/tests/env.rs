use super::*;

#[test]
fn a_variable_takes_the_type_of_its_field() {
    let variables = [
        ("SEC_LIMITS__ENABLED", "false"),
        ("sec_limits__BURST", "3"),
        ("SEC_LIMITS__RATIO", "0.25"),
        ("SEC_LIMITS__WINDOW", "90"),
        ("SEC_LIMITS__NAME", "true"),
        ("SEC_LIMITS__HOSTS", "a, b,,"),
        ("SEC_LIMITS__PORTS", "80,443"),
        ("SEC_LIMITS__MODE", "lax"),
        ("SEC_LIMITS__PROXY", "192.0.2.1"),
        ("SEC_LIMITS__NESTED__DEPTH", "2"),
        ("SEC_LIMITS__NESTED__LABEL", "12"),
        ("SEC_LIMITS__QUOTAS__GOLD", "5"),
        ("SEC_LIMITS__STORE__KIND", "redis"),
        ("SEC_LIMITS__STORE__URL", "h"),
        ("SEC_LIMITS__STORE__POOL", "4"),
        ("SEC_LIMITS__STORE__TLS", "true"),
        ("SECOND", "not ours"),
        ("PATH", "not ours"),
    ];
    let expected = Limits {
        enabled: false,
        burst: 3,
        ratio: 0.25,
        window: Duration::from_secs(90),
        name: "true".into(),
        hosts: vec!["a".into(), "b".into()],
        ports: vec![80, 443],
        mode: Mode::Lax,
        store: Store::Redis {
            url: "h".into(),
            pool: 4,
            tls: true,
        },
        tiers: Vec::new(),
        quotas: [(Name("gold".into()), 5)].into(),
        by_port: BTreeMap::new(),
        proxy: Some("192.0.2.1".parse().unwrap()),
        nested: Nested {
            depth: 2,
            label: "12".into(),
        },
    };
    // Over the file's values and without a file: the tables are made.
    for text in [
        "",
        "[limits]\nburst = 9\nname = 'file'\nstore.kind = 'memory'",
    ] {
        assert_eq!(limits(text, &variables).unwrap(), expected, "{text}");
    }
}

#[test]
fn an_empty_variable_is_an_empty_text_or_list() {
    let read = limits("", &[("SEC_LIMITS__NAME", ""), ("SEC_LIMITS__HOSTS", "")]).unwrap();
    assert_eq!((read.name.as_str(), read.hosts.len()), ("", 0));
}

#[test]
fn a_variable_wins_even_over_a_faulty_value() {
    assert_eq!(
        limits("limits.burst = 'x'", &[("SEC_LIMITS__BURST", "4")])
            .unwrap()
            .burst,
        4
    );
}

#[test]
fn a_variable_reaches_into_an_array_of_tables() {
    let text = "[[limits.tiers]]\nlimit = 5\nwindow = '1s'\nper = '::1'\n";
    let read = limits(text, &[("SEC_LIMITS__TIERS__0__LIMIT", "9")]).unwrap();
    assert_eq!(read.tiers[0].limit, 9);
    let rows = [
        ("SEC_LIMITS__TIERS__0__LIMIT", "900"),
        ("SEC_LIMITS__TIERS__1__LIMIT", "9"),
        ("SEC_LIMITS__TIERS__X", "9"),
    ];
    assert_eq!(
        faults(text, &rows),
        [
            "SEC_LIMITS__TIERS__0__LIMIT: 900 is above 100",
            "SEC_LIMITS__TIERS__1__LIMIT: `limits.tiers` has no element 1",
            "SEC_LIMITS__TIERS__X: `limits.tiers` is a list: a number must follow",
        ]
    );
}

#[test]
fn faults_name_the_variable_and_the_best_reason() {
    for (variable, value, reason) in [
        ("BURST", "abc", "invalid type: string \"abc\", expected u16"),
        (
            "BURST",
            "70000",
            "invalid value: integer `70000`, expected u16",
        ),
        ("BURST", "0", "must not be zero"),
        (
            "ENABLED",
            "yes",
            "invalid type: string \"yes\", expected a boolean",
        ),
        (
            "WINDOW",
            "5 minutes",
            "\" minutes\" is no unit: use w, d, h, m, s, ms, us or ns",
        ),
        (
            "PORTS",
            "80,x",
            "invalid type: string \"80,x\", expected a sequence",
        ),
        (
            "PORTS",
            "80,70000",
            "invalid value: integer `70000`, expected u16",
        ),
        (
            "MODE",
            "slack",
            "unknown value `slack`, expected one of `strict`, `lax`, `custom`",
        ),
        ("PROXY", "x\ny\u{1b}[31m", "invalid IP address syntax"),
        (
            "NESTED__LABEL__X",
            "1",
            "invalid type: map, expected a string",
        ),
        ("NESTED__LABLE", "1", "unknown key"),
        ("NAME__X", "1", "`limits.name` has no keys of its own"),
        (
            "",
            "1",
            "two underscores separate a section and a key; one of them has no name",
        ),
    ] {
        let name = format!("SEC_LIMITS__{variable}");
        let found = faults("limits.name = 'x'", &[(&name, value)]);
        assert_eq!(found, [format!("{name}: {reason}")]);
    }
}

#[test]
fn unknown_variables_and_sections_are_faults() {
    let rows = [
        ("SEC_BURST", "1"),
        ("SEC_LIMIT__BURST", "1"),
        ("SEC_LIMITS", "1"),
        ("SEC_SERVICE_HOST", "10.0.0.1"),
        ("SEC_", "1"),
    ];
    assert_eq!(
        faults("limits.burst = 1", &rows),
        [
            "SEC_: two underscores separate a section and a key; one of them has no name",
            "SEC_BURST: unknown section `burst`, known are `limits`",
            "SEC_LIMITS: names a section: put two underscores and a key behind it",
            "SEC_LIMIT__BURST: unknown section `limit`, did you mean `limits`?",
            "SEC_SERVICE_HOST: unknown section `service_host`, known are `limits`",
        ]
    );
    let mut load = Loader::new()
        .env_prefix("SEC")
        .ignore_env("SEC_service_*")
        .ignore_env("SEC_X");
    load = load.env_from([
        ("SEC_SERVICE_HOST", "1"),
        ("SEC_SERVICE_PORT", "1"),
        ("SEC_X", "1"),
    ]);
    let limits = load.section::<Limits>("limits");
    assert_eq!(load.finish(limits).unwrap(), Limits::default());
}

#[test]
fn aliases_need_no_prefix_and_conflicts_are_faults() {
    let load = |rows: &[(&'static str, &'static str)]| {
        let mut load = Loader::new()
            .env_prefix("SEC")
            .env_alias("SEC_BURST", "limits.burst")
            .env_alias("LABEL", "limits.nested.label")
            .env_from(rows.iter().copied());
        let limits = load.section::<Limits>("limits");
        load.finish(limits).map_err(|faults| faults.to_string())
    };
    let read = load(&[("SEC_BURST", "5"), ("LABEL", "x")]).unwrap();
    assert_eq!((read.burst, read.nested.label.as_str()), (5, "x"));
    assert_eq!(
        load(&[("SEC_BURST", "0")]).unwrap_err(),
        "SEC_BURST: must not be zero"
    );
    assert_eq!(
        load(&[("SEC_BURST", "5"), ("SEC_LIMITS__BURST", "6")]).unwrap_err(),
        "SEC_LIMITS__BURST: `limits.burst` is also set by SEC_BURST"
    );
    assert_eq!(
        load(&[("SEC_LIMITS__BURST", "5"), ("SEC_LIMITS__burst", "6")]).unwrap_err(),
        "SEC_LIMITS__burst: `limits.burst` is also set by SEC_LIMITS__BURST"
    );
    assert_eq!(
        load(&[("SEC_LIMITS__NAME", "5"), ("SEC_LIMITS__NAME__X", "6")]).unwrap_err(),
        "SEC_LIMITS__NAME__X: `limits.name` is set by SEC_LIMITS__NAME and has no keys of its own"
    );
}

#[test]
fn the_spelling_of_the_file_is_found() {
    let read = limits(
        "limits.quotas.Gold = 1",
        &[("SEC_LIMITS__QUOTAS__GOLD", "2")],
    )
    .unwrap();
    assert_eq!(read.quotas, [(Name("Gold".into()), 2)].into());
}

#[test]
fn without_a_prefix_no_variable_counts() {
    for prefix in [None, Some(""), Some("_")] {
        let mut load = Loader::new().env_from([("LIMITS__BURST", "x"), ("_LIMITS__BURST", "x")]);
        if let Some(prefix) = prefix {
            load = load.env_prefix(prefix);
        }
        let limits = load.section::<Limits>("limits");
        assert_eq!(load.finish(limits).unwrap(), Limits::default());
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_utf8_is_a_fault() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};
    let bad = OsString::from_vec(vec![b'x', 0xff]);
    let mut load = Loader::new()
        .env_prefix("SEC")
        .env_from([("SEC_LIMITS__NAME", bad)]);
    let limits = load.section::<Limits>("limits");
    let faults = load.finish(limits).unwrap_err();
    assert_eq!(faults.to_string(), "SEC_LIMITS__NAME: is not valid UTF-8");
    assert_eq!(
        faults.iter().next().unwrap().variable(),
        Some("SEC_LIMITS__NAME")
    );
}

/// Both found by fuzzing: a line feed in a name forged a line of the report, and twenty thousand `__` overflowed the stack.
#[test]
fn a_hostile_name_of_a_variable_is_one_line_of_the_report_and_no_more() {
    let deep = format!("SEC_LIMITS{}", "__A".repeat(20_000));
    for name in ["SEC_LI\nMITS__X", "SEC_LIMITS__\u{85}", deep.as_str()] {
        let loader = Loader::new()
            .text("sec.toml", "[limits]\n")
            .unwrap()
            .env_prefix("SEC");
        let mut loader = loader.env_from([(name, "1")]);
        let limits = loader.section::<Limits>("limits");
        let report = loader.finish(limits).err().unwrap().to_string();
        assert_eq!(report.lines().count(), 1, "{report:.200}");
        assert!(!report.contains('\u{85}'));
    }
}
