use std::borrow::Cow;

use content_security_policy::url::Url;
use content_security_policy::{
    CheckResult, CspList, Destination, Element, Initiator, InlineCheckType, NavigationCheckType,
    ParserMetadata, PolicyDisposition, PolicySource, Request, Response,
};
use proptest::prelude::*;
use sec_headers::{CspNonce, Directive as D};

use crate::inputs::{HOSTS, Lists, PATHS, Said, TEXTS, csp, header, lists};
use crate::model::{self, Address, Nonce};

const PAGE: &str = "https://app.example/";

fn parsed(header: &str) -> CspList {
    CspList::parse(header, PolicySource::Header, PolicyDisposition::Enforce)
}

fn address() -> impl Strategy<Value = Address> {
    let scheme = prop::sample::select(vec!["https", "https", "http", "wss", "data"]);
    let host = prop::sample::select(HOSTS.to_vec());
    let port = prop::option::of(Just(8443));
    let path = prop::sample::select(PATHS.to_vec());
    (scheme, host, port, path)
        .prop_map(|(scheme, host, port, path)| Address {
            scheme,
            host,
            port,
            path,
        })
        // That `'self'` also means the page's web sockets is not in that crate yet.
        .prop_filter("a web socket of the page's own", |address| {
            (address.scheme, address.host) != ("wss", "app.example")
        })
}

fn nonce() -> impl Strategy<Value = Nonce> {
    prop::sample::select(vec![Nonce::None, Nonce::This, Nonce::Other])
}

fn kind() -> impl Strategy<Value = (Destination, &'static [D])> {
    let worker: &[D] = &[D::WorkerSrc, D::ChildSrc, D::ScriptSrc, D::DefaultSrc];
    let rows: Vec<(Destination, &'static [D])> = vec![
        (Destination::Script, model::SCRIPT),
        (Destination::Style, model::STYLE),
        (Destination::Worker, worker),
        (Destination::Image, &[D::ImgSrc, D::DefaultSrc]),
        (Destination::Font, &[D::FontSrc, D::DefaultSrc]),
        (Destination::None, &[D::ConnectSrc, D::DefaultSrc]),
        (Destination::Video, &[D::MediaSrc, D::DefaultSrc]),
        (Destination::Object, &[D::ObjectSrc, D::DefaultSrc]),
        (
            Destination::IFrame,
            &[D::FrameSrc, D::ChildSrc, D::DefaultSrc],
        ),
        (Destination::Manifest, &[D::ManifestSrc, D::DefaultSrc]),
    ];
    prop::sample::select(rows)
}

/// The text of a nonce, and the policy with its own one or without any.
struct Answer {
    list: CspList,
    this: CspNonce,
    other: CspNonce,
}

impl Answer {
    fn new(lists: &Lists, with_nonce: bool) -> Self {
        let (this, other) = (CspNonce::generate(), CspNonce::generate());
        let list = parsed(&header(&csp(lists), with_nonce.then_some(&this)));
        Self { list, this, other }
    }

    fn text(&self, nonce: Nonce) -> &str {
        match nonce {
            Nonce::None => "",
            Nonce::This => self.this.as_str(),
            Nonce::Other => self.other.as_str(),
        }
    }
}

fn request(
    destination: Destination,
    url: &str,
    nonce: &str,
    redirected: bool,
    markup: bool,
) -> Request {
    let url = Url::parse(url).unwrap();
    Request {
        current_url: url.clone(),
        url,
        origin: Url::parse(PAGE).unwrap().origin(),
        redirect_count: u32::from(redirected),
        destination,
        initiator: Initiator::None,
        nonce: nonce.to_owned(),
        integrity_metadata: String::new(),
        parser_metadata: if markup {
            ParserMetadata::ParserInserted
        } else {
            ParserMetadata::NotParserInserted
        },
    }
}

fn allowed(result: &CheckResult) -> bool {
    *result == CheckResult::Allowed
}

