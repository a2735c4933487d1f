use proptest::prelude::*;

use super::*;

#[test]
fn syntax_faults_have_line_and_column_and_no_text_of_the_file() {
    for (text, expected) in [
        ("\n[limits\nburst = 1", "sec.toml:2:8: "),
        ("a = 1\na = 2", "sec.toml:2:1: "),
        ("password = \"hunter2", "sec.toml:1:"),
        ("é = = 1", "sec.toml:1:"),
    ] {
        let faults = Loader::new().text("sec.toml", text).unwrap_err();
        let shown = faults.to_string();
        assert!(shown.starts_with(expected), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        let first = faults.iter().next().unwrap();
        assert!(first.line().is_some() && first.column().is_some() && first.path().is_empty());
    }
}

/// A parser that has lost its way complains at every step from there.
#[test]
fn a_line_has_one_syntax_fault() {
    for (text, expected) in [
        (
            "[limits]\nhosts = [\"a\", \"b\"\nburst = 1\n",
            &["sec.toml:3:1: "][..],
        ),
        (
            "[limits]\nhosts = [\"a\" \"b\" = = ]] 1\n",
            &["sec.toml:2:14: "],
        ),
        (
            "a = [1 = = 2]\n\nb = = = 3\n",
            &["sec.toml:1:", "sec.toml:3:"],
        ),
    ] {
        let found = lines(&Loader::new().text("sec.toml", text).unwrap_err());
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (line, start) in found.iter().zip(expected) {
            assert!(line.starts_with(start), "{line}");
        }
    }
}

#[test]
fn what_main_returns_is_shown_line_by_line() {
    let mut load = Loader::new()
        .text("sec.toml", "[limits]\nburst = 'x'\nname = 5\n")
        .unwrap();
    let limits = load.section::<Limits>("limits");
    let faults = load.finish(limits).unwrap_err();
    assert_eq!(faults.len(), 2);
    assert_eq!(format!("{faults:?}"), faults.to_string());
    let error: Box<dyn std::error::Error> = faults.clone().into();
    assert_eq!(format!("Error: {error:?}"), format!("Error: {faults}"));
    assert_eq!(
        format!("{:?}", faults.iter().next().unwrap()),
        faults.to_string().lines().next().unwrap()
    );
    let own = FieldFaults::of(&Limits {
        burst: 0,
        ..Limits::default()
    });
    assert_eq!(format!("{own:?}"), "burst: must not be zero");
}

#[test]
fn files_are_named_and_laid_over_each_other() {
    let folder = std::env::temp_dir().join(format!("sec-core-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let [base, local] = ["base.toml", "local.toml"].map(|name| folder.join(name));
    std::fs::write(&base, "[limits]\nburst = 1\nname = 'base'\n").unwrap();
    std::fs::write(&local, "\n\nlimits.burst = 'x'\n").unwrap();

    let missing = folder.join("missing.toml");
    let error = Loader::new().file(&missing).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{}: cannot be read: ", missing.display()))
    );

    let mut load = Loader::new()
        .file(&base)
        .unwrap()
        .optional_file(&missing)
        .unwrap();
    let limits = load.section::<Limits>("limits");
    assert_eq!(load.finish(limits).unwrap().name, "base");

    let mut load = Loader::new()
        .file(&base)
        .unwrap()
        .optional_file(&local)
        .unwrap();
    let limits = load.section::<Limits>("limits");
    let faults = load.finish(limits).unwrap_err();
    let expected = format!(
        "{}:3: limits.burst: invalid type: string \"x\", expected u16",
        local.display()
    );
    assert_eq!(faults.to_string(), expected);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn finish_gives_tuples_options_and_lists() {
    let mut load = Loader::new()
        .text("f", "[a]\ndepth = 1\n[b]\ndepth = 2")
        .unwrap();
    let a = load.section::<NestedOnly>("a");
    let b = load.section::<NestedOnly>("b");
    let none = None::<Loaded<NestedOnly>>;
    let (list, none, ()) = load.finish((vec![a, b], none, ())).unwrap();
    assert_eq!(list.iter().map(|one| one.depth).collect::<Vec<_>>(), [1, 2]);
    assert!(none.is_none());
}

#[test]
fn a_faulty_section_cannot_be_had_elsewhere() {
    let mut faulty = Loader::new().text("f", "a.depth = 'x'").unwrap();
    let a = faulty.section::<NestedOnly>("a");
    let error = Loader::new().finish(a).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a: has faults, which another loader reports"
    );

    let mut twice = Loader::new();
    let first = twice.section::<NestedOnly>("a");
    let second = twice.section::<NestedOnly>("a");
    let error = twice.finish((first, second)).unwrap_err();
    assert_eq!(error.to_string(), "a: the program reads this section twice");
}

#[test]
fn the_whole_configuration_is_one_struct() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct All {
        limits: Limits,
        nested: Nested,
    }
    impl Section for All {
        fn check(&self, faults: &mut FieldFaults) {
            faults.nested("limits", |faults| self.limits.check(faults));
        }
    }
    let load = |text: &str| {
        Loader::new()
            .text("f", text)
            .unwrap()
            .env_prefix("SEC_")
            .env_from([("SEC_NESTED__DEPTH", "3")])
            .load::<All>()
    };
    let all = load("limits.burst = 3").unwrap();
    assert_eq!((all.limits.burst, all.nested.depth), (3, 3));
    assert_eq!(
        lines(&load("[limits]\nburst = 0\n[others]\n").unwrap_err()),
        [
            "f:2: limits.burst: must not be zero",
            "f:3: others: unknown key, expected one of `limits`, `nested`"
        ]
    );
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct NestedOnly {
    depth: u8,
}

impl Section for NestedOnly {}

#[test]
fn a_fault_is_also_data() {
    let mut load = Loader::new()
        .text("sec.toml", "[limits]\nquotas.\"a.b\" = 'x'\n")
        .unwrap()
        .env_prefix("SEC")
        .env_from([("SEC_LIMITS__BURST", "x")]);
    let limits = load.section::<Limits>("limits");
    let faults = load.finish(limits).unwrap_err();
    assert_eq!((faults.len(), faults.is_empty()), (2, false));
    let [file, variable] = faults.into_iter().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(
        (file.file(), file.line(), file.column()),
        (Some("sec.toml"), Some(2), Some(8))
    );
    assert_eq!(
        (file.path(), file.variable()),
        ("limits.quotas.\"a.b\"", None)
    );
    assert_eq!(file.reason(), "invalid type: string \"x\", expected u32");
    assert_eq!((variable.file(), variable.line()), (None, None));
    assert_eq!(variable.variable(), Some("SEC_LIMITS__BURST"));
    assert_eq!(variable.path(), "limits.burst");
}

#[test]
fn a_reason_stays_on_its_line() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Loud {
        name: String,
    }
    impl Section for Loud {
        fn check(&self, faults: &mut FieldFaults) {
            faults.add("name", format_args!("no {}", self.name));
        }
    }
    let mut load = Loader::new()
        .text("f", "loud.name = \"a\\n\\u001b[31m\\u2028b\"")
        .unwrap();
    let loud = load.section::<Loud>("loud");
    let faults = load.finish(loud).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "f:1: loud.name: no a\\n\\u{1b}[31m\\u{2028}b"
    );
}

