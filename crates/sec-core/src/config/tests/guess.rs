use super::*;

#[test]
fn an_enum_with_two_faults_inside_ends() {
    let rows = [
        ("SEC_LIMITS__STORE__KIND", "redis"),
        ("SEC_LIMITS__STORE__URL", "h"),
        ("SEC_LIMITS__STORE__POOL", "x"),
        ("SEC_LIMITS__STORE__TLS", "y"),
    ];
    let found = faults("[limits]\nburst = 'x'", &rows);
    assert_eq!(
        found,
        [
            "sec.toml:1: limits.store: invalid type: string \"x\", expected u8",
            "sec.toml:2: limits.burst: invalid type: string \"x\", expected u16",
        ]
    );
    // The number that is right does not hide its neighbour.
    let mut rows = rows;
    rows[2].1 = "4";
    let found = faults("", &rows);
    assert_eq!(
        found,
        ["sec.toml: limits.store: invalid type: string \"y\", expected a boolean"]
    );
}

#[test]
fn an_untagged_enum_finds_its_form() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Quota {
        Off(bool),
        Number(u32),
        Table { limit: u32, exact: bool },
    }
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Quotas {
        a: Option<Quota>,
        b: Option<Quota>,
        c: Option<Quota>,
    }
    impl Section for Quotas {}
    let mut load = Loader::new().env_prefix("SEC").env_from([
        ("SEC_Q__A", "false"),
        ("SEC_Q__B", "5"),
        ("SEC_Q__C__LIMIT", "6"),
        ("SEC_Q__C__EXACT", "true"),
    ]);
    let quotas = load.section::<Quotas>("q");
    assert_eq!(
        load.finish(quotas).unwrap(),
        Quotas {
            a: Some(Quota::Off(false)),
            b: Some(Quota::Number(5)),
            c: Some(Quota::Table {
                limit: 6,
                exact: true
            }),
        }
    );
}
