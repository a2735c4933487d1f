//! Whatever text is given, the structured fields either fail at construction or are read back, by a
//! parser that is not ours, to what was said.

use proptest::prelude::*;
use sfv::{BareItem, Dictionary, InnerList, Item, ListEntry, Parser};

use super::*;
use crate::values::OpenerPolicy;
use crate::{DocumentPolicy, DocumentValue, Grant, IntegrityDestination, IntegrityPolicy, Origin};

/// Names that are mostly right, and now and then anything.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9._-]{0,12}",
        2 => "[a-zA-Z*0-9 ._=;,\"()?-]{0,8}",
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = DocumentValue> {
    prop_oneof![
        any::<bool>().prop_map(DocumentValue::Flag),
        any::<i64>().prop_map(DocumentValue::Integer),
        (-1e13..1e13).prop_map(DocumentValue::Decimal),
        any::<f64>().prop_map(DocumentValue::Decimal),
        name().prop_map(DocumentValue::Word),
    ]
}

fn dictionary(header: &HeaderValue) -> Dictionary {
    Parser::new(header.as_bytes()).parse().unwrap()
}

fn list<'a>(dictionary: &'a Dictionary, key: &str) -> &'a InnerList {
    match &dictionary[key] {
        ListEntry::InnerList(list) => list,
        ListEntry::Item(item) => panic!("{key} is the item {item:?}"),
    }
}

/// The text of a token or string, whichever is wanted there.
fn word(item: &BareItem, string: bool) -> &str {
    match item {
        BareItem::String(text) if string => text.as_str(),
        BareItem::Token(text) if !string => text.as_str(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn endpoints_are_read_back(endpoints in prop::collection::vec((name(), "/[ -~]{0,12}"), 1..4)) {
        let built = endpoints.iter().fold(crate::ReportingEndpoints::new(), |all, (name, address)| {
            all.add(name, address)
        });
        if let Ok(Some(header)) = built.header() {
            let parsed = dictionary(&header);
            for (name, _) in &endpoints {
                let ListEntry::Item(item) = &parsed[name.as_str()] else { panic!() };
                prop_assert_eq!(Some(word(&item.bare_item, true)), built.address(name));
            }
        }
    }

    #[test]
    fn opener_policies_are_read_back(endpoint in name()) {
        let reported = OpenerPolicy::SameOrigin.report_to(&endpoint);
        if let Ok(header) = reported.header() {
            let item: Item = Parser::new(header.as_bytes()).parse().unwrap();
            prop_assert_eq!(word(&item.bare_item, false), "same-origin");
            prop_assert_eq!(word(&item.params["report-to"], true), endpoint);
            prop_assert_eq!(header.to_str().unwrap().parse::<crate::Reported<_>>().unwrap(), reported);
        }
    }

    #[test]
    fn permissions_are_read_back(
        features in prop::collection::btree_map(name(), (any::<bool>(), name()), 1..4),
        all in name(),
    ) {
        let origin = Origin::parse("https://maps.example").unwrap();
        let mut policy = PermissionsPolicy::new().report_to(&all);
        let mut known = Vec::new();
        for (name, (own, endpoint)) in &features {
            if let Ok(feature) = Feature::named(name) {
                known.push((name, own, endpoint));
                policy = policy
                    .allow(feature.clone(), [Grant::Origin(origin.clone()), Grant::Any])
                    .allow(feature.clone(), [Grant::SelfOrigin, Grant::Origin(origin.clone())]);
                if *own {
                    policy = policy.report_feature_to(feature, endpoint);
                }
            }
        }
        if let Ok(Some(header)) = policy.header() {
            let parsed = dictionary(&header);
            prop_assert_eq!(parsed.len(), known.len());
            for (name, own, endpoint) in known {
                let list = list(&parsed, name);
                prop_assert_eq!(word(&list.items[0].bare_item, false), "self");
                prop_assert_eq!(word(&list.items[1].bare_item, true), "https://maps.example");
                let expected = if *own { endpoint } else { &all };
                prop_assert_eq!(word(&list.params["report-to"], true), expected);
            }
        }
    }

    #[test]
    fn integrity_policies_are_read_back(endpoints in prop::collection::btree_set(name(), 0..4)) {
        let start = IntegrityPolicy::new([IntegrityDestination::Style]);
        let policy = endpoints.iter().fold(start, |policy, name| policy.report_to(name));
        if let Ok(Some(header)) = policy.header() {
            let parsed = dictionary(&header);
            prop_assert_eq!(parsed.len(), if endpoints.is_empty() { 2 } else { 3 });
            if !endpoints.is_empty() {
                let items = &list(&parsed, "endpoints").items;
                let words: Vec<_> = items.iter().map(|item| word(&item.bare_item, false)).collect();
                prop_assert_eq!(words, endpoints.iter().collect::<Vec<_>>());
            }
            prop_assert_eq!(header.to_str().unwrap().parse::<IntegrityPolicy>().unwrap(), policy);
        }
    }

    #[test]
    fn document_policies_are_read_back(
        features in prop::collection::btree_map(name(), (value(), prop::option::of(name())), 1..4),
        all in prop::option::of(name()),
    ) {
        let mut policy = DocumentPolicy::new();
        for (feature, (value, endpoint)) in &features {
            policy = policy.set(feature, value.clone());
            if let Some(endpoint) = endpoint {
                policy = policy.report_feature_to(feature, endpoint);
            }
        }
        if let Some(all) = &all {
            policy = policy.report_to(all);
        }
        if let Ok(Some(header)) = policy.header() {
            let parsed = dictionary(&header);
            prop_assert_eq!(parsed.len(), features.len() + usize::from(all.is_some()));
            for (feature, (value, endpoint)) in &features {
                let ListEntry::Item(item) = &parsed[feature.as_str()] else { panic!() };
                match (value, &item.bare_item) {
                    (DocumentValue::Flag(one), BareItem::Boolean(other)) => prop_assert_eq!(one, other),
                    (DocumentValue::Integer(one), BareItem::Integer(other)) => {
                        prop_assert_eq!(*one, i64::from(*other));
                    }
                    (DocumentValue::Decimal(one), BareItem::Decimal(other)) => {
                        // Three digits behind the point, and what a double loses in front of it.
                        prop_assert!((one - f64::from(*other)).abs() <= 0.002);
                    }
                    (DocumentValue::Word(one), other) => prop_assert_eq!(one, word(other, false)),
                    other => prop_assert!(false, "{other:?}"),
                }
                let named = item.params.get("report-to").map(|name| word(name, false));
                prop_assert_eq!(named, endpoint.as_deref());
            }
        }
    }
}
