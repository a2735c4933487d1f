use sec_core::{FieldFault, FieldFaults};

use crate::host::*;

fn config(json: &str) -> HostConfig {
    serde_json::from_str(json).unwrap()
}

fn faults(json: &str) -> Vec<String> {
    let faults = FieldFaults::of(&config(json));
    faults
        .iter()
        .map(FieldFault::path)
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_section_becomes_a_guard() {
    let section = config(
        r#"{
            "hosts": ["example.com", "example.com:8443", "*.example.com:*", "localhost:3000"],
            "redirect_to_https": true,
            "https_port": 8443,
            "refuse_unsafe_over_http": true,
            "log_only": true,
            "include": ["/app"],
            "exclude": ["/app/health"]
        }"#,
    );
    assert!(FieldFaults::of(&section).is_empty());
    let guard = HostGuard::from_config(&section).unwrap();
    assert!(guard.is_log_only());
    let decide = |method: &str, host: &str, path: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        let context = RequestContext::builder()
            .authority(host)
            .unwrap()
            .path(path)
            .build();
        guard.decide((&request).into(), &context)
    };
    assert_eq!(decide("GET", "evil.example", "/"), HostDecision::Pass);
    assert_eq!(
        decide("GET", "evil.example", "/app/health"),
        HostDecision::Pass
    );
    assert!(
        matches!(decide("GET", "evil.example", "/app"), HostDecision::Refuse(refusal)
        if refusal.reason() == HostReason::NotListed)
    );
    assert!(
        matches!(decide("POST", "example.com", "/app"), HostDecision::Refuse(refusal)
        if refusal.reason() == HostReason::PlainHttp)
    );
    assert!(
        matches!(decide("GET", "a.example.com:81", "/app"), HostDecision::Redirect(to)
        if to.location() == "https://a.example.com:8443/app")
    );
    assert!(HostGuardLayer::from_config(&section).is_ok());
}

#[test]
fn all_faults_are_told_at_once_by_their_fields() {
    assert_eq!(
        faults("{}"),
        ["hosts"],
        "a section without hosts serves nobody"
    );
    assert_eq!(
        faults(
            r#"{"hosts": ["example.com", "*", "a.example/"], "include": ["x"], "exclude": ["/a", "b"]}"#
        ),
        ["hosts[1]", "hosts[2]", "include[0]", "exclude[1]"]
    );
    assert_eq!(
        faults(r#"{"hosts": ["example.com:8080"], "redirect_to_https": true, "exclude": ["b"]}"#),
        ["hosts[0]", "exclude[0]"]
    );
    assert_eq!(
        faults(r#"{"hosts": ["example.com"], "redirect_to_https": true, "https_port": 0}"#),
        ["https_port"]
    );
    for unknown in [r#"{"host": ["example.com"]}"#, r#"{"https_port": 65536}"#] {
        assert!(
            serde_json::from_str::<HostConfig>(unknown).is_err(),
            "{unknown}"
        );
    }
}

#[test]
fn switched_off_it_needs_no_list_and_switched_on_again_it_serves_nobody() {
    assert_eq!(faults(r#"{"enabled": false}"#), [""; 0]);
    assert_eq!(
        faults(r#"{"enabled": false, "hosts": ["*"]}"#),
        ["hosts[0]"]
    );
    let off = config(r#"{"enabled": false}"#);
    assert!(HostGuardLayer::from_config(&off).is_ok());
    assert!(HostGuardLayer::from_config(&HostConfig::default()).is_err());
    let guard = off.guard().unwrap();
    assert!(!guard.lists(
        Scheme::Https,
        &Authority::parse("a.example", Scheme::Https).unwrap()
    ));
}
