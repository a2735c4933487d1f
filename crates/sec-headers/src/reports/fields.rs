//! From the JSON of one report to its fields: bounded, without control characters, and without what
//! may be secret in addresses. What is missing or of another type is empty.

use std::time::Duration;

use sec_core::text::log_safe;
use serde_json::Value;

use super::body::{
    Crash, CspHash, CspViolation, Deprecation, Disposition, DocumentViolation, EmbedderViolation,
    IntegrityViolation, Intervention, NetworkError, OpenerViolation, PermissionsViolation,
    SourceLocation,
};
use super::{Report, ReportKind, cut};

/// The page, in the two forms of CSP reports and in one that older browsers sent.
const DOCUMENT: [&str; 3] = ["documentURL", "document-uri", "documentURI"];

/// Reads with texts of so many characters.
pub(super) struct Reader {
    pub(super) text: usize,
}

impl Reader {
    /// One element of a Reporting API batch. `None` for what is no report.
    pub(super) fn element(&self, element: &Value) -> Option<Report> {
        let name = element.get("type")?.as_str()?;
        let body = Body {
            value: element.get("body").filter(|body| body.is_object()),
            reader: self,
        };
        let kind = match name {
            "csp-violation" => ReportKind::CspViolation(body.csp_violation()),
            "csp-hash" => ReportKind::CspHash(body.csp_hash()),
            "network-error" => ReportKind::NetworkError(body.network_error()),
            "deprecation" => ReportKind::Deprecation(body.deprecation()),
            "intervention" => ReportKind::Intervention(body.intervention()),
            "crash" => ReportKind::Crash(body.crash()),
            "coep" => ReportKind::Embedder(body.embedder()),
            "coop" => ReportKind::Opener(body.opener()),
            // What Chromium called it before Permissions Policy had its name.
            "permissions-policy-violation" | "feature-policy-violation" => {
                ReportKind::Permissions(body.permissions(false))
            }
            "potential-permissions-policy-violation" => {
                ReportKind::Permissions(body.permissions(true))
            }
            "document-policy-violation" => ReportKind::Document(body.document()),
            "integrity-violation" => ReportKind::Integrity(body.integrity()),
            other => ReportKind::Other(self.sentence(other)),
        };
        if body.value.is_none() && matches!(kind, ReportKind::CspViolation(_)) {
            return None;
        }
        let page = element.get("url").and_then(Value::as_str).unwrap_or("");
        let keys: &[&str] = match kind {
            // Beside the address that failed some browsers name the page that asked for it.
            ReportKind::NetworkError(_) => &["url"],
            _ => &DOCUMENT,
        };
        let document = match body.text(keys) {
            "" => page,
            document => document,
        };
        let age = element.get("age").and_then(Value::as_u64).unwrap_or(0);
        let agent = element.get("user_agent").and_then(Value::as_str);
        Some(Report {
            document: self.address(document),
            kind,
            age: Duration::from_millis(age),
            user_agent: self.clean(agent.unwrap_or("")),
        })
    }

    /// The body of `application/csp-report`.
    pub(super) fn single(&self, body: &Value) -> Report {
        let body = Body {
            value: Some(body),
            reader: self,
        };
        Report {
            document: self.address(body.text(&DOCUMENT)),
            kind: ReportKind::CspViolation(body.csp_violation()),
            age: Duration::ZERO,
            user_agent: String::new(),
        }
    }

    fn clean(&self, text: &str) -> String {
        log_safe(text.trim(), self.text).into_owned()
    }

    fn address(&self, text: &str) -> String {
        self.clean(&cut::address(text))
    }

    /// Words, in which addresses are cut as well.
    fn sentence(&self, text: &str) -> String {
        self.clean(&cut::sentence(text))
    }
}

#[derive(Clone, Copy)]
struct Body<'a> {
    value: Option<&'a Value>,
    reader: &'a Reader,
}

impl<'a> Body<'a> {
    fn find<T>(&self, keys: &[&str], read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value?;
        keys.iter().find_map(|key| read(value.get(key)?))
    }

