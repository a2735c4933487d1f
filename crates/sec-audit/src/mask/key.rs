//! Which field names say that their value must not be kept.

use serde_json::Value;

/// The parts of a value that decide whether a name which mentions a secret also holds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Number,
    Boolean,
    Container,
}

impl Shape {
    /// `None` for null: absence is worth knowing and gives nothing away.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(_) => Some(Self::Boolean),
            Value::Number(_) => Some(Self::Number),
            Value::String(_) => Some(Self::Text),
            Value::Array(_) | Value::Object(_) => Some(Self::Container),
        }
    }
}

/// A field name as words: `_access_token_` for `accessToken`, `ACCESS-TOKEN` and `access.token2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words(String);

impl Words {
    pub(super) fn of(name: &str) -> Self {
        let mut words = String::with_capacity(name.len().saturating_add(4));
        words.push('_');
        let mut chars = name.chars().map(narrow).peekable();
        let mut previous = '_';
        while let Some(c) = chars.next() {
            if !c.is_alphanumeric() {
                close_word(&mut words);
                previous = '_';
                continue;
            }
            let before_lower = chars.peek().is_some_and(|next| next.is_lowercase());
            if c.is_uppercase()
                && (previous.is_lowercase()
                    || previous.is_ascii_digit()
                    || (previous.is_uppercase() && before_lower))
            {
                close_word(&mut words);
            }
            words.extend(c.to_lowercase());
            previous = c;
        }
        close_word(&mut words);
        Self(words)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() < 2
    }

    /// Whether `other` occurs in it as whole words, side by side.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether the name belongs to a secret, given the kind of value it holds.
    pub(super) fn is_sensitive(&self, shape: Shape) -> bool {
        self.mentions_secret() && !self.is_about(shape)
    }

    fn mentions_secret(&self) -> bool {
        if self.0 == "_passwordless_" {
            return false;
        }
        // The name of the family's own cookie; `last_refresh` is another matter.
        if self.0 == "_refresh_" {
            return true;
        }
        let mut before = "";
        for word in self.0.split('_').map(singular) {
            if WORD_ENDINGS.iter().any(|ending| word.ends_with(ending))
                || WHOLE_WORDS.contains(&word)
                || PAIRS.contains(&(before, word))
            {
                return true;
            }
            before = word;
        }
        LAST_WORDS.iter().any(|word| is_last(&self.0, word)) || self.squeezed_mentions_secret()
    }

    fn squeezed_mentions_secret(&self) -> bool {
        // The shortest one has six letters.
        self.0.len() > 7 && {
            let squeezed = self.0.replace('_', "");
            SQUEEZED.iter().any(|part| squeezed.contains(part))
        }
    }

    /// `tokens_used: 812`, `password_changed_at`, `token_type: "Bearer"`, `has_password: true`:
    /// names that speak *about* a secret and hold something else.
    fn is_about(&self, shape: Shape) -> bool {
        let words = self.0.as_str();
        match shape {
            Shape::Container => false,
            Shape::Text => ABOUT_AS_TEXT.iter().any(|word| is_last(words, word)),
            Shape::Number => {
                ABOUT.iter().chain(ABOUT_AS_TEXT).any(|word| is_last(words, word))
                    // A number of tokens is a count; a token is never a number.
                    || words.ends_with("_tokens_")
            }
            Shape::Boolean => {
                ABOUT
                    .iter()
                    .chain(ABOUT_AS_TEXT)
                    .any(|word| is_last(words, word))
                    || QUESTIONS.iter().any(|question| words.starts_with(question))
            }
        }
    }
}

/// Ends a word, without the digits behind it: `password2` and `cvv2` are `password` and `cvv`.
fn close_word(words: &mut String) {
    let kept = words.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    words.truncate(kept);
    if !words.ends_with('_') {
        words.push('_');
    }
}

/// Full-width letters read like ASCII ones to people, so they do here.
fn narrow(c: char) -> char {
    match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code.saturating_sub(0xFEE0)).unwrap_or(c),
        _ => c,
    }
}

/// `tokens` is `token`; `pass` and `address` stay.
fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(one) if !one.ends_with('s') => one,
        _ => word,
    }
}

fn is_last(words: &str, word: &str) -> bool {
    words
        .strip_suffix('_')
        .and_then(|rest| rest.strip_suffix(word))
        .is_some_and(|rest| rest.ends_with('_'))
}

/// A word that ends like this names a secret: `token`, `accesstoken`, `csrf_tokens`.
const WORD_ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "cookie",
    "apikey",
    "credential",
    "authorization",
    "jwt",
    "sessionid",
    "sessid",
];

/// These words name a secret wherever they stand.
const WHOLE_WORDS: &[&str] = &[
    "assertion",
    "bearer",
    "card",
    "cred",
    "cvc",
    "cvv",
    "mnemonic",
    "otp",
    "pan",
    "pepper",
    "signature",
    "ssn",
    "totp",
];

/// These do side by side.
const PAIRS: &[(&str, &str)] = &[
    ("access", "key"),
    ("account", "number"),
    ("api", "key"),
    ("backup", "code"),
    ("code", "verifier"),
    ("encryption", "key"),
    ("host", "refresh"),
    ("master", "key"),
    ("pin", "code"),
    ("private", "key"),
    ("recovery", "code"),
    ("security", "code"),
    ("session", "id"),
    ("session", "key"),
    ("signing", "key"),
    ("social", "security"),
    ("verification", "code"),
];

/// These name a secret only at the end: `basic_auth` does, `auth_method` does not.
const LAST_WORDS: &[&str] = &["auth", "pass", "pin", "pw", "sid", "sig"];

/// Found even without word boundaries (`userPassWord`, `APIKEYPROD`): long enough to mean nothing else.
const SQUEEZED: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "cardnumber",
    "clientsecret",
    "creditcard",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "refreshtoken",
    "secretkey",
];

/// Last words after which a number or a boolean is not the secret.
const ABOUT: &[&str] = &[
    "age",
    "budget",
    "changed",
    "count",
    "created",
    "disabled",
    "enabled",
    "expired",
    "in",
    "issued",
    "left",
    "len",
    "length",
    "limit",
    "present",
    "remaining",
    "required",
    "revoked",
    "rotated",
    "score",
    "set",
    "size",
    "updated",
    "usage",
    "used",
    "valid",
    "verified",
];

/// Last words after which a text is not the secret either.
const ABOUT_AS_TEXT: &[&str] = &[
    "at", "brand", "expires", "expiry", "kind", "last", "method", "policy", "scheme", "status",
    "strength", "ttl", "type", "version",
];

/// First words of a boolean that asks about a secret.
const QUESTIONS: &[&str] = &[
    "_can_",
    "_has_",
    "_is_",
    "_needs_",
    "_requires_",
    "_uses_",
    "_was_",
    "_with_",
];
