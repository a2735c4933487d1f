use proptest::prelude::*;
use sec_core::Scheme;

use crate::csp::*;

proptest! {
    /// Whatever text is given, it is refused or stays one token of its own directive.
    #[test]
    fn no_text_gets_out_of_its_directive(texts in prop::collection::vec("\\PC{0,24}|[ -~]{0,24}", 1..4)) {
        let csp = Csp::empty().directive("img-src", &texts).frame_ancestors([Source::None]);
        if let Ok(template) = csp.template(Scheme::Https) {
            let header = template.render(None);
            let header = header.to_str().unwrap();
            let directives: Vec<&str> = header.split("; ").collect();
            prop_assert_eq!(directives.len(), 2);
            prop_assert_eq!(directives[1], "frame-ancestors 'none'");
            let mut wanted: Vec<&str> = Vec::new();
            let names = ["'none'", "'self'"];
            for text in &texts {
                let text = names.into_iter().find(|name| name.eq_ignore_ascii_case(text)).unwrap_or(text);
                if !wanted.contains(&text) {
                    wanted.push(text);
                }
            }
            let written: Vec<String> = directives[0].split(' ').skip(1).map(str::to_ascii_lowercase).collect();
            let wanted: Vec<String> = wanted.iter().map(|text| text.to_ascii_lowercase()).collect();
            prop_assert_eq!(written, wanted);
        }
    }

    #[test]
    fn reporting_names_and_addresses_stay_in_place(name in "[ -~]{0,12}", address in "[ -~]{0,16}") {
        let csp = Csp::api().report_to(name.clone()).report_uri(format!("/{address}"));
        if let Ok(template) = csp.template(Scheme::Https) {
            let header = template.render(None);
            let end = format!("; report-uri /{address}; report-to {name}");
            let header = header.to_str().unwrap();
            prop_assert!(header.ends_with(&end));
            prop_assert_eq!(header.matches(';').count(), 5);
            prop_assert!(!header.contains(','));
        }
    }
}
