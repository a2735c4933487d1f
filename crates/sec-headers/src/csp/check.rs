use super::{Csp, Directive, Source};
use crate::error::{Fault, FaultKind};
use crate::reporting::check_address;
use crate::structured::check_name;

impl Csp {
    /// Everything that is wrong with this policy by itself.
    pub(super) fn find_faults(&self) -> Vec<Fault> {
        let mut faults = self.faults.clone();
        for (directive, sources) in &self.lists {
            check_list(*directive, sources, &mut faults);
        }
        self.check_nonces(&mut faults);
        self.check_tokens(&mut faults);
        self.check_reports(&mut faults);
        if self.is_empty() && faults.is_empty() {
            faults.push(Fault::new("", FaultKind::Directive, "holds no directive"));
        }
        faults
    }

    fn is_empty(&self) -> bool {
        self.lists.is_empty()
            && self.sandbox.is_none()
            && self.trusted_types.is_none()
            && !self.require_trusted_types
            && !self.upgrade_insecure_requests
    }

    /// A nonce that another directive hides: pages would carry it and nothing would honour it.
    fn check_nonces(&self, faults: &mut Vec<Fault>) {
        let takes = |directive: &Directive| {
            let sources = self.lists.get(directive);
            sources.map(|sources| sources.contains(&Source::Nonce))
        };
        for directive in self.lists.keys().filter(|d| takes(d) == Some(true)) {
            // The directives that decide about elements, the first one there does (CSP 3, 6.8.3).
            let kinds = [SCRIPTS, STYLES];
            let asked = kinds.iter().filter(|kind| kind.contains(directive));
            let honoured = |kind: &&[Directive; 3]| kind.iter().find_map(takes) == Some(true);
            // In any other directive it is refused anyway.
            if asked.clone().next().is_some() && !asked.clone().any(|kind| honoured(&kind)) {
                faults.push(Fault::new(
                    directive.as_str(),
                    FaultKind::Directive,
                    "'nonce' has no effect: a directive without it decides about elements",
                ));
            }
        }
    }

    fn check_tokens(&self, faults: &mut Vec<Fault>) {
        let Some(types) = &self.trusted_types else {
            return;
        };
        if let Some(name) = types.wrong() {
            faults.push(Fault::new(
                "trusted-types",
                FaultKind::Directive,
                format!("`{}` is no policy name", name.escape_debug()),
            ));
        }
        if types.contradicts_itself() {
            faults.push(Fault::new(
                "trusted-types",
                FaultKind::NoneBesideOthers,
                "'none' stands beside names",
            ));
        }
    }

    fn check_reports(&self, faults: &mut Vec<Fault>) {
        if let Some(Err(why)) = self.report_to.as_deref().map(check_name) {
            faults.push(Fault::new("report-to", FaultKind::Endpoint, why));
        }
        for uri in &self.report_uri {
            if let Err(why) = check_address(uri) {
                faults.push(Fault::new("report-uri", FaultKind::Endpoint, why));
            }
        }
    }
}

const SCRIPTS: [Directive; 3] = [
    Directive::ScriptSrcElem,
    Directive::ScriptSrc,
    Directive::DefaultSrc,
];
const STYLES: [Directive; 3] = [
    Directive::StyleSrcElem,
    Directive::StyleSrc,
    Directive::DefaultSrc,
];

fn check_list(directive: Directive, sources: &[Source], faults: &mut Vec<Fault>) {
    let mut add =
        |kind, message: String| faults.push(Fault::new(directive.as_str(), kind, message));
    if sources.len() > 1 && sources.contains(&Source::None) {
        add(
            FaultKind::NoneBesideOthers,
            "'none' stands beside other sources".to_owned(),
        );
    }
    for source in sources {
        if let Some(why) = directive.refuses(source) {
            add(FaultKind::Directive, format!("{source} {why}"));
        }
    }
    let trusts = |source: &Source| matches!(source, Source::Nonce | Source::Hash(_));
    if sources.contains(&Source::StrictDynamic) && !sources.iter().any(trusts) {
        add(
            FaultKind::Directive,
            "'strict-dynamic' without a nonce or hash allows no script at all".to_owned(),
        );
    }
}
