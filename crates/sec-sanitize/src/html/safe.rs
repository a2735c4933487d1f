//! Text that templates may print as it is.

use std::fmt;

use serde::{Serialize, Serializer};

/// HTML that went through an [`HtmlPolicy`](super::HtmlPolicy), to be printed between tags as it is.
///
/// There is no way to make one from a string but cleaning it, or saying [`dangerously_trust`](Self::dangerously_trust);
/// it is neither `Deserialize` nor `From<String>`. It serialises as a string: what reads it back must clean
/// it again or trust its store.
///
/// It is safe as the content of an element. It is not safe inside an attribute, a script, a style, or
/// `<textarea>`/`<title>`: use [`escape`](crate::escape) there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SafeHtml(String);

impl SafeHtml {
    pub(super) fn new(html: String) -> Self {
        Self(html)
    }

    /// Takes the caller's word that `html` is safe: a constant, or what was cleaned before it was stored.
    #[must_use]
    pub fn dangerously_trust(html: impl Into<String>) -> Self {
        Self(html.into())
    }

    /// The text of a value that is not HTML, escaped.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(crate::escape::html(text).to_string())
    }

    /// The HTML.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The HTML, giving up the mark that it is safe.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl AsRef<str> for SafeHtml {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SafeHtml {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
