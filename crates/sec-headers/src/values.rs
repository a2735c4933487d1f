//! The values of the headers that have few of them.

use std::time::Duration;

use crate::error::{Fault, FaultKind, PolicyError};

/// One year, which is what the preload list demands at least.
const YEAR: u64 = 31_536_000;

/// `Strict-Transport-Security` (RFC 6797). Written only for clients that came over https
/// (section 7.2), by the scheme that [`RequestContext`](sec_core::RequestContext) gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Hsts {
    max_age: u64,
    /// Asked for an age that is not zero, and would be written as zero.
    vanishes: bool,
    include_subdomains: bool,
    preload: bool,
}

impl Hsts {
    /// For so long browsers use https alone for this host. Sub-domains are not included. Zero tells
    /// browsers to forget the host (RFC 6797, section 6.1.1).
    ///
    /// The header knows whole seconds, and parts of one are left off. An age below one second that is not
    /// zero is therefore a fault, of kind [`FaultKind::Hsts`] when the policy is built: it would be
    /// written as `max-age=0`, the opposite of what was asked for.
    pub const fn max_age(age: Duration) -> Self {
        Self {
            max_age: age.as_secs(),
            vanishes: age.as_secs() == 0 && !age.is_zero(),
            include_subdomains: false,
            preload: false,
        }
    }

    /// So many years of 365 days.
    pub const fn years(years: u8) -> Self {
        Self {
            max_age: YEAR.saturating_mul(years as u64),
            vanishes: false,
            include_subdomains: false,
            preload: false,
        }
    }

    /// Also for every sub-domain. Breaks sub-domains that have no certificate, those of the
    /// intranet included.
    pub const fn include_subdomains(mut self, include: bool) -> Self {
        self.include_subdomains = include;
        self
    }

    /// Adds `preload`, by which the host asks to be built into browsers (hstspreload.org).
    ///
    /// No preset does this: it reaches every sub-domain of users that never visited, and to be
    /// removed from the list takes months.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Hsts`] unless sub-domains are included and the age is at least 31536000 s: the
    /// list refuses such a header.
    pub fn preload(mut self) -> Result<Self, PolicyError> {
        self.preload = true;
        match self.fault() {
            Some(fault) => PolicyError::unless_empty(vec![fault], self),
            None => Ok(self),
        }
    }

    /// What contradicts itself, also after later changes.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let why = if self.vanishes {
            "an age below one second would be written as 0, by which browsers forget the host"
        } else if !self.preload {
            return None;
        } else if !self.include_subdomains {
            "preload requires sub-domains to be included"
        } else if self.max_age < YEAR {
            "preload requires an age of at least 31536000 seconds"
        } else {
            return None;
        };
        Some(Fault::new("hsts", FaultKind::Hsts, why))
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("max-age={}", self.max_age);
        if self.include_subdomains {
            text.push_str("; includeSubDomains");
        }
        if self.preload {
            text.push_str("; preload");
        }
        text
    }
}

/// A closed set of header values, each an enum variant with its text.
macro_rules! values {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// The header's value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = PolicyError;

            /// Reads the header's value, in any case.
            fn from_str(text: &str) -> Result<Self, PolicyError> {
                $(
                    if text.eq_ignore_ascii_case($text) {
                        return Ok(Self::$variant);
                    }
                )*
                let known = [$($text),*].join(", ");
                let message = format!("`{}` is none of {known}", text.escape_debug());
                Err(PolicyError::one("", FaultKind::Setting, message))
            }
        }
    };
}

values! {
    /// `X-Frame-Options` (RFC 7034), for browsers that do not know `frame-ancestors`. `ALLOW-FROM`
    /// is not here: no browser of today knows it, so that it protected nothing.
    FrameOptions {
        /// Nobody frames it.
        Deny = "DENY",
        /// Only the own origin does.
        SameOrigin = "SAMEORIGIN",
    }
}

