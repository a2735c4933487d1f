//! What can be listed.

use crate::host::*;

fn faults(hosts: &[&str]) -> Vec<String> {
    let error = HostGuard::new(hosts).unwrap_err();
    assert!(error.has(FaultKind::Host));
    error
        .faults()
        .iter()
        .map(|fault| fault.field().to_owned())
        .collect()
}

#[test]
fn an_empty_list_is_an_error() {
    assert_eq!(faults(&[]), ["hosts"]);
}

#[test]
fn an_entry_that_is_no_host_is_an_error() {
    for (entry, why) in [
        ("", "is empty"),
        ("*", "every host"),
        ("*:443", "every host"),
        ("*.com", "top-level domain"),
        ("*.com.", "top-level domain"),
        ("*example.com", "only in front"),
        ("www.*.com", "only in front"),
        ("*.*.example.com", "characters"),
        ("*.", "no host"),
        ("*.192.0.2.1", "address after"),
        ("*.0.2.1", "ends in a number"),
        ("*.[::1]", "two colons"),
        (".example.com", "empty label"),
        ("example..com", "empty label"),
        (".", "empty label"),
        ("example.com..", "empty label"),
        ("https://example.com", "scheme"),
        ("//example.com", "path"),
        ("example.com/", "path"),
        ("example.com/x", "path"),
        ("example.com?x", "path"),
        ("example.com#x", "path"),
        ("example.com\\x", "path"),
        ("user@example.com", "user information"),
        ("bücher.example", "punycode"),
        ("例え.example", "punycode"),
        ("exa mple.com", "characters"),
        (" example.com", "characters"),
        ("example.com\n", "characters"),
        ("ex%61mple.com", "characters"),
        ("example.com,www.example.com", "characters"),
        ("example.com:", "port"),
        ("example.com:0", "port"),
        ("example.com:65536", "port"),
        ("example.com:+80", "port"),
        ("example.com:http", "port"),
        (":8080", "no host"),
        ("::1", "brackets"),
        ("2001:db8::1", "brackets"),
        ("[::1", "closing bracket"),
        ("[::1]x", "after the brackets"),
        ("[::1]:", "port"),
        ("[]", "IPv6"),
        ("[192.0.2.1]", "IPv6"),
        ("[fe80::1%eth0]", "IPv6"),
        // WHATWG URL, "ends in a number checker".
        ("127.1", "ends in a number"),
        ("127.0.0.01", "ends in a number"),
        ("127.0.0.1.", "ends in a number"),
        ("256.0.0.1", "ends in a number"),
        ("3221225985", "ends in a number"),
        ("0x7f000001", "ends in a number"),
        ("example.0x7F", "ends in a number"),
    ] {
        let error = HostGuard::new([entry]).unwrap_err();
        let fault = &error.faults()[0];
        assert_eq!(fault.kind(), FaultKind::Host, "{entry:?}");
        assert_eq!(fault.field(), "hosts[0]", "{entry:?}");
        assert!(fault.message().contains(why), "{entry:?}: {fault}");
    }
    let label = format!("{}.example", "a".repeat(64));
    let long = format!("{}example", "a.".repeat(124));
    for entry in [label, long] {
        assert!(HostGuard::new([&entry]).is_err(), "{entry}");
    }
}

#[test]
fn every_wrong_entry_is_named() {
    assert_eq!(
        faults(&["example.com", "*", "ok.example", "https://x.example"]),
        ["hosts[1]", "hosts[3]"]
    );
}

#[test]
fn what_people_list_can_be_listed() {
    for entry in [
        "example.com",
        "EXAMPLE.com:8443",
        "example.com:*",
        "*.example.com",
        "*.example.com:8443",
        "*.localhost",
        "*.co.uk",
        "localhost",
        "service_name",
        "a-b.example",
        "1.example",
        "0x.example",
        "192.0.2.1",
        "192.0.2.1:*",
        "[::1]",
        "[::1]:*",
        "[2001:DB8::1]:443",
        "[::ffff:192.0.2.1]",
        // A name that ends in a dot is another host, and can be meant.
        "example.com.",
        "svc.ns.svc.cluster.local.:8080",
    ] {
        assert_eq!(HostGuard::new([entry]).err(), None, "{entry}");
    }
    let longest = format!("{}example", "a.".repeat(123));
    assert_eq!(longest.len(), 253);
    assert!(HostGuard::new([longest]).is_ok());
}

/// A redirect that leads to a refusal is a mistake of the list.
#[test]
fn the_address_behind_a_redirect_must_be_listed() {
    let rows: [(&[&str], u16, &[&str]); 16] = [
        (&["example.com"], 443, &[]),
        (&["example.com", "*.example.com"], 443, &[]),
        (&["example.com"], 8443, &["hosts[0]"]),
        (&["example.com", "example.com:8443"], 8443, &[]),
        (&["example.com", "example.com:*"], 8443, &[]),
        (&["example.com:8443"], 8443, &[]),
        (&["example.com:8080"], 443, &["hosts[0]"]),
        (&["example.com:8080", "example.com"], 443, &[]),
        (&["a.example.com:8080", "*.example.com"], 443, &[]),
        (&["example.com:8080", "*.example.com"], 443, &["hosts[0]"]),
        (&["*.a.example.com:8080", "*.example.com"], 443, &[]),
        (
            &["*.example.com", "a.example.com:443"],
            8443,
            &["hosts[0]", "hosts[1]"],
        ),
        (&["[2001:db8::1]:80", "[2001:db8:0::1]"], 443, &[]),
        // Served over http all the same.
        (
            &[
                "localhost:3000",
                "127.0.0.1:3000",
                "[::1]:3000",
                "*.localhost:3000",
            ],
            443,
            &[],
        ),
        (&["10.0.0.1:3000"], 443, &["hosts[0]"]),
        (&["example.com"], 0, &["https_port"]),
    ];
    for (hosts, port, expected) in rows {
        let guard = HostGuard::new(hosts).unwrap();
        let fields: Vec<String> = match guard.redirect_to_https(port) {
            Ok(_) => Vec::new(),
            Err(error) => {
                let faults = error.faults().iter();
                faults.map(|fault| fault.field().to_owned()).collect()
            }
        };
        assert_eq!(fields, expected, "{hosts:?} to {port}");
    }
    let error = HostGuard::new(["*.example.com:8080"])
        .unwrap()
        .redirect_to_https(8443)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "hosts[0]: is redirected to https://*.example.com:8443, which is not listed: add `*.example.com:8443`"
    );
}