    fn text(&self, keys: &[&str]) -> &'a str {
        self.find(keys, Value::as_str).unwrap_or("")
    }

    fn clean(&self, keys: &[&str]) -> String {
        self.reader.clean(self.text(keys))
    }

    fn sentence(&self, keys: &[&str]) -> String {
        self.reader.sentence(self.text(keys))
    }

    fn address(&self, keys: &[&str]) -> String {
        self.reader.address(self.text(keys))
    }

    /// The first of these that says anything.
    fn first_address(&self, keys: &[&str]) -> String {
        let found = keys
            .iter()
            .map(|key| self.text(&[key]))
            .find(|text| !text.is_empty());
        self.reader.address(found.unwrap_or(""))
    }

    fn number(&self, keys: &[&str]) -> u32 {
        let number = self.find(keys, Value::as_u64).unwrap_or(0);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn status(&self, keys: &[&str]) -> u16 {
        u16::try_from(self.number(keys)).unwrap_or(0)
    }

    fn flag(&self, keys: &[&str]) -> Option<bool> {
        self.find(keys, Value::as_bool)
    }

    /// HTML says `reporting` where the others say `report`.
    fn disposition(&self) -> Disposition {
        match self.text(&["disposition"]) {
            "report" | "reporting" => Disposition::Report,
            _ => Disposition::Enforce,
        }
    }

    fn location(&self) -> SourceLocation {
        SourceLocation {
            source: self.address(&["sourceFile", "source-file", "source_file"]),
            line: self.number(&["lineNumber", "line-number", "line_number"]),
            column: self.number(&["columnNumber", "column-number", "column_number"]),
        }
    }

    /// With the keys of either form.
    fn csp_violation(&self) -> CspViolation {
        // `violated-directive` held the directive's whole value in CSP 1.
        let directive = self.text(&[
            "effectiveDirective",
            "effective-directive",
            "violated-directive",
        ]);
        let directive = directive.split_ascii_whitespace().next().unwrap_or("");
        CspViolation {
            directive: self.reader.sentence(directive),
            blocked: self.address(&["blockedURL", "blocked-uri", "blockedURI"]),
            location: self.location(),
            disposition: self.disposition(),
            sample: self.clean(&["sample", "script-sample"]),
            status: self.status(&["statusCode", "status-code"]),
        }
    }

    fn csp_hash(&self) -> CspHash {
        CspHash {
            subresource: self.address(&["subresourceURL"]),
            hash: self.sentence(&["hash"]),
            destination: self.sentence(&["destination"]),
        }
    }

    fn network_error(&self) -> NetworkError {
        let fraction = self.find(&["sampling_fraction"], Value::as_f64);
        NetworkError {
            error: self.sentence(&["type"]),
            phase: self.sentence(&["phase"]),
            elapsed: Duration::from_millis(self.number(&["elapsed_time"]).into()),
            server_ip: self.text(&["server_ip"]).parse().ok(),
            protocol: self.sentence(&["protocol"]),
            method: self.sentence(&["method"]),
            status: self.status(&["status_code"]),
            sampling_fraction: fraction.filter(|f| (0.0..=1.0).contains(f)).unwrap_or(1.0),
            referrer: self.address(&["referrer"]),
        }
    }

    fn deprecation(&self) -> Deprecation {
        Deprecation {
            id: self.sentence(&["id"]),
            anticipated_removal: self.sentence(&["anticipatedRemoval"]),
            message: self.sentence(&["message"]),
            location: self.location(),
        }
    }

    fn intervention(&self) -> Intervention {
        Intervention {
            id: self.sentence(&["id"]),
            message: self.sentence(&["message"]),
            location: self.location(),
        }
    }

    fn crash(&self) -> Crash {
        Crash {
            reason: self.sentence(&["reason"]),
            top_level: self.flag(&["is_top_level"]),
            visibility: self.sentence(&["visibility_state"]),
        }
    }

    fn embedder(&self) -> EmbedderViolation {
        EmbedderViolation {
            cause: self.sentence(&["type"]),
            blocked: self.address(&["blockedURL", "blocked-url"]),
            destination: self.sentence(&["destination"]),
            disposition: self.disposition(),
        }
    }

    fn opener(&self) -> OpenerViolation {
        OpenerViolation {
            cause: self.sentence(&["type"]),
            effective_policy: self.sentence(&["effectivePolicy"]),
            other: self.first_address(&[
                "previousResponseURL",
                "nextResponseURL",
                "openerURL",
                "openeeURL",
                "otherDocumentURL",
                "initialPopupURL",
            ]),
            property: self.sentence(&["property"]),
            location: self.location(),
            disposition: self.disposition(),
        }
    }

    fn permissions(&self, potential: bool) -> PermissionsViolation {
        PermissionsViolation {
            feature: self.sentence(&["featureId", "policyId"]),
            potential,
            message: self.sentence(&["message"]),
            frame: self.address(&["srcAttribute"]),
            location: self.location(),
            disposition: self.disposition(),
        }
    }

    fn document(&self) -> DocumentViolation {
        DocumentViolation {
            feature: self.sentence(&["policyId", "featureId"]),
            message: self.sentence(&["message"]),
            location: self.location(),
            disposition: self.disposition(),
        }
    }

    fn integrity(&self) -> IntegrityViolation {
        let trial = self.flag(&["reportOnly"]) == Some(true);
        IntegrityViolation {
            blocked: self.address(&["blockedURL"]),
            destination: self.sentence(&["destination"]),
            disposition: if trial {
                Disposition::Report
            } else {
                Disposition::Enforce
            },
        }
    }
}
