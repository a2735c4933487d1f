//! The cleaning itself.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memchr3, memmem};

use super::budget::Budget;
use super::error::{BudgetError, BudgetKind, PolicyError};
use super::safe::SafeHtml;
use super::scan::scan;
use crate::text::strip_hidden;

/// After this many passes without a fixpoint the text is escaped as a whole. ammonia 4.2.4 needed at
/// most 4 for any of 300 000 random documents.
const PASSES: usize = 6;

/// Which elements, attributes and link targets a text may have, and how much cleaning it may cost.
///
/// A policy is cheap to clone (one reference count) and to ask for: the named ones are built once.
///
/// ```
/// use sec_sanitize::html::HtmlPolicy;
///
/// let html = HtmlPolicy::comment().clean(
///     r#"<p onclick=x()>Hi <a href="javascript:alert(1)">there</a><script>alert(1)</script>"#,
/// )?;
/// assert_eq!(
///     html.as_str(),
///     r#"<p>Hi <a rel="nofollow noopener noreferrer ugc">there</a></p>"#,
/// );
/// # Ok::<(), sec_sanitize::html::BudgetError>(())
/// ```
///
/// What every policy guarantees: no element or attribute outside of its list, no SVG or MathML, no script,
/// no style; links only to allowed schemes, never to another host without a scheme, never with credentials; cleaning
/// the result again changes nothing; and time and memory are bounded by the [`Budget`].
#[derive(Clone)]
pub struct HtmlPolicy(Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: &'static str,
    pub(super) cleaner: Arc<ammonia::Builder<'static>>,
    pub(super) budget: Budget,
    pub(super) strip_hidden: bool,
}

impl fmt::Debug for HtmlPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HtmlPolicy")
            .field("name", &self.0.name)
            .field("budget", &self.0.budget)
            .finish_non_exhaustive()
    }
}

impl HtmlPolicy {
    /// The same policy with other limits.
    ///
    /// # Errors
    /// When a limit is zero or too large to protect.
    pub fn with_budget(&self, budget: Budget) -> Result<Self, PolicyError> {
        budget.validate()?;
        let Inner {
            name,
            ref cleaner,
            strip_hidden,
            ..
        } = *self.0;
        Ok(Self(Arc::new(Inner {
            name,
            cleaner: Arc::clone(cleaner),
            budget,
            strip_hidden,
        })))
    }

    pub(super) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The limits.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Cleans a text.
    ///
    /// A text without markup costs one look at its bytes and one copy. Any other is first
    /// [scanned](super::scan()) against the budget, then parsed, filtered and written by ammonia, and then again
    /// until nothing changes (twice, nearly always; once if no element is left).
    ///
    /// # Errors
    /// When the text exceeds the [`Budget`]; nothing else.
    pub fn clean(&self, text: &str) -> Result<SafeHtml, BudgetError> {
        self.clean_with(Cow::Borrowed(text), &mut |text| self.parse(text))
    }

    /// As [`clean`](Self::clean); a text without markup is passed on as it is, without a copy.
    ///
    /// # Errors
    /// When the text exceeds the [`Budget`]; nothing else.
    pub fn clean_string(&self, text: String) -> Result<SafeHtml, BudgetError> {
        self.clean_with(Cow::Owned(text), &mut |text| self.parse(text))
    }

    /// `parse` is a parameter so that tests can count how often a parser runs.
    pub(super) fn clean_with(
        &self,
        text: Cow<'_, str>,
        parse: &mut dyn FnMut(&str) -> String,
    ) -> Result<SafeHtml, BudgetError> {
        let budget = &self.0.budget;
        budget.admit_length(text.len())?;
        if is_canonical_text(&text) {
            let text = match self.strip(&text) {
                Cow::Borrowed(_) => text.into_owned(),
                Cow::Owned(stripped) => stripped,
            };
            return finish(text, budget);
        }
        budget.admit(&scan(&text))?;
        let mut current = self.parse_and_strip(&text, parse);
        for _ in 1..PASSES {
            if is_canonical_text(&current) {
                return finish(current, budget);
            }
            // The next pass has to bear the cost of what the last one wrote.
            budget.admit_again(&scan(&current))?;
            let next = self.parse_and_strip(&current, parse);
            if next == current {
                return finish(current, budget);
            }
            current = next;
        }
        finish(crate::escape::html(&self.strip(&text)).to_string(), budget)
    }

    fn parse(&self, text: &str) -> String {
        self.0.cleaner.clean(text).to_string()
    }

    fn parse_and_strip(&self, text: &str, parse: &mut dyn FnMut(&str) -> String) -> String {
        let parsed = parse(text);
        match self.strip(&parsed) {
            Cow::Borrowed(_) => parsed,
            Cow::Owned(stripped) => stripped,
        }
    }

    fn strip<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.0.strip_hidden {
            strip_hidden(text)
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// Text that the parser would read and the serialiser write back as it stands: no markup, no character that is
/// changed (NUL, carriage return, no-break space, a byte-order mark at the start), and `&` only in the
/// references that the serialiser itself writes.
fn is_canonical_text(text: &str) -> bool {
    const WRITTEN: [&[u8]; 4] = [b"&amp;", b"&lt;", b"&gt;", b"&nbsp;"];
    let bytes = text.as_bytes();
    memchr3(b'<', b'>', 0, bytes).is_none()
        && memchr(b'\r', bytes).is_none()
        && memmem::find(bytes, "\u{a0}".as_bytes()).is_none()
        && !text.starts_with('\u{feff}')
        && memchr_iter(b'&', bytes).all(|at| {
            let rest = bytes.get(at..).unwrap_or_default();
            WRITTEN.iter().any(|reference| rest.starts_with(reference))
        })
}

fn finish(html: String, budget: &Budget) -> Result<SafeHtml, BudgetError> {
    BudgetError::check(BudgetKind::OutputBytes, html.len(), budget.output_bytes)?;
    Ok(SafeHtml::new(html))
}

#[cfg(test)]
pub(super) fn policy_passes() -> usize {
    PASSES
}
