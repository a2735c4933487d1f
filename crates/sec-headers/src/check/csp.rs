//! The Observatory's reading of a Content-Security-Policy. It differs from a browser's: a comma does
//! not begin another policy, and every directive but `report-uri` and `report-to` may stand once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY};

use super::Input;
use super::report::{Findings, Severity, excerpt};
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
    "styles are not confined",
    "Give styles a nonce or a hash, and name the hosts of style sheets",
);
const DUPLICATES: Verdict = Verdict::bad(
    Severity::Low,
    "csp-implemented-but-duplicate-directives",
    0,
    "stands twice, and browsers keep the first",
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
    "scripts or plug-ins are not confined",
    "Say script-src with a nonce, and object-src 'none', or default-src 'none' for all",
);
const INSECURE: Verdict = Verdict::bad(
    Severity::High,
    "csp-implemented-with-insecure-scheme",
    -20,
    "whoever is on the way can change what is loaded",
    "Name https sources",
);
const INVALID: Verdict = Verdict::bad(
    Severity::High,
    "csp-header-invalid",
    -25,
    "the policy cannot be read",
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
    Absent {
        report_only: bool,
    },
    /// With the reason.
    Invalid(String),
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
        let mut policy = match policies.next().map(Policy::parse) {
            Some(Ok(policy)) => policy,
            Some(Err(why)) => return Self::Invalid(why),
            None => return Self::Absent { report_only: false },
        };
        for text in policies {
            match Policy::parse(text) {
                Ok(other) => policy.restrict(other),
                Err(why) => return Self::Invalid(why),
            }
        }
        Self::Policy(policy)
    }

    /// Whether it says who may frame the page.
    pub(super) fn says_frame_ancestors(&self) -> bool {
        matches!(self, Self::Policy(policy) if policy.directives.contains_key("frame-ancestors"))
    }

    pub(super) fn judge(&self, findings: &mut Findings) -> Outcome {
        let (verdict, cause) = match self {
            Self::Absent { report_only: true } => (REPORT_ONLY, None),
            Self::Absent { report_only: false } => (ABSENT, None),
            Self::Invalid(why) => (INVALID, Some(why.clone())),
            Self::Policy(policy) => policy.verdict(),
        };
        verdict.record_because(cause, Test::ContentSecurityPolicy, HEADER, findings)
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
    /// The name of the one that does.
    reports_twice: Option<String>,
}

