//! The Observatory's reading of a Content-Security-Policy. It differs from a browser's: a comma does
//! not begin another policy, and every directive but `report-uri` and `report-to` may stand once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};

use super::Input;
use super::report::{Findings, Severity};
use super::score::{Outcome, Test, Verdict};

const HEADER: &str = "content-security-policy";
/// What is shorter is no policy to the Observatory.
const MIN_POLICY: usize = 6;
/// Directives that have no meaning in `<meta>` (CSP 3, section 3.3).
pub(super) const NOT_IN_META: [&str; 3] = ["frame-ancestors", "report-uri", "sandbox"];
/// Sources that let anybody's script in.
const BROAD: [&str; 6] = ["*", "http:", "https:", "ftp:", "http://*", "https://*"];

const DEFAULT_NONE: Verdict = Verdict::good("csp-implemented-with-no-unsafe-default-src-none", 10);
const NO_UNSAFE: Verdict = Verdict::good("csp-implemented-with-no-unsafe", 5);
const UNSAFE_STYLE: Verdict = Verdict::bad(
    Severity::Low,
    "csp-implemented-with-unsafe-inline-in-style-src-only",
    0,
    "any style is allowed inline or from anywhere",
    "Give styles a nonce or a hash, and name the hosts of style sheets",
);
const DUPLICATES: Verdict = Verdict::bad(
    Severity::Low,
    "csp-implemented-but-duplicate-directives",
    0,
    "report-uri or report-to stands twice, and browsers keep the first",
    "Write it once; report-uri may name several addresses",
);
const PASSIVE: Verdict = Verdict::bad(
    Severity::Medium,
    "csp-implemented-with-insecure-scheme-in-passive-content-only",
    -10,
    "images or media may come over plain http",
    "Name https sources",
);
const UNSAFE_EVAL: Verdict = Verdict::bad(
    Severity::Medium,
    "csp-implemented-with-unsafe-eval",
    -10,
    "'unsafe-eval' lets text become code",
    "Take it out; WebAssembly needs 'wasm-unsafe-eval' only",
);
const UNSAFE_INLINE: Verdict = Verdict::bad(
    Severity::High,
    "csp-implemented-with-unsafe-inline",
    -20,
    "scripts or plug-ins are not confined: a directive for them is missing, 'unsafe-inline' stands \
     without nonce or hash, or a source admits any host or data:",
    "Say script-src with a nonce, and object-src 'none', or default-src 'none' for all",
);
const INSECURE: Verdict = Verdict::bad(
    Severity::High,
    "csp-implemented-with-insecure-scheme",
    -20,
    "a source names http: or ftp:, so that whoever is on the way can change what is loaded",
    "Name https sources",
);
const INVALID: Verdict = Verdict::bad(
    Severity::High,
    "csp-header-invalid",
    -25,
    "the policy cannot be read, a directive stands twice, or 'strict-dynamic' stands without nonce \
     or hash",
    "Write each directive once; Csp of this crate does not build such a policy",
);
const ABSENT: Verdict = Verdict::bad(
    Severity::High,
    "csp-not-implemented",
    -25,
    "there is no policy, so that an injected script runs",
    "Send one; Csp::web_app of this crate is a beginning",
);
const REPORT_ONLY: Verdict = Verdict::bad(
    Severity::High,
    "csp-not-implemented-but-reporting-enabled",
    -25,
    "the policy only reports, so that an injected script runs",
    "Send it as Content-Security-Policy once the reports are quiet",
);

/// What was read.
pub(super) enum Reading {
    Absent { report_only: bool },
    Invalid,
    Policy(Policy),
}

impl Reading {
    pub(super) fn of(input: &Input<'_>) -> Self {
        let header = input.joined(CONTENT_SECURITY_POLICY);
        let metas = &input.page.policies;
        let in_meta = metas.iter().any(|meta| has_effect_in_meta(meta));
        if header.is_none() && !in_meta {
            let report_only = input.joined(CONTENT_SECURITY_POLICY_REPORT_ONLY);
            return Self::Absent {
                report_only: report_only.is_some_and(|text| !text.is_empty()),
            };
        }
        let texts = header.as_deref().into_iter();
        let mut policies = texts.chain(metas.iter().map(String::as_str));
        let Some(Some(mut policy)) = policies.next().map(Policy::parse) else {
            return Self::Invalid;
        };
        for text in policies {
            match Policy::parse(text) {
                Some(other) => policy.restrict(other),
                None => return Self::Invalid,
            }
        }
        Self::Policy(policy)
    }

    /// Whether it says who may frame the page.
    pub(super) fn says_frame_ancestors(&self) -> bool {
        matches!(self, Self::Policy(policy) if policy.directives.contains_key("frame-ancestors"))
    }

    pub(super) fn judge(&self, findings: &mut Findings) -> Outcome {
        let verdict = match self {
            Self::Absent { report_only: true } => REPORT_ONLY,
            Self::Absent { report_only: false } => ABSENT,
            Self::Invalid => INVALID,
            Self::Policy(policy) => policy.verdict(),
        };
        verdict.record(Test::ContentSecurityPolicy, HEADER, findings)
    }
}

