use super::{EmailAddress, NewPassword, Slug, Username, email, password_length, slug, username};

#[test]
fn user_names() {
    for fine in ["abc", "Ann_1", "a-b", &"x".repeat(50)] {
        assert!(username(fine).is_ok(), "{fine}");
    }
    // The last three: Cyrillic а, fullwidth, and a right-to-left override.
    for wrong in [
        "ab",
        "",
        &"x".repeat(51),
        "a b",
        "a.b",
        "<b>",
        " ann ",
        "\u{430}nn",
        "ａnn",
        "a\u{202e}nn",
    ] {
        assert_eq!(username(wrong).unwrap_err().code, "username", "{wrong}");
    }
    assert_eq!("  Ann_1\n".parse::<Username>().unwrap().as_str(), "Ann_1");
}

/// validator 0.21 takes `a@b`, `a..b@x.com` and IP literals.
#[test]
fn addresses() {
    for fine in [
        "ann@example.org",
        "a.b+c@sub.example.co",
        "o'neil@example.org",
        "x@xn--bcher-kva.example",
    ] {
        assert!(email(fine).is_ok(), "{fine}");
    }
    let long = format!("{}@example.org", "a".repeat(64));
    assert!(email(&long).is_ok());
    for wrong in [
        "a@b",
        "a..b@x.com",
        ".a@x.com",
        "a.@x.com",
        "a@x..com",
        "a@-x.com",
        "a@x-.com",
        "@x.com",
        "a@",
        "a",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a b@x.com",
        "a@x.com\n",
        "\"a\"@x.com",
        "a@x.c",
        "a@@x.com",
        "é@x.com",
        "a@bücher.example",
        "a@x.com,b@y.com",
        "a@x.com\r\nBcc: b@y.com",
        &format!("{}@x.com", "a".repeat(65)),
        &format!("a@{}.com", "x".repeat(64)),
        &format!("a@{}com", "x.".repeat(50)),
    ] {
        assert_eq!(email(wrong).unwrap_err().code, "email", "{wrong}");
    }
    assert_eq!(
        " Ann@Example.ORG "
            .parse::<EmailAddress>()
            .unwrap()
            .as_str(),
        "ann@example.org"
    );
}

#[test]
fn passwords_are_counted_in_code_points_and_never_shown() {
    assert!(password_length("päßwörtä").is_ok());
    assert!(password_length(&"🔑".repeat(100)).is_ok());
    assert!(password_length("1234567").is_err());
    assert!(password_length(&"x".repeat(101)).is_err());
    let password: NewPassword = "  hunter2  ".parse().unwrap();
    assert_eq!(password.expose(), "  hunter2  ");
    assert!(!format!("{password:?}").contains("hunter2"));
}

#[test]
fn slugs() {
    for fine in ["a", "a-b-2", &"x".repeat(100)] {
        assert!(slug(fine).is_ok(), "{fine}");
    }
    for wrong in [
        "",
        "-a",
        "a-",
        "a--b",
        "A",
        "a_b",
        "a/b",
        "../x",
        &"x".repeat(101),
    ] {
        assert!(slug(wrong).is_err(), "{wrong}");
    }
    assert!("A".parse::<Slug>().is_err());
}

#[test]
fn types_read_from_any_format() {
    assert_eq!(
        serde_json::from_str::<Username>("\" ann \"")
            .unwrap()
            .as_str(),
        "ann"
    );
    let error = serde_json::from_str::<EmailAddress>("\"secret value\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("email: ") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn stand_ins_pass_their_own_rules() {
    use super::stand_in;
    assert!(
        stand_in("sec_sanitize::Username")
            .unwrap()
            .parse::<Username>()
            .is_ok()
    );
    assert!(
        stand_in("sec_sanitize::EmailAddress")
            .unwrap()
            .parse::<EmailAddress>()
            .is_ok()
    );
    assert!(
        stand_in("sec_sanitize::Slug")
            .unwrap()
            .parse::<Slug>()
            .is_ok()
    );
    assert!(
        stand_in("sec_sanitize::NewPassword")
            .unwrap()
            .parse::<NewPassword>()
            .is_ok()
    );
}