impl Policy {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < MIN_POLICY {
            return Err(format!("{} is no policy", excerpt(text)));
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
                    policy.reports_twice = Some(place.key().clone());
                }
                Entry::Occupied(place) => {
                    return Err(format!("{} stands twice", excerpt(place.key())));
                }
            }
        }
        Ok(policy)
    }

    /// Both hold: what only the other names is nothing, what both name is what they share.
    fn restrict(&mut self, other: Self) {
        self.reports_twice = self.reports_twice.take().or(other.reports_twice);
        for (name, sources) in other.directives {
            match self.directives.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(Sources::default());
                }
                Entry::Occupied(mut place) => place.get_mut().intersect(&sources),
            }
        }
    }

    /// With the causes where there may be several.
    fn verdict(&self) -> (Verdict, Option<String>) {
        let (script_name, script) = self.or_default("script-src");
        let (style_name, style) = self.or_default("style-src");
        let (object_name, object) = self.or_default("object-src");

        let dynamic = script.is_some_and(|sources| sources.has("'strict-dynamic'"));
        if dynamic && !script.is_some_and(Sources::has_nonce_or_hash) {
            let why = format!("{script_name}: 'strict-dynamic' stands without nonce or hash");
            return (INVALID, Some(why));
        }
        // 'strict-dynamic' turns off the hosts and schemes of its own list, wherever that is used.
        let off = |name: &str| dynamic && name == script_name;

        let unsafe_script = match script {
            None => {
                Some("script-src and default-src are missing, so that any script runs".to_owned())
            }
            Some(sources) => sources.looseness(script_name, dynamic),
        };
        let unsafe_object = match object {
            None => {
                Some("object-src and default-src are missing, so that any plug-in runs".to_owned())
            }
            Some(sources) if !off(object_name) => sources.breadth(object_name),
            Some(_) => None,
        };
        let unsafe_style = match style {
            None => {
                Some("style-src and default-src are missing, so that any style applies".to_owned())
            }
            Some(sources) => sources.looseness(style_name, off(style_name)),
        };
        let eval = [(script_name, script), (style_name, style)].into_iter();
        let eval = eval
            .filter(|(_, sources)| sources.is_some_and(|sources| sources.has("'unsafe-eval'")))
            .map(|(name, _)| name);
        let passive = ["img-src", "media-src"];
        let active = self.directives.keys().map(String::as_str);
        let insecure_active = active
            .filter(|name| !passive.contains(name) && !off(name))
            .find_map(|name| self.insecure(name));
        let insecure_passive = passive
            .into_iter()
            .map(|name| self.or_default(name).0)
            .filter(|name| !off(name))
            .find_map(|name| self.insecure(name));

        if unsafe_script.is_some() || unsafe_object.is_some() {
            let causes: Vec<_> = [unsafe_script, unsafe_object]
                .into_iter()
                .flatten()
                .collect();
            (UNSAFE_INLINE, Some(causes.join("; ")))
        } else if let Some(source) = insecure_active {
            (INSECURE, INSECURE.why_of(&source))
        } else if let Some(name) = eval.into_iter().next() {
            (UNSAFE_EVAL, UNSAFE_EVAL.why_of(name))
        } else if let Some(name) = &self.reports_twice {
            (DUPLICATES, DUPLICATES.why_of(&excerpt(name)))
        } else if let Some(source) = insecure_passive {
            (PASSIVE, PASSIVE.why_of(&source))
        } else if unsafe_style.is_some() {
            (UNSAFE_STYLE, unsafe_style)
        } else if self
            .directives
            .get("default-src")
            .is_some_and(Sources::is_none)
        {
            (DEFAULT_NONE, None)
        } else {
            (NO_UNSAFE, None)
        }
    }

    /// The directive, or what stands for it.
    fn or_default<'n>(&self, name: &'n str) -> (&'n str, Option<&Sources>) {
        match self.directives.get(name) {
            Some(sources) => (name, Some(sources)),
            None => ("default-src", self.directives.get("default-src")),
        }
    }

    /// The source of this directive that whoever is on the way can change.
    fn insecure(&self, name: &str) -> Option<String> {
        let mut tokens = self.directives.get(name)?.0.keys();
        let token = tokens.find(|token| token.starts_with("http:") || token.starts_with("ftp:"))?;
        Some(format!("{} of {}", excerpt(token), excerpt(name)))
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

    /// What lets foreign code or styles in. Where hosts and schemes are off, only what is inline counts.
    fn looseness(&self, name: &str, hosts_off: bool) -> Option<String> {
        let inline = self
            .is_unsafe_inline()
            .then(|| format!("{name} has 'unsafe-inline' without nonce or hash"));
        let data = self
            .has("data:")
            .then(|| format!("{name} has data:, which holds whatever an attacker writes"));
        let broad = if hosts_off { None } else { self.breadth(name) };
        let causes: Vec<_> = [inline, data, broad].into_iter().flatten().collect();
        (!causes.is_empty()).then(|| causes.join("; "))
    }

    fn breadth(&self, name: &str) -> Option<String> {
        let token = BROAD.iter().find(|token| self.has(token))?;
        Some(format!("{name} has `{token}`, which admits any host"))
    }
}

fn is_nonce_or_hash(token: &str) -> bool {
    ["'nonce-", "'sha256-", "'sha384-", "'sha512-"]
        .iter()
        .any(|prefix| token.starts_with(prefix))
}