fn has_effect_in_meta(text: &str) -> bool {
    let names = text
        .split(';')
        .filter_map(|d| d.split_ascii_whitespace().next());
    names.into_iter().any(|name| {
        !NOT_IN_META
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// The directives by their names, all in lower case.
#[derive(Debug, Default)]
pub(super) struct Policy {
    directives: BTreeMap<String, Sources>,
    reports_twice: bool,
}

impl Policy {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() < MIN_POLICY {
            return None;
        }
        let mut policy = Self::default();
        for directive in text.split(';') {
            let mut tokens = directive.split_ascii_whitespace();
            let Some(name) = tokens.next().map(str::to_ascii_lowercase) else {
                continue;
            };
            let sources = Sources::of(tokens);
            match policy.directives.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(sources);
                }
                Entry::Occupied(mut place) if place.key().starts_with("report-") => {
                    place.insert(sources);
                    policy.reports_twice = true;
                }
                Entry::Occupied(_) => return None,
            }
        }
        Some(policy)
    }

    /// Both hold: what only the other names is nothing, what both name is what they share.
    fn restrict(&mut self, other: Self) {
        self.reports_twice |= other.reports_twice;
        for (name, sources) in other.directives {
            match self.directives.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(Sources::default());
                }
                Entry::Occupied(mut place) => place.get_mut().intersect(&sources),
            }
        }
    }

    fn verdict(&self) -> Verdict {
        let get = |name: &str| self.directives.get(name);
        let default = get("default-src");
        let script_name = if get("script-src").is_some() {
            "script-src"
        } else {
            "default-src"
        };
        let script = get(script_name);
        let style = get("style-src").or(default);
        let object = get("object-src").or(default);

        let dynamic = script.is_some_and(|sources| sources.has("'strict-dynamic'"));
        if dynamic && !script.is_some_and(Sources::has_nonce_or_hash) {
            return INVALID;
        }
        // 'strict-dynamic' turns off the hosts and schemes of its own list, wherever that is used.
        let off = |name: &str| dynamic && name == script_name;

        let unsafe_script = script.is_none_or(|sources| {
            sources.is_unsafe_inline() || sources.has("data:") || (!dynamic && sources.is_broad())
        });
        let object_off = get("object-src").is_none() && off("default-src");
        let unsafe_object = object.is_none_or(|sources| !object_off && sources.is_broad());
        let style_off = get("style-src").is_none() && off("default-src");
        let unsafe_style = style.is_none_or(|sources| {
            sources.is_unsafe_inline() || sources.has("data:") || (!style_off && sources.is_broad())
        });
        let eval = [script, style].into_iter().flatten();
        let eval = eval.into_iter().any(|sources| sources.has("'unsafe-eval'"));
        let passive = |name: &str| matches!(name, "img-src" | "media-src");
        let insecure = |name: &str| get(name).is_some_and(|s| !off(name) && s.is_insecure());
        let insecure_active = self
            .directives
            .keys()
            .any(|name| !passive(name) && insecure(name));
        let insecure_passive = ["img-src", "media-src"].into_iter().any(|name| {
            insecure(if get(name).is_some() {
                name
            } else {
                "default-src"
            })
        });

        if unsafe_script || unsafe_object {
            UNSAFE_INLINE
        } else if insecure_active {
            INSECURE
        } else if eval {
            UNSAFE_EVAL
        } else if self.reports_twice {
            DUPLICATES
        } else if insecure_passive {
            PASSIVE
        } else if unsafe_style {
            UNSAFE_STYLE
        } else if default.is_some_and(Sources::is_none) {
            DEFAULT_NONE
        } else {
            NO_UNSAFE
        }
    }
}

/// The sources of a directive in lower case, and whether each was written as a nonce or hash that
/// turns 'unsafe-inline' off. No sources is `'none'`.
#[derive(Debug, Default)]
struct Sources(BTreeMap<String, bool>);

impl Sources {
    fn of<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let tokens = tokens.map(|token| (token.to_ascii_lowercase(), is_nonce_or_hash(token)));
        Self(tokens.collect())
    }

    fn intersect(&mut self, other: &Self) {
        self.0.retain(|token, _| other.0.contains_key(token));
    }

    fn has(&self, token: &str) -> bool {
        self.0.contains_key(token)
    }

    fn is_none(&self) -> bool {
        self.0.keys().all(|token| token == "'none'")
    }

    fn is_unsafe_inline(&self) -> bool {
        self.has("'unsafe-inline'") && !self.0.values().any(|guards| *guards)
    }

    fn has_nonce_or_hash(&self) -> bool {
        self.0.keys().any(|token| is_nonce_or_hash(token))
    }

    fn is_broad(&self) -> bool {
        BROAD.iter().any(|token| self.has(token))
    }

    fn is_insecure(&self) -> bool {
        let mut tokens = self.0.keys();
        tokens.any(|token| token.starts_with("http:") || token.starts_with("ftp:"))
    }
}

fn is_nonce_or_hash(token: &str) -> bool {
    ["'nonce-", "'sha256-", "'sha384-", "'sha512-"]
        .iter()
        .any(|prefix| token.starts_with(prefix))
}
