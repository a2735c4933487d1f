mod feature;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use http::HeaderValue;
use sfv::{DictSerializer, token_ref};

pub use self::feature::{Feature, FeatureName};
use crate::Origin;
use crate::error::{Fault, FaultKind, PolicyError};
use crate::structured::{REPORT_TO, check_endpoint, key, string, written};

/// `Permissions-Policy` (W3C): which powerful features the page and its frames may use.
///
/// It is a structured-field dictionary (RFC 9651), in which one syntax error drops the whole header.
/// Keys are therefore checked, and values are always written as inner lists, which every browser
/// reads: `camera=()`, `geolocation=(self "https://maps.example")`.
///
/// ```
/// use sec_headers::{Feature, Grant, Origin, PermissionsPolicy};
///
/// let policy = PermissionsPolicy::deny_powerful().allow(
///     Feature::Geolocation,
///     [Grant::SelfOrigin, Grant::Origin(Origin::parse("https://maps.example")?)],
/// );
/// let header = policy.header()?.unwrap();
/// assert!(header.to_str().unwrap().contains(r#"geolocation=(self "https://maps.example")"#));
/// # Ok::<(), sec_headers::PolicyError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct PermissionsPolicy {
    grants: BTreeMap<Feature, Vec<Grant>>,
    endpoints: BTreeMap<Feature, String>,
    report_to: Option<String>,
}

impl PermissionsPolicy {
    /// Says nothing yet; browsers then keep each feature's own default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Denies the features by which a page could watch, locate or bill its user, or reach devices.
    ///
    /// Features that pages use without being aware of it (full screen, autoplay, clipboard, passkeys)
    /// keep the browser's default.
    pub fn deny_powerful() -> Self {
        POWERFUL.into_iter().fold(Self::new(), Self::deny)
    }

    /// Nobody may use it, this page included: `camera=()`.
    pub fn deny(mut self, feature: Feature) -> Self {
        self.grants.insert(feature, Vec::new());
        self
    }

    /// These may use it, nobody else. An empty list denies it.
    pub fn allow(mut self, feature: Feature, to: impl IntoIterator<Item = Grant>) -> Self {
        self.grants.insert(feature, to.into_iter().collect());
        self
    }

    /// Says nothing about it, so that the browser's default holds.
    pub fn without(mut self, feature: &Feature) -> Self {
        self.grants.remove(feature);
        self
    }

    /// Violations are reported to this endpoint of
    /// [`SecHeaders::endpoint`](crate::SecHeaders::endpoint), as far as
    /// [`report_feature_to`](Self::report_feature_to) names no other.
    pub fn report_to(mut self, endpoint: impl Into<String>) -> Self {
        self.report_to = Some(endpoint.into());
        self
    }

    /// Violations of this feature are reported to this endpoint.
    pub fn report_feature_to(mut self, feature: Feature, endpoint: impl Into<String>) -> Self {
        self.endpoints.insert(feature, endpoint.into());
        self
    }

    /// The header's value; `None` when nothing was said.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Endpoint`] when a name given to [`report_to`](Self::report_to) or
    /// [`report_feature_to`](Self::report_feature_to) is none, and [`FaultKind::Feature`] when a
    /// feature is reported of which the policy says nothing.
    pub fn header(&self) -> Result<Option<HeaderValue>, PolicyError> {
        self.endpoint_names().try_for_each(check_endpoint)?;
        if let Some(feature) = self
            .endpoints
            .keys()
            .find(|one| !self.grants.contains_key(one))
        {
            let message = "is reported, but the policy says nothing of it";
            return Err(PolicyError::one(
                feature.as_str(),
                FaultKind::Feature,
                message,
            ));
        }
        let mut dictionary = DictSerializer::new();
        for (feature, grants) in &self.grants {
            let mut list = dictionary.inner_list(key(feature.as_str())?);
            for grant in grants {
                _ = match grant {
                    Grant::SelfOrigin => list.bare_item(token_ref("self")),
                    Grant::Origin(origin) => list.bare_item(string(&origin.to_string())?),
                    Grant::Any => list.bare_item(token_ref("*")),
                };
            }
            let endpoint = self.endpoints.get(feature).or(self.report_to.as_ref());
            if let Some(endpoint) = endpoint {
                _ = list.finish().parameter(REPORT_TO, string(endpoint)?);
            }
        }
        written(dictionary.finish())
    }

    pub(crate) fn endpoint_names(&self) -> impl Iterator<Item = &str> {
        let all = self.report_to.iter().chain(self.endpoints.values());
        all.map(String::as_str)
    }

    /// Reads one feature of a configuration file: `camera = ["self", "https://a.example"]`.
    pub(crate) fn configure(self, feature: &str, grants: &[String]) -> Result<Self, PolicyError> {
        let mut faults = Vec::new();
        let mut list = Vec::with_capacity(grants.len());
        for grant in grants {
            match Grant::read(grant) {
                Ok(grant) => list.push(grant),
                Err(error) => faults.extend(error.into_faults()),
            }
        }
        let known = match Feature::written(feature) {
            Ok(known) => known,
            Err(error) => {
                faults.extend(error.into_faults());
                let faults = faults.into_iter().map(|fault| fault.within(feature));
                return PolicyError::unless_empty(faults.collect(), self);
            }
        };
        let faults: Vec<Fault> = faults
            .into_iter()
            .map(|fault| fault.within(feature))
            .collect();
        PolicyError::unless_empty(faults, self.allow(known, list))
    }
}

/// Who may use a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// `self`: this origin, and frames of it.
    SelfOrigin,
    /// One more origin. The frame's `allow` attribute must name the feature as well.
    Origin(Origin),
    /// `*`: everybody.
    Any,
}

impl Grant {
    fn read(text: &str) -> Result<Self, PolicyError> {
        match text {
            "self" => Ok(Self::SelfOrigin),
            "*" => Ok(Self::Any),
            "none" | "'none'" => Err(PolicyError::one(
                "",
                FaultKind::Feature,
                "an empty list denies a feature; 'none' would break the header",
            )),
            "'self'" => Err(PolicyError::one(
                "",
                FaultKind::Feature,
                "self has no quotes here",
            )),
            origin => Origin::parse(origin).map(Self::Origin),
        }
    }
}

/// What Chromium knows on every system and a page seldom needs. Names that a browser does not know
/// make it complain in the console of every page (`bluetooth` does so on Linux, `browsing-topics` since
/// its end), so the longer lists that circulate are not copied.
const POWERFUL: [Feature; 15] = [
    Feature::Accelerometer,
    Feature::Camera,
    Feature::DisplayCapture,
    Feature::Geolocation,
    Feature::Gyroscope,
    Feature::Hid,
    Feature::IdleDetection,
    Feature::LocalFonts,
    Feature::Magnetometer,
    Feature::Microphone,
    Feature::Midi,
    Feature::Payment,
    Feature::Serial,
    Feature::Usb,
    Feature::XrSpatialTracking,
];
