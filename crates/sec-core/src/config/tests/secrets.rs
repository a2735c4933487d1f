use super::*;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tokens {
    pepper: Checked,
    api_key: u64,
    passwords: Vec<u64>,
    secrets: BTreeMap<String, u64>,
    signing_key_alg: Mode2,
    issuer: u64,
    store_url: Checked,
}

impl Section for Tokens {
    fn check(&self, faults: &mut FieldFaults) {
        if let Checked(Some(pepper)) = &self.pepper {
            faults.add(
                "pepper",
                format_args!("`{pepper}` / {pepper} doesn't have 32 bytes"),
            );
        }
        if let Checked(Some(url)) = &self.store_url {
            faults.add("store_url", format_args!("no answer from {url}"));
        }
    }
}

/// Refuses, with its value in the reason, what begins with a `!`.
#[derive(Debug, Default)]
struct Checked(Option<String>);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.starts_with('!') {
            true => Err(serde::de::Error::custom(format!(
                "cannot take {text:?}, that is {text}"
            ))),
            false => Ok(Self(Some(text))),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
enum Mode2 {
    #[default]
    EdDsa,
}

fn found(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut load = Loader::new()
        .text("f", text)
        .unwrap()
        .env_prefix("SEC")
        .env_from(variables.iter().copied());
    let tokens = load.section::<Tokens>("tokens");
    assert!(!format!("{load:?}").contains("hunter2"));
    lines(&load.finish(tokens).unwrap_err())
}

#[test]
fn values_of_secret_keys_are_never_shown() {
    for (text, reason) in [
        (
            "pepper = 5",
            "pepper: invalid type: integer, expected a string",
        ),
        (
            "pepper = '!hunter2'",
            "pepper: cannot take \"[redacted]\", that is [redacted]",
        ),
        (
            "pepper = '!hun\"ter\"2'",
            "pepper: cannot take \"[redacted]\", that is [redacted]",
        ),
        (
            "pepper = '!x'",
            "pepper: the value is refused (the reason may quote it and is left out)",
        ),
        (
            "pepper = 'hunter2'",
            "pepper: `[redacted]` / [redacted] doesn't have 32 bytes",
        ),
        (
            "api_key = 'hunter2'",
            "api_key: invalid type: string, expected u64",
        ),
        (
            "api_key = -5",
            "api_key: invalid value: integer, expected u64",
        ),
        (
            "passwords = ['hunter2']",
            "passwords[0]: invalid type: string, expected u64",
        ),
        (
            "passwords = 'hunter2'",
            "passwords: invalid type: string, expected a list, such as [\"…\"]",
        ),
        (
            "secrets.a = 'hunter2'",
            "secrets.a: invalid type: string, expected u64",
        ),
        (
            "signing_key_alg = 'hunter2'",
            "signing_key_alg: unknown value, expected `EdDsa`",
        ),
        // The section's own name says nothing.
        (
            "issuer = 'x'",
            "issuer: invalid type: string \"x\", expected u64",
        ),
        (
            "store_url = 'redis://:hun/ter2@host/0'",
            "store_url: no answer from redis://[redacted]@host/0",
        ),
    ] {
        assert_eq!(
            found(&format!("[tokens]\n{text}"), &[]),
            [format!("f:2: tokens.{reason}")]
        );
    }
}

#[test]
fn values_of_secret_variables_are_never_shown() {
    for (variable, value, reason) in [
        ("API_KEY", "hunter2", "invalid type: string, expected u64"),
        (
            "PEPPER",
            "!hunter2",
            "cannot take \"[redacted]\", that is [redacted]",
        ),
        (
            "PASSWORDS",
            "1,hunter2",
            "invalid type: string, expected a sequence",
        ),
    ] {
        let name = format!("SEC_TOKENS__{variable}");
        assert_eq!(found("", &[(&name, value)]), [format!("{name}: {reason}")]);
    }
    assert_eq!(
        found("", &[("SEC_TOKN__X", "hunter2")]),
        ["SEC_TOKN__X: unknown section `tokn`, known are `tokens`"]
    );
}