/// A policy written without its nonce means the same, to a page that has none.
fn seen(nonce: Nonce, with_nonce: bool) -> Nonce {
    if with_nonce { nonce } else { Nonce::None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn requests_are_allowed_as_the_policy_says(
        lists in lists(),
        (destination, chain) in kind(),
        address in address(),
        nonce in nonce(),
        redirected: bool,
        markup: bool,
        with_nonce: bool,
    ) {
        let answer = Answer::new(&lists, with_nonce);
        let text = answer.text(nonce);
        let request = request(destination, &address.text(), text, redirected, markup);
        let (result, _) = answer.list.should_request_be_blocked(&request);
        let nonce = seen(nonce, with_nonce);
        let model = model::request_allowed(&lists, chain, &address, redirected, nonce, markup);
        // Without its nonce a list may come down to 'none', never to more than before.
        if with_nonce {
            prop_assert_eq!(allowed(&result), model, "{}", answer.list);
        } else {
            prop_assert!(model || !allowed(&result), "{}", answer.list);
        }
    }

    #[test]
    fn inline_code_runs_as_the_policy_says(
        lists in lists(),
        kind in 0_usize..4,
        text in 0..TEXTS.len(),
        nonce in nonce(),
        with_nonce: bool,
    ) {
        let kinds = [
            (InlineCheckType::Script, model::SCRIPT),
            (InlineCheckType::ScriptAttribute, model::SCRIPT_ATTRIBUTE),
            (InlineCheckType::Style, model::STYLE),
            (InlineCheckType::StyleAttribute, model::STYLE_ATTRIBUTE),
        ];
        let answer = Answer::new(&lists, with_nonce);
        let (kind, chain) = kinds[kind];
        let shown = (nonce != Nonce::None).then(|| Cow::Borrowed(answer.text(nonce)));
        let element = Element { nonce: shown };
        let list = &answer.list;
        let (result, _) =
            list.should_elements_inline_type_behavior_be_blocked(&element, kind, TEXTS[text]);
        let model = model::inline_allowed(&lists, chain, seen(nonce, with_nonce), text);
        prop_assert_eq!(allowed(&result), model, "{}", list);
    }

    #[test]
    fn frames_forms_and_bases_are_allowed_as_the_policy_says(
        lists in lists(),
        first in address(),
        second in address(),
    ) {
        let list = Answer::new(&lists, true).list;
        let page = Url::parse(PAGE).unwrap();
        let own = page.origin();
        let says = |directive: D, address: &Address| {
            let said: Option<&Vec<Said>> = lists.get(&directive);
            said.is_none_or(|said| model::address_allowed(said, address, false))
        };

        let (result, _) = list.is_base_allowed_for_document(&Url::parse(&first.text()).unwrap(), &own);
        prop_assert_eq!(allowed(&result), says(D::BaseUri, &first), "{}", list);

        let mut form = request(Destination::Document, &first.text(), "", false, false);
        let kind = NavigationCheckType::FormSubmission;
        let (result, _) = list.should_navigation_request_be_blocked(&mut form, kind, |_| None);
        prop_assert_eq!(allowed(&result), says(D::FormAction, &first), "{}", list);

        // Every page up to the top has to be allowed; a browser compares their origins.
        let ancestors = [first, second].map(|address| Address { path: "/", ..address });
        let urls = ancestors.iter().map(|a| Url::parse(&a.text()).unwrap()).collect();
        let response = Response { url: page, redirect_count: 0 };
        let (result, _) =
            list.should_navigation_response_to_navigation_request_be_blocked(&response, &own, &urls);
        let model = ancestors.iter().all(|ancestor| says(D::FrameAncestors, ancestor));
        prop_assert_eq!(allowed(&result), model, "{}", list);
    }

    #[test]
    fn text_is_compiled_only_where_the_policy_says_so(lists in lists()) {
        let list = Answer::new(&lists, true).list;
        let decider = model::decider(&lists, &[D::ScriptSrc, D::DefaultSrc]);
        let model = decider.is_none_or(|(_, said)| said.contains(&Said::UnsafeEval));
        prop_assert_eq!(allowed(&list.is_js_evaluation_allowed("1").0), model);
        prop_assert_eq!(allowed(&list.is_wasm_evaluation_allowed().0), model);
    }
}

/// The model is not all there is: the promise of the presets, in words.
#[test]
fn the_presets_block_what_they_promise_to() {
    for preset in [sec_headers::Csp::web_app(), sec_headers::Csp::strict()] {
        let nonce = CspNonce::generate();
        let list = parsed(&header(&preset, Some(&nonce)));
        for (text, runs) in [
            (nonce.as_str(), true),
            (CspNonce::generate().as_str(), false),
            ("", false),
        ] {
            let element = Element {
                nonce: Some(Cow::Borrowed(text)),
            };
            let kind = InlineCheckType::Script;
            let (result, _) =
                list.should_elements_inline_type_behavior_be_blocked(&element, kind, "x()");
            assert_eq!(allowed(&result), runs);
        }
        for (destination, url, loads) in [
            (Destination::Script, "https://app.example/a.js", false),
            (Destination::Script, "data:text/javascript,x()", false),
            (Destination::Object, "https://app.example/a.swf", false),
            (Destination::IFrame, "https://app.example/", false),
            (Destination::Image, "https://app.example/a.png", true),
            (Destination::Image, "https://evil.test/a.png", false),
            (Destination::None, "https://app.example/api", true),
            (Destination::None, "https://evil.test/api", false),
        ] {
            let request = request(destination, url, "", false, true);
            let (result, _) = list.should_request_be_blocked(&request);
            assert_eq!(allowed(&result), loads, "{url}");
        }
        let (base, _) = list.is_base_allowed_for_document(
            &Url::parse(PAGE).unwrap(),
            &Url::parse(PAGE).unwrap().origin(),
        );
        assert!(!allowed(&base));
    }
}
