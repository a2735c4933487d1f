use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::*;

fn parsed(policy: &PermissionsPolicy) -> Dictionary {
    let header = policy.header().unwrap().unwrap();
    Parser::new(header.as_bytes()).parse().unwrap()
}

#[test]
fn every_member_is_an_inner_list() {
    let origin = Origin::parse("https://Maps.Example:443").unwrap();
    let policy = PermissionsPolicy::deny_powerful()
        .allow(
            Feature::Geolocation,
            [Grant::SelfOrigin, Grant::Origin(origin)],
        )
        .allow(Feature::Fullscreen, [Grant::Any]);
    let dictionary = parsed(&policy);
    assert_eq!(dictionary.len(), POWERFUL.len() + 1);
    for (key, entry) in &dictionary {
        let ListEntry::InnerList(list) = entry else {
            panic!("{key} is a bare item, which the specification's algorithm ignores");
        };
        match key.as_str() {
            "geolocation" => {
                assert!(
                    matches!(&list.items[0].bare_item, BareItem::Token(t) if t.as_str() == "self")
                );
                assert!(
                    matches!(&list.items[1].bare_item, BareItem::String(s) if s.as_str() == "https://maps.example")
                );
            }
            "fullscreen" => {
                assert!(
                    matches!(&list.items[0].bare_item, BareItem::Token(t) if t.as_str() == "*")
                );
            }
            _ => assert!(list.items.is_empty(), "{key}"),
        }
    }
}

#[test]
fn the_endpoint_is_a_string_parameter_of_each() {
    let policy = PermissionsPolicy::new()
        .deny(Feature::Usb)
        .report_to("perm");
    assert_eq!(
        policy.header().unwrap().unwrap(),
        r#"usb=();report-to="perm""#
    );
    let ListEntry::InnerList(list) = &parsed(&policy)["usb"] else {
        panic!()
    };
    assert!(matches!(&list.params["report-to"], BareItem::String(s) if s.as_str() == "perm"));
    let wrong = PermissionsPolicy::new()
        .deny(Feature::Usb)
        .report_to("a\";b");
    assert!(wrong.header().unwrap_err().has(FaultKind::Endpoint));
}

#[test]
fn names_that_break_the_header_are_refused() {
    // http-security-headers accepts the first two.
    for name in [
        "Camera",
        "1st",
        "",
        "camera=()",
        "a b",
        "a,b",
        "ü",
        "a;b",
        "camera 'none'",
    ] {
        assert!(
            Feature::named(name).unwrap_err().has(FaultKind::Feature),
            "{name}"
        );
    }
    for (slip, meant) in [
        ("geolocaton", "geolocation"),
        ("geolocatoin", "geolocation"),
        ("cameras", "camera"),
        ("microphome", "microphone"),
    ] {
        let error = Feature::written(slip).unwrap_err().to_string();
        assert!(error.contains(meant), "{error}");
        assert!(Feature::named(slip).is_ok(), "code may say anything");
    }
    for new in ["new-thing", "camera-array", "hidden", "payment"] {
        assert!(Feature::written(new).is_ok(), "{new}");
    }
    assert_eq!(Feature::named("camera").unwrap(), Feature::Camera);
    assert_eq!(Feature::named("new-thing").unwrap().as_str(), "new-thing");
    assert_eq!(PermissionsPolicy::new().header().unwrap(), None);
}

#[test]
fn configuration_says_what_is_wrong_and_where() {
    let fault = |feature: &str, grants: &[&str]| {
        let grants: Vec<String> = grants.iter().map(|&grant| grant.into()).collect();
        let error = PermissionsPolicy::new()
            .configure(feature, &grants)
            .unwrap_err();
        error.faults()[0].field().to_owned()
    };
    assert_eq!(fault("camera", &["'none'"]), "camera");
    assert_eq!(fault("camera", &["'self'"]), "camera");
    assert_eq!(fault("camera", &["https://a.example/x"]), "camera");
    assert_eq!(fault("Camera", &[]), "Camera");
}
