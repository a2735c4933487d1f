//! One list of each report's fields, from which come its event, the key by which equal ones are
//! counted, and what is looked through for extensions.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::{Report, ReportKind, SourceLocation};

/// A field of a [`Report`], see [`Report::details`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ReportDetail<'a> {
    /// A word or sentence.
    Text(&'a str),
    /// An address, or a word in place of one.
    Address(&'a str),
    /// A number.
    Number(u64),
    /// A share between 0 and 1.
    Fraction(f64),
    /// Yes or no.
    Flag(bool),
    /// An IP address.
    Ip(IpAddr),
}

/// The fields of a report in their order, each with whether it tells reports apart.
pub(super) struct Fields<'a>(Vec<Field<'a>>);

pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    pub(super) value: ReportDetail<'a>,
    distinguishes: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut fields = Self(Vec::with_capacity(12));
        fields.address("document", &report.document);
        fields.kind(&report.kind);
        fields
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Field<'a>> {
        self.0.into_iter()
    }

    fn kind(&mut self, kind: &'a ReportKind) {
        match kind {
            ReportKind::CspViolation(body) => {
                self.text("disposition", body.disposition.as_str());
                self.text("directive", &body.directive);
                self.address("blocked", &body.blocked);
                self.location(&body.location);
                self.text("sample", &body.sample);
                self.number("status", body.status.into());
            }
            ReportKind::CspHash(body) => {
                self.address("subresource", &body.subresource);
                self.text("hash", &body.hash);
                self.text("destination", &body.destination);
            }
            ReportKind::NetworkError(body) => {
                self.text("error", &body.error);
                self.text("phase", &body.phase);
                self.text("protocol", &body.protocol);
                self.text("method", &body.method);
                self.number("status", body.status.into());
                if let Some(address) = body.server_ip {
                    self.put("server_ip", ReportDetail::Ip(address), true);
                }
                // How long it took, how often it is told and where users came from differ from one
                // report to the next of the same failure.
                let elapsed = u64::try_from(body.elapsed.as_millis()).unwrap_or(u64::MAX);
                self.put("elapsed_ms", ReportDetail::Number(elapsed), false);
                let fraction = ReportDetail::Fraction(body.sampling_fraction);
                self.put("sampling_fraction", fraction, false);
                if !body.referrer.is_empty() {
                    self.put("referrer", ReportDetail::Address(&body.referrer), false);
                }
            }
            ReportKind::Deprecation(body) => {
                self.text("id", &body.id);
                self.text("anticipated_removal", &body.anticipated_removal);
                self.text("message", &body.message);
                self.location(&body.location);
            }
            ReportKind::Intervention(body) => {
                self.text("id", &body.id);
                self.text("message", &body.message);
                self.location(&body.location);
            }
            ReportKind::Crash(body) => {
                self.text("reason", &body.reason);
                if let Some(top_level) = body.top_level {
                    self.put("top_level", ReportDetail::Flag(top_level), true);
                }
                self.text("visibility", &body.visibility);
            }
            ReportKind::Embedder(body) => {
                self.text("disposition", body.disposition.as_str());
                self.text("cause", &body.cause);
                self.address("blocked", &body.blocked);
                self.text("destination", &body.destination);
            }
            ReportKind::Opener(body) => {
                self.text("disposition", body.disposition.as_str());
                self.text("cause", &body.cause);
                self.text("effective_policy", &body.effective_policy);
                self.address("other", &body.other);
                self.text("property", &body.property);
                self.location(&body.location);
            }
            ReportKind::Permissions(body) => {
                self.text("disposition", body.disposition.as_str());
                self.text("feature", &body.feature);
                self.text("message", &body.message);
                self.address("frame", &body.frame);
                self.location(&body.location);
            }
            ReportKind::Document(body) => {
                self.text("disposition", body.disposition.as_str());
                self.text("feature", &body.feature);
                self.text("message", &body.message);
                self.location(&body.location);
            }
            ReportKind::Integrity(body) => {
                self.text("disposition", body.disposition.as_str());
                self.address("blocked", &body.blocked);
                self.text("destination", &body.destination);
            }
            ReportKind::Other(_) => {}
        }
    }

    fn location(&mut self, location: &'a SourceLocation) {
        self.address("source", &location.source);
        self.number("line", location.line.into());
        self.number("column", location.column.into());
    }

    fn text(&mut self, name: &'static str, text: &'a str) {
        if !text.is_empty() {
            self.put(name, ReportDetail::Text(text), true);
        }
    }

    fn address(&mut self, name: &'static str, text: &'a str) {
        if !text.is_empty() {
            self.put(name, ReportDetail::Address(text), true);
        }
    }

    fn number(&mut self, name: &'static str, number: u64) {
        if number > 0 {
            self.put(name, ReportDetail::Number(number), true);
        }
    }

    fn put(&mut self, name: &'static str, value: ReportDetail<'a>, distinguishes: bool) {
        self.0.push(Field {
            name,
            value,
            distinguishes,
        });
    }
}

/// Where it happened. An extension works on every page, and differs from one version to the next.
const WHERE: [&str; 5] = ["document", "source", "line", "column", "status"];

/// What makes two reports the same: their type and every field but those that say only when, how long
/// or to whom it happened; and of those that name an extension, where.
pub(super) struct Key<'a>(pub(super) &'a Report);

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.kind.name().hash(state);
        let claimed = self.0.names_extension();
        claimed.hash(state);
        for field in Fields::of(self.0)
            .into_iter()
            .filter(|field| field.distinguishes && !(claimed && WHERE.contains(&field.name)))
        {
            field.name.hash(state);
            match field.value {
                ReportDetail::Text(text) | ReportDetail::Address(text) => text.hash(state),
                ReportDetail::Number(number) => number.hash(state),
                ReportDetail::Flag(flag) => flag.hash(state),
                ReportDetail::Ip(address) => address.hash(state),
                ReportDetail::Fraction(share) => share.to_bits().hash(state),
            }
        }
    }
}
