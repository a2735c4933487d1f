use serde_json::json;

use super::*;

fn tokens(change: serde_json::Value) -> TokensConfig {
    let mut value = json!({"issuer": "https://auth.example", "audience": "https://api.example"});
    value
        .as_object_mut()
        .unwrap()
        .extend(change.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn paths(faults: &FieldFaults) -> Vec<&str> {
    faults.iter().map(sec_core::FieldFault::path).collect()
}

#[test]
fn what_the_check_accepts_can_be_built() {
    let config = tokens(json!({"access_lifetime": "5m", "refresh_lifetime": "1d"}));
    assert!(FieldFaults::of(&config).is_empty());
    let service = TokenService::from_config(&config).unwrap();
    assert!(
        format!("{service:?}").contains("lifetime: 300s"),
        "{service:?}"
    );
    assert!(FieldFaults::of(&PasswordConfig::default()).is_empty());
    let passwords = Passwords::from_config(&PasswordConfig::default()).unwrap();
    assert_eq!(passwords.params(), Argon2Params::default());
    let policy = PasswordPolicy::from_config(&PasswordConfig::default()).unwrap();
    assert_eq!(policy, PasswordPolicy::default());
}

#[test]
fn a_key_from_the_file_is_used_and_never_shown() {
    let key = SigningKey::generate_ed25519().unwrap();
    let pem = key.to_pkcs8_pem().unwrap();
    let config = tokens(json!({"signing_key": pem.expose()}));
    let service = TokenService::from_config(&config).unwrap();
    assert_eq!(service.keys().active().kid(), key.kid());
    let secret = pem.expose().lines().nth(1).unwrap();
    assert!(!format!("{config:?}{service:?}").contains(secret));

    let broken = tokens(json!({"signing_key": pem.expose().replace("PRIVATE", "PUBLIC")}));
    let faults = FieldFaults::of(&broken);
    assert_eq!(paths(&faults), ["signing_key"]);
    assert!(!faults.to_string().contains(secret));
}

#[test]
fn all_faults_are_found_at_once_and_by_field() {
    let config = TokensConfig {
        access_lifetime: Duration::ZERO,
        refresh_lifetime: Duration::ZERO,
        refresh_grace: Duration::from_secs(61),
        sessions_per_user: 0,
        ..TokensConfig::default()
    };
    let faults = TokenService::from_config(&config).unwrap_err();
    assert_eq!(faults, FieldFaults::of(&config));
    assert_eq!(
        paths(&faults),
        [
            "issuer",
            "audience",
            "refresh_lifetime",
            "refresh_grace",
            "sessions_per_user",
            "access_lifetime"
        ]
    );
    let missing = TokenService::from_config(&TokensConfig::default()).unwrap_err();
    assert_eq!(paths(&missing), ["issuer", "audience"]);
}

#[test]
fn password_faults_name_their_field() {
    let rows = [
        (json!({"memory_kib": 1024}), "memory_kib"),
        (json!({"lanes": 0}), "memory_kib"),
        (json!({"concurrency": 0}), "concurrency"),
        (json!({"pepper": "short"}), "pepper"),
        (json!({"min_length": 0}), "min_length"),
        (json!({"max_length": 300}), "min_length"),
    ];
    for (change, field) in rows {
        let config: PasswordConfig = serde_json::from_value(change.clone()).unwrap();
        let faults = FieldFaults::of(&config);
        assert_eq!(paths(&faults), [field], "{change}");
        assert!(!faults.to_string().contains("short"), "{faults}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    assert!(serde_json::from_value::<TokensConfig>(json!({"isuer": "x"})).is_err());
    assert!(serde_json::from_value::<PasswordConfig>(json!({"memory": 1})).is_err());
}

#[test]
fn secrets_do_not_show_in_debug() {
    let config: PasswordConfig =
        serde_json::from_value(json!({"pepper": "a pepper of enough bytes"})).unwrap();
    assert!(!format!("{config:?}").contains("enough bytes"));
    let passwords = Passwords::from_config(&config).unwrap();
    assert!(!format!("{passwords:?}").contains("enough bytes"));
}