/// One key of [`Limits`] or none of it, and any value.
fn line() -> impl Strategy<Value = (&'static str, &'static str)> {
    let keys = [
        "enabled",
        "burst",
        "ratio",
        "window",
        "name",
        "hosts",
        "ports",
        "mode",
        "store",
        "store.kind",
        "store.pool",
        "tiers",
        "tiers.x",
        "quotas",
        "by_port",
        "proxy",
        "nested",
        "nested.depth",
        "nested.x",
        "x",
    ];
    let values = [
        "0",
        "-1",
        "70000",
        "1.5",
        "true",
        "''",
        "'redis'",
        "'1s'",
        "'::1'",
        "[]",
        "[1, 'x', 'y']",
        "{}",
        "{ kind = 'redis' }",
        "{ kind = 'redis', url = 1, pool = 'x', tls = 5 }",
        "{ custom = {} }",
        "{ custom = 5, lax = 1 }",
        "[{}, { limit = 'x' }, { window = 5, y = 1 }, 7]",
        "{ 80 = 'x', a = 1 }",
        "2020-01-01",
    ];
    (
        prop::sample::select(keys.to_vec()),
        prop::sample::select(values.to_vec()),
    )
}

proptest! {
    #[test]
    fn every_reading_ends_and_no_fault_hides(
        lines in prop::collection::vec(line(), 0..6),
        variables in prop::collection::vec(line(), 0..6),
    ) {
        let mut text = String::from("[limits]\n");
        for (key, value) in &lines {
            let longer = format!("{text}{key} = {value}\n");
            // A key that is given twice is the TOML crate's to refuse.
            if Loader::new().text("f", &longer).is_ok() {
                text = longer;
            }
        }
        let variables: Vec<_> = variables
            .iter()
            .map(|(key, value)| (format!("SEC_LIMITS__{}", key.replace('.', "__")), value.trim_matches('\'')))
            .collect();
        let rows: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        match limits(&text, &rows) {
            Ok(read) => prop_assert!(read.burst > 0),
            Err(faults) => prop_assert!(!faults.is_empty() && !faults[0].is_empty()),
        }
        // What the file alone gets wrong is told line by line, whatever else is wrong.
        if text.contains("\nburst = '") {
            let found = limits(&text, &[]).unwrap_err();
            prop_assert!(found.iter().any(|fault| fault.contains(": limits.burst: ")), "{found:?}");
        }
        if text.contains("\nx = ") {
            let found = limits(&text, &[]).unwrap_err();
            prop_assert!(found.iter().any(|fault| fault.contains(": limits.x: unknown key")), "{found:?}");
        }
    }
}
