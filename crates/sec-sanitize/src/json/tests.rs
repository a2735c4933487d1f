use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use validator::{Validate, ValidationError};

use super::{InputError, JsonLimits, check_form, parse};
use crate::rules;

pub(super) fn limits() -> JsonLimits {
    JsonLimits::default()
}

/// `pointer code` of each error.
pub(super) fn faults<T: serde::de::DeserializeOwned + Validate>(body: &str) -> Vec<String> {
    match parse::<T>(body.as_bytes(), &limits()) {
        Ok(_) => Vec::new(),
        Err(error) => listed(&error),
    }
}

pub(super) fn listed(error: &InputError) -> Vec<String> {
    assert!(matches!(error, InputError::Invalid(_)), "{error:?}");
    error
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.pointer, field.code))
        .collect()
}

#[derive(Debug, Deserialize, Validate)]
pub(super) struct Free {
    #[allow(dead_code, reason = "only read")]
    pub(super) anything: Value,
}

#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(dead_code, reason = "only read")]
pub(super) struct Order {
    #[validate(length(min = 2, max = 5))]
    first_name: String,
    #[serde(rename = "mail")]
    #[validate(email)]
    contact_address: String,
    #[validate(nested)]
    line_items: Vec<Item>,
    #[validate(nested)]
    ship_to: Option<Place>,
    #[validate(range(min = 1, max = 9))]
    r#type: u8,
    kind: Option<Kind>,
}

#[derive(Debug, Deserialize, Validate)]
#[allow(dead_code, reason = "only read")]
struct Item {
    #[serde(rename = "SKU")]
    #[validate(length(equal = 3))]
    sku: String,
    count: u16,
}

#[derive(Debug, Deserialize, Validate)]
struct Place {
    #[serde(rename(deserialize = "post-code"))]
    #[validate(length(max = 4))]
    post_code: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only read")]
enum Kind {
    Plain,
    Sized { width: u8 },
}

/// validator reports Rust's names (issue 306) and the rejected value.
#[test]
fn pointers_have_wire_names_and_no_values() {
    let body = r#"{"firstName":"x","mail":"hunter2","lineItems":[{"SKU":"abc","count":1},{"SKU":"toolong","count":2}],
        "shipTo":{"post-code":"12345"},"type":0}"#;
    let error = parse::<Order>(body.as_bytes(), &limits()).unwrap_err();
    assert_eq!(
        listed(&error),
        [
            "/firstName length",
            "/lineItems/1/SKU length",
            "/mail email",
            "/shipTo/post-code length",
            "/type range"
        ],
    );
    let details: Vec<_> = error
        .fields()
        .iter()
        .map(|f| f.detail.as_deref().unwrap_or(""))
        .collect();
    assert_eq!(
        details,
        [
            "From 2 to 5 characters or items.",
            "Exactly 3 characters or items.",
            "",
            "At most 4 characters or items.",
            "From 1 to 9."
        ],
    );
    let shown = serde_json::to_string(&sec_core::Problem::from(&error)).unwrap();
    for hidden in [
        "hunter2",
        "toolong",
        "12345",
        "first_name",
        "contact_address",
        "Order",
        "post_code",
    ] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let body = r#"{"firstName":7,"lineItems":[{"SKU":"abcd","count":70000},{"count":-1}],"shipTo":[],"type":"x",
        "admin":true,"root":1,"kind":"odd"}"#;
    assert_eq!(
        faults::<Order>(body),
        [
            "/admin unknown",
            "/firstName type",
            "/kind choice",
            "/lineItems/0/SKU length",
            "/lineItems/0/count range",
            "/lineItems/1/SKU required",
            "/lineItems/1/count range",
            "/mail required",
            "/root unknown",
            "/shipTo type",
            "/type type",
        ],
    );
    assert_eq!(
        faults::<Order>("{}"),
        [
            "/firstName required",
            "/lineItems required",
            "/mail required",
            "/type required"
        ],
    );
    for body in ["[]", "null", "\"x\"", "3"] {
        assert_eq!(faults::<Order>(body), [" type"], "{body}");
    }
    let sized = r#"{"firstName":"abc","mail":"a@b.cd","lineItems":[],"type":1,"kind":{"sized":{"width":"w"}}}"#;
    assert_eq!(faults::<Order>(sized), ["/kind/sized/width type"]);
    assert!(faults::<Order>(&sized.replace("\"w\"", "3")).is_empty());
}

#[test]
fn the_list_of_errors_is_bounded() {
    let body: String = (0..200).map(|i| format!("\"x{i}\":1,")).collect();
    let body = format!("{{{body}\"y\":1}}");
    assert_eq!(faults::<Order>(&body).len(), 16);
    let three = parse::<Order>(body.as_bytes(), &limits().with_max_errors(3)).unwrap_err();
    assert_eq!(three.fields().len(), 3);
    let long = format!("{{\"{}\":1}}", "n".repeat(5_000));
    assert!(faults::<Order>(&long)[0].len() < 120);
}