values! {
    /// `Referrer-Policy`.
    ReferrerPolicy {
        /// No referrer ever. Breaks defences by `Origin`: a same-origin form post then carries
        /// `Origin: null` (Fetch, section 3.2), so no preset has it.
        NoReferrer = "no-referrer",
        /// The whole address, but not from https to http.
        NoReferrerWhenDowngrade = "no-referrer-when-downgrade",
        /// The origin alone.
        Origin = "origin",
        /// The origin alone to other origins.
        OriginWhenCrossOrigin = "origin-when-cross-origin",
        /// The whole address to the own origin, nothing to others.
        SameOrigin = "same-origin",
        /// The origin alone, and not from https to http.
        StrictOrigin = "strict-origin",
        /// The whole address to the own origin, the origin alone to others, nothing from https to
        /// http.
        StrictOriginWhenCrossOrigin = "strict-origin-when-cross-origin",
        /// The whole address to everyone. Leaks what stands in paths and queries.
        UnsafeUrl = "unsafe-url",
    }
}

values! {
    /// `Cross-Origin-Opener-Policy` (HTML, section 7.1.3).
    OpenerPolicy {
        /// Shares its window group with the own origin only. Breaks log-in and payment windows that
        /// report back to their opener.
        SameOrigin = "same-origin",
        /// As `same-origin`, but windows that this page opens may keep their link to it.
        SameOriginAllowPopups = "same-origin-allow-popups",
        /// Cross-origin pages that opened it may stay linked while they do not navigate.
        NoopenerAllowPopups = "noopener-allow-popups",
        /// No protection.
        UnsafeNone = "unsafe-none",
    }
}

values! {
    /// `Cross-Origin-Embedder-Policy` (HTML, section 7.1.4).
    EmbedderPolicy {
        /// What is embedded from elsewhere must agree by CORP or CORS. Breaks most foreign images,
        /// frames and scripts.
        RequireCorp = "require-corp",
        /// What is embedded from elsewhere is fetched without credentials.
        Credentialless = "credentialless",
        /// No protection.
        UnsafeNone = "unsafe-none",
    }
}

values! {
    /// `Cross-Origin-Resource-Policy` (Fetch, section 3.7): who may embed this answer without CORS.
    ResourcePolicy {
        /// The own origin.
        SameOrigin = "same-origin",
        /// The own site, sub-domains included.
        SameSite = "same-site",
        /// Everybody. What images and fonts for other sites need.
        CrossOrigin = "cross-origin",
    }
}

values! {
    /// `X-Permitted-Cross-Domain-Policies`, read by Adobe's readers.
    CrossDomainPolicies {
        /// No policy file is believed.
        None = "none",
        /// Only the master policy file.
        MasterOnly = "master-only",
        /// Policy files of the right media type.
        ByContentType = "by-content-type",
        /// Every policy file.
        All = "all",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeadersConfig;
    use crate::policy::{HeaderPolicy, SecHeaders};

    /// `max-age=0; includeSubDomains` for "half a second" would take the protection away.
    #[test]
    fn an_age_that_would_become_zero_is_refused() {
        for (text, age, written) in [
            ("0s", Duration::ZERO, Some("max-age=0")),
            ("1ns", Duration::from_nanos(1), None),
            ("500ms", Duration::from_millis(500), None),
            ("999ms", Duration::from_millis(999), None),
            ("1s", Duration::from_secs(1), Some("max-age=1")),
            ("1s999ms", Duration::from_millis(1_999), Some("max-age=1")),
        ] {
            let hsts = Hsts::max_age(age);
            let built = SecHeaders::none().hsts(hsts).build();
            assert_eq!(built.is_ok(), written.is_some(), "{text}");
            match (written, built) {
                (Some(written), _) => assert_eq!(hsts.text(), written),
                (None, Ok(_)) => unreachable!(),
                (None, Err(error)) => assert!(error.has(FaultKind::Hsts), "{error}"),
            }
            let section = format!(r#"{{"preset": "none", "hsts": {{"max_age": "{text}"}}}}"#);
            let section: HeadersConfig = serde_json::from_str(&section).unwrap();
            match HeaderPolicy::from_config(&section) {
                Ok(_) => assert!(written.is_some(), "{text}"),
                Err(error) => {
                    assert!(written.is_none(), "{text} {error}");
                    assert!(error.faults()[0].field().starts_with("hsts"), "{error}");
                }
            }
        }
    }
}
