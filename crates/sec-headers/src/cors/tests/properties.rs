//! The decision against a slow model that works on parts, not on text.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[derive(Debug, Clone, PartialEq)]
struct Parts {
    scheme: &'static str,
    labels: Vec<&'static str>,
    port: Option<u16>,
}

impl Parts {
    fn port(&self) -> u16 {
        self.port
            .unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }

    fn show(&self, star: &str, shout: bool) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let text = format!("{}://{star}{}{port}", self.scheme, self.labels.join("."));
        if shout { text.to_uppercase() } else { text }
    }

    fn same_place(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.port() == other.port()
    }
}

fn parts(most: usize) -> impl Strategy<Value = Parts> {
    // Few words, so that names meet.
    let label = select(vec!["a", "example", "evil-example"]);
    (
        select(vec!["http", "https"]),
        prop::collection::vec(label, 2..=most),
        select(vec![None, None, Some(80), Some(443), Some(8443)]),
    )
        .prop_map(|(scheme, labels, port)| Parts {
            scheme,
            labels,
            port,
        })
}

fn allowed(exact: &[Parts], patterns: &[Parts], asks: &Parts) -> bool {
    let is = |one: &Parts| one.same_place(asks) && one.labels == asks.labels;
    let below = |suffix: &Parts| {
        suffix.same_place(asks)
            && asks.labels.len() > suffix.labels.len()
            && asks.labels.ends_with(&suffix.labels)
    };
    exact.iter().any(is) || patterns.iter().any(below)
}

proptest! {
    #[test]
    fn the_lists_mean_what_they_say(
        exact in prop::collection::vec(parts(3), 0..3),
        patterns in prop::collection::vec(parts(3), 0..3),
        asks in parts(4),
        near in prop::option::weighted(0.7, any::<prop::sample::Index>()),
        below in 0usize..3,
        shout: bool,
    ) {
        // Mostly somebody who is listed, or nearly so.
        let known: Vec<_> = exact.iter().chain(&patterns).collect();
        let asks = match near {
            Some(at) if !known.is_empty() => {
                let mut one = (*at.get(&known)).clone();
                one.labels.splice(0..0, asks.labels.iter().take(below).copied());
                one
            }
            _ => asks,
        };
        let cors = Cors::builder()
            .origins(exact.iter().map(|one| one.show("", !shout)))
            .origins(patterns.iter().map(|one| one.show("*.", false)))
            .build()
            .unwrap();
        let verdict = decide(&cors, &[("origin", &asks.show("", shout))]);
        let expected = allowed(&exact, &patterns, &asks);
        prop_assert_eq!(matches!(verdict, CorsVerdict::Allowed(_)), expected);
        prop_assert_eq!(matches!(verdict, CorsVerdict::Refused(_)), !expected);
    }

    /// Of all texts near a listed origin, only spellings of it are allowed.
    #[test]
    fn one_more_character_makes_another_origin(
        at in 0usize..20,
        extra in "[ -~]",
    ) {
        let mut origin = APP.to_owned();
        origin.insert_str(at.min(origin.len()), &extra);
        let cors = listed(&[APP, "https://b.example"]).build().unwrap();
        let verdict = decide(&cors, &[("origin", &origin)]);
        prop_assert!(matches!(verdict, CorsVerdict::Refused(_)), "{}", origin);
    }

    /// Whatever a browser never writes is never granted anything, and nothing is granted that the
    /// parser would not take.
    #[test]
    fn what_is_granted_is_an_origin(text in "(https?://)?[a-z0-9.:@/*_\\[\\]%-]{0,24}(\\.a\\.example)?") {
        let cors = listed(&["https://*.a.example", APP]).enforce(false).build().unwrap();
        if let CorsVerdict::Allowed(value) = decide(&cors, &[("origin", &text)]) {
            let granted = Origin::parse(value.to_str().unwrap()).unwrap();
            let host = granted.authority().host();
            prop_assert!(host == "app.example" || host.ends_with(".a.example"));
            prop_assert!(granted.scheme().is_https() && granted.authority().port().is_none());
        }
    }
}