#[derive(Debug, Deserialize, Validate)]
#[allow(dead_code, reason = "only read")]
struct SignUp {
    username: rules::Username,
    email: rules::EmailAddress,
    password: rules::NewPassword,
}

#[test]
fn ready_types_report_their_codes_all_at_once() {
    assert_eq!(
        faults::<SignUp>(r#"{"username":"x","email":"nobody","password":"short"}"#),
        [
            "/email email",
            "/password password_length",
            "/username username"
        ],
    );
    assert_eq!(
        faults::<SignUp>(r#"{"username":5}"#),
        ["/email required", "/password required", "/username type"]
    );
    let body = r#"{"username":" ann ","email":" Ann@Example.ORG","password":"12345678"}"#;
    let read: SignUp = parse(body.as_bytes(), &limits()).unwrap();
    assert_eq!((&*read.username, &*read.email), ("ann", "ann@example.org"));
}

fn same(pair: &Pair) -> Result<(), ValidationError> {
    if pair.one == pair.two {
        Ok(())
    } else {
        Err(ValidationError::new("differ"))
    }
}

#[derive(Debug, Deserialize, Validate)]
#[validate(schema(function = "same", skip_on_field_errors = false))]
struct Pair {
    #[validate(must_match(other = "two"))]
    one: String,
    two: String,
}

/// `must_match` puts the other field's value into its error.
#[test]
fn rules_over_several_fields() {
    assert_eq!(
        faults::<Pair>(r#"{"one":"secret1","two":"secret2"}"#),
        [" differ", "/one must_match"]
    );
    let error = parse::<Pair>(br#"{"one":"secret1","two":"secret2"}"#, &limits()).unwrap_err();
    assert!(!format!("{error:?}").contains("secret"));
    // With a field missing the comparison would be with a stand-in.
    assert_eq!(faults::<Pair>(r#"{"one":"secret1"}"#), ["/two required"]);
}

#[derive(Debug, Deserialize, Validate)]
struct Flat {
    #[serde(flatten)]
    #[validate(nested)]
    place: Place,
    #[serde(rename = "n")]
    #[validate(length(min = 3))]
    label: String,
    #[validate(nested)]
    #[serde(default)]
    by_name: BTreeMap<String, Place>,
}

#[test]
fn where_names_are_hidden_errors_point_at_what_was_sent_or_around_it() {
    assert_eq!(
        faults::<Flat>(r#"{"post-code":"12345","n":"x","by_name":{"z":{"post-code":"67890"}}}"#),
        ["/by_name length", "/n length", "/post-code length"],
    );
    // Two entries have the rejected value: none is accused.
    assert_eq!(faults::<Flat>(r#"{"post-code":"x","n":"x"}"#), [" length"]);
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "only read")]
enum Loose {
    Number(u8),
    Named { name: String },
    Deep(Box<Deep>),
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only read")]
enum Deep {
    More(Box<Deep>),
    End,
}

#[derive(Debug, Deserialize, Validate)]
#[allow(dead_code, reason = "only read")]
struct Odd {
    loose: Loose,
    deep: Deep,
    when: (u8, String),
    map: BTreeMap<u16, bool>,
}

#[test]
fn other_shapes_of_serde() {
    let fine =
        r#"{"loose":{"name":"x"},"deep":{"More":{"More":"End"}},"when":[1,"x"],"map":{"7":true}}"#;
    assert!(faults::<Odd>(fine).is_empty());
    // A type that never ends stands for itself only so deep; what was found until then is reported.
    assert!(faults::<Odd>("{}").contains(&"/loose required".to_owned()));
    let wrong = r#"{"loose":true,"deep":"End","when":[1],"map":{"x":true}}"#;
    let found = faults::<Odd>(wrong);
    assert!(found.contains(&"/loose invalid".to_owned()), "{found:?}");
}

#[derive(Debug, PartialEq, Deserialize, Validate)]
pub(super) struct Search {
    #[validate(length(min = 1))]
    q: String,
    page: Option<u32>,
    #[serde(default)]
    exact: bool,
}

#[test]
fn forms_are_read_by_the_same_rules() {
    let read = |form: &str| check_form(form.as_bytes(), &limits()).and_then(|d| d.read::<Search>());
    assert_eq!(
        read("q=a+b%26%C3%A9%&page=2&&exact=true"),
        Ok(Search {
            q: "a b&é%".into(),
            page: Some(2),
            exact: true
        }),
    );
    assert_eq!(
        listed(&read("q=&page=x&exact=1").unwrap_err()),
        ["/exact type", "/page type", "/q length"]
    );
    assert_eq!(listed(&read("q=1&q=2").unwrap_err()), ["/q duplicate"]);
    assert_eq!(listed(&read("q=1&%71=2").unwrap_err()), ["/q duplicate"]);
    assert_eq!(listed(&read("q=%00").unwrap_err()), ["/q nul"]);
    assert!(matches!(read("q=%ff"), Err(InputError::Malformed(_))));
    assert_eq!(listed(&read("").unwrap_err()), ["/q required"]);
}
