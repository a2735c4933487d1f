//! Secrets are taken out before anything is stored.

mod key;
mod pairs;
mod search;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use self::key::{Shape, Words};
use crate::error::ConfigError;

/// What stands in the place of a secret.
pub const MASK: &str = "[masked]";

/// What stands in the place of a value nested deeper than [`MAX_DEPTH`] levels.
const TOO_DEEP: &str = "[too deep]";

/// Levels of nesting that are looked into (`serde_json` itself reads 128).
pub(crate) const MAX_DEPTH: usize = 64;

/// Replaces secrets by [`MASK`], found by the name of a field and by the look of a value.
///
/// **By name.** A name is split into words at case changes and at everything that is not a letter or a
/// digit, so `apiKey`, `API-KEY`, `user.api_key` and `apiKey2` are the same. Passwords, secrets, tokens,
/// cookies, credentials, authorization, API and other keys, one-time and recovery codes, session ids,
/// signatures, card data (`card`, `pan`, `cvv`) and social security numbers are masked whatever the value
/// is: text, number, boolean, array or object (as a whole). Only null stays. Names that speak *about* a
/// secret are left alone when their value cannot be it: `tokens_used: 812`, `max_tokens: 4096`,
/// `token_type: "Bearer"`, `password_changed_at`, `has_password: true`, `card_last4`. The list follows
/// "data to exclude" of the [OWASP Logging Cheat Sheet].
///
/// **By look**, in every text and also in the middle of one: JSON Web Tokens, PEM blocks,
/// `Bearer …` and `Basic …`, keys with a vendor's prefix (`ghp_…`, `sk_live_…`, `AKIA…`), payment card
/// numbers (length, first digits and Luhn check digit; numbers too), passwords in URLs, and the values of
/// sensitive names in query strings, form bodies, header lines and JSON held in a text.
///
/// What neither its name nor its look gives away cannot be found: a password that a user typed into
/// the user name field, or a reset token in a path. For such there are [`Masker::with_key`] and [`Masker::with_rule`].
///
/// ```
/// use sec_audit::Masker;
/// use serde_json::json;
///
/// let masker = Masker::new();
/// let mut value = json!({"user": "ann", "newPassword": "hunter2", "tokens_used": 812});
/// masker.mask_value(&mut value);
/// assert_eq!(value, json!({"user": "ann", "newPassword": "[masked]", "tokens_used": 812}));
/// assert_eq!(masker.mask_text("/pay?card=4111111111111111"), "/pay?card=[masked]");
/// ```
///
/// [OWASP Logging Cheat Sheet]: https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html#data-to-exclude
#[derive(Clone, Default)]
pub struct Masker {
    extra: Vec<Words>,
    exempt: Vec<Words>,
    rules: Vec<Rule>,
}

