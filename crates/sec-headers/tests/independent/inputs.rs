//! Typed policies to choose from: few hosts, paths and texts, so that requests often meet them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sec_headers::{Csp, CspNonce, Directive, HashAlgorithm, Source};

pub(crate) const HOSTS: [&str; 6] = [
    "app.example",
    "cdn.example",
    "a.cdn.example",
    "evilcdn.example",
    "cdn.example.evil.test",
    "example",
];
pub(crate) const PATHS: [&str; 6] = ["/", "/lib", "/lib/", "/lib/a.js", "/libx", "/lib%2Fa.js"];
pub(crate) const TEXTS: [&str; 3] = ["", "alert(1)", "p { color: red }"];

/// What was said, apart from the crate's own types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    SelfOrigin,
    Nonce,
    /// The digest of one of [`TEXTS`].
    Hash(HashAlgorithm, usize),
    StrictDynamic,
    UnsafeInline,
    UnsafeHashes,
    UnsafeEval,
    ReportSample,
    Scheme(&'static str),
    Host(Host),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) scheme: Option<&'static str>,
    /// `*.name`; the name `*` is every host.
    pub(crate) subdomains: bool,
    pub(crate) name: &'static str,
    /// `*` is every port.
    pub(crate) port: Option<&'static str>,
    pub(crate) path: &'static str,
}

impl Host {
    pub(crate) fn text(&self) -> String {
        let scheme = self.scheme.map_or(String::new(), |s| format!("{s}://"));
        let stars = if self.subdomains { "*." } else { "" };
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{scheme}{stars}{}{port}{}", self.name, self.path)
    }
}

impl Said {
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::SelfOrigin => Source::SelfOrigin,
            Self::Nonce => Source::Nonce,
            Self::Hash(HashAlgorithm::Sha256, text) => Source::sha256(TEXTS[*text]),
            Self::Hash(HashAlgorithm::Sha384, text) => Source::sha384(TEXTS[*text]),
            Self::Hash(HashAlgorithm::Sha512, text) => Source::sha512(TEXTS[*text]),
            Self::StrictDynamic => Source::StrictDynamic,
            Self::UnsafeInline => Source::UnsafeInline,
            Self::UnsafeHashes => Source::UnsafeHashes,
            Self::UnsafeEval => Source::UnsafeEval,
            Self::ReportSample => Source::ReportSample,
            Self::Scheme(scheme) => Source::scheme(scheme).unwrap(),
            Self::Host(host) => Source::host(&host.text()).unwrap(),
        }
    }
}

/// Each directive with its sources; an empty list is `'none'`.
pub(crate) type Lists = BTreeMap<Directive, Vec<Said>>;

pub(crate) fn csp(lists: &Lists) -> Csp {
    lists.iter().fold(Csp::empty(), |csp, (directive, said)| {
        csp.set(*directive, said.iter().map(Said::source))
    })
}

/// The header's text, as a browser would get it over https.
pub(crate) fn header(csp: &Csp, nonce: Option<&CspNonce>) -> String {
    let template = csp.template(sec_headers::Scheme::Https).unwrap();
    template.render(nonce).to_str().unwrap().to_owned()
}

pub(crate) const DIRECTIVES: [Directive; 19] = [
    Directive::DefaultSrc,
    Directive::ScriptSrc,
    Directive::ScriptSrcElem,
    Directive::ScriptSrcAttr,
    Directive::StyleSrc,
    Directive::StyleSrcElem,
    Directive::StyleSrcAttr,
    Directive::ImgSrc,
    Directive::FontSrc,
    Directive::ConnectSrc,
    Directive::MediaSrc,
    Directive::ObjectSrc,
    Directive::FrameSrc,
    Directive::ChildSrc,
    Directive::WorkerSrc,
    Directive::ManifestSrc,
    Directive::BaseUri,
    Directive::FormAction,
    Directive::FrameAncestors,
];

/// Policies that must be taken: nothing in them is without effect.
pub(crate) fn lists() -> impl Strategy<Value = Lists> {
    let one = prop::sample::select(DIRECTIVES.to_vec())
        .prop_flat_map(|directive| (Just(directive), list(directive)));
    prop::collection::vec(one, 1..6)
        .prop_map(|all| all.into_iter().collect())
        .prop_filter("a nonce that another directive hides", |lists: &Lists| {
            let hides = |elem: Directive, all: Directive| {
                let decides = |d| lists.get(&d).map(|said| said.contains(&Said::Nonce));
                decides(elem)
                    .or(decides(all))
                    .or(decides(Directive::DefaultSrc))
            };
            let script = hides(Directive::ScriptSrcElem, Directive::ScriptSrc);
            let style = hides(Directive::StyleSrcElem, Directive::StyleSrc);
            lists.iter().all(|(directive, said)| {
                let name = directive.as_str();
                !said.contains(&Said::Nonce)
                    || (!name.starts_with("style") && script == Some(true))
                    || (!name.starts_with("script") && style == Some(true))
            })
        })
}

fn list(directive: Directive) -> BoxedStrategy<Vec<Said>> {
    let name = directive.as_str();
    let any = name == "default-src";
    let attribute = name.ends_with("-attr");
    let script = any || name.starts_with("script-src");
    let style = any || name.starts_with("style-src");
    let mut kinds: Vec<BoxedStrategy<Said>> = vec![
        Just(Said::SelfOrigin).boxed(),
        prop::sample::select(vec!["https", "http", "data", "wss"])
            .prop_map(Said::Scheme)
            .boxed(),
        host().prop_map(Said::Host).boxed(),
        host().prop_map(Said::Host).boxed(),
    ];
    if script || style {
        let algorithm = prop::sample::select(vec![
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha384,
            HashAlgorithm::Sha512,
        ]);
        kinds.push(
            (algorithm, 0..TEXTS.len())
                .prop_map(|(a, t)| Said::Hash(a, t))
                .boxed(),
        );
        kinds.push(Just(Said::UnsafeInline).boxed());
        kinds.push(Just(Said::UnsafeHashes).boxed());
        kinds.push(Just(Said::ReportSample).boxed());
        if !attribute {
            kinds.push(Just(Said::Nonce).boxed());
        }
    }
    if script {
        kinds.push(Just(Said::UnsafeEval).boxed());
        if !attribute {
            kinds.push(Just(Said::StrictDynamic).boxed());
        }
    }
    prop::collection::vec(prop::strategy::Union::new(kinds), 0..4)
        .prop_map(|mut said| {
            let trusts = |said: &Said| matches!(said, Said::Nonce | Said::Hash(..));
            if !said.iter().any(trusts) {
                said.retain(|said| *said != Said::StrictDynamic);
            }
            said
        })
        .boxed()
}

fn host() -> impl Strategy<Value = Host> {
    let scheme = prop::option::of(prop::sample::select(vec!["https", "http", "wss"]));
    let mut names = HOSTS.to_vec();
    names.push("*");
    let port = prop::option::of(prop::sample::select(vec!["443", "8443", "*"]));
    let path = prop_oneof![3 => Just(""), 1 => prop::sample::select(PATHS.to_vec())];
    (
        scheme,
        any::<bool>(),
        prop::sample::select(names),
        port,
        path,
    )
        .prop_map(|(scheme, subdomains, name, port, path)| Host {
            scheme,
            subdomains: subdomains && name != "*",
            name,
            port,
            path,
        })
}