type Rule = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl Masker {
    /// A masker with the built-in names and value types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also masks every field whose name contains these words (`"patient id"` finds `patientId` and
    /// `old_patient_id`), whatever its value.
    ///
    /// # Errors
    /// When the name holds no letter: it would match every field.
    pub fn with_key(mut self, name: &str) -> Result<Self, ConfigError> {
        self.extra.push(words_of(name)?);
        Ok(self)
    }

    /// Leaves fields alone whose name contains these words although the built-in list would mask them
    /// (`"card"` in a service where cards are things on a board). Their texts are still searched for
    /// secrets by look. A name added by [`Masker::with_key`] wins.
    ///
    /// # Errors
    /// When the name holds no letter: it would exempt every field.
    pub fn without_key(mut self, name: &str) -> Result<Self, ConfigError> {
        self.exempt.push(words_of(name)?);
        Ok(self)
    }

    /// Adds a rule of the host's own: it sees every text (after the built-in rules) and returns the
    /// replacement, or `None` to leave it. A rule that panics masks the whole text.
    #[must_use]
    pub fn with_rule(
        mut self,
        rule: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// Whether a text under this name is masked because of the name alone.
    #[must_use]
    pub fn is_sensitive(&self, name: &str) -> bool {
        self.is_sensitive_as(name, Shape::Text)
    }

    /// Masks a value in place, as deep as it goes.
    pub fn mask_value(&self, value: &mut Value) {
        self.mask_at(value, MAX_DEPTH);
    }

    /// Masks the value of one named field, in place.
    pub fn mask_field(&self, name: &str, value: &mut Value) {
        self.mask_named(name, value, MAX_DEPTH);
    }

    /// Masks what looks like a secret inside a text. Borrows when there is none.
    #[must_use]
    pub fn mask_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = text::mask(text, |name, shape| self.is_sensitive_as(name, shape));
        for rule in &self.rules {
            // A host's rule must not be able to take a request down.
            match catch_unwind(AssertUnwindSafe(|| rule(&masked))) {
                Ok(Some(replaced)) => masked = Cow::Owned(replaced),
                Ok(None) => {}
                Err(_) => return Cow::Owned(MASK.to_owned()),
            }
        }
        masked
    }

    pub(crate) fn hides(&self, name: &str, value: &Value) -> bool {
        Shape::of(value).is_some_and(|shape| self.is_sensitive_as(name, shape))
    }

    fn is_sensitive_as(&self, name: &str, shape: Shape) -> bool {
        // The shortest built-in names have two letters.
        if name.len() < 2 && self.extra.is_empty() {
            return false;
        }
        let words = Words::of(name);
        if self.extra.iter().any(|extra| words.contains(extra)) {
            return true;
        }
        words.is_sensitive(shape) && !self.exempt.iter().any(|exempt| words.contains(exempt))
    }

    fn mask_named(&self, name: &str, value: &mut Value, depth: usize) {
        if self.hides(name, value) {
            *value = Value::String(MASK.to_owned());
        } else {
            self.mask_at(value, depth);
        }
    }

    fn mask_at(&self, value: &mut Value, depth: usize) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if is_card_number(number) {
                    *value = Value::String(MASK.to_owned());
                }
            }
            Value::String(text) => {
                if let Cow::Owned(masked) = self.mask_text(text) {
                    *text = masked;
                }
            }
            Value::Array(_) | Value::Object(_) if depth == 0 => {
                *value = Value::String(TOO_DEEP.to_owned());
            }
            Value::Array(items) => {
                for item in items {
                    self.mask_at(item, depth.saturating_sub(1));
                }
            }
            Value::Object(members) => self.mask_members(members, depth.saturating_sub(1)),
        }
    }

    /// Members come out sorted by name, so that the same value is the same line even where a dependency
    /// of the host switched on `serde_json/preserve_order`.
    fn mask_members(&self, members: &mut Map<String, Value>, depth: usize) {
        let mut masked: Vec<(String, Value)> = std::mem::take(members)
            .into_iter()
            .map(|(name, mut value)| {
                self.mask_named(&name, &mut value, depth);
                match self.mask_text(&name) {
                    Cow::Owned(clean) => (clean, value),
                    Cow::Borrowed(_) => (name, value),
                }
            })
            .collect();
        masked.sort_by(|a, b| a.0.cmp(&b.0));
        members.extend(masked);
    }

    pub(crate) fn mask_map(&self, members: &mut Map<String, Value>) {
        self.mask_members(members, MAX_DEPTH);
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("extra", &self.extra)
            .field("exempt", &self.exempt)
            .field("rules", &self.rules.len())
            .finish()
    }
}

fn words_of(name: &str) -> Result<Words, ConfigError> {
    let words = Words::of(name);
    if words.is_empty() {
        Err(ConfigError::empty_key(name))
    } else {
        Ok(words)
    }
}

fn is_card_number(number: &Number) -> bool {
    number
        .as_u64()
        .is_some_and(|n| n >= 1_000_000_000_000 && text::is_pan(n.to_string().as_bytes()))
}
