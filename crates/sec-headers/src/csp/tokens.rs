use std::str::FromStr;

use crate::error::{FaultKind, PolicyError};

/// The names of `trusted-types`, unchecked until the policy is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrustedTypes(pub(super) Vec<String>);

impl TrustedTypes {
    /// The first name that is no `tt-policy-name` or keyword, if there is one.
    pub(super) fn wrong(&self) -> Option<&str> {
        self.0
            .iter()
            .map(String::as_str)
            .find(|name| !is_policy_name(name))
    }

    /// `'none'` beside names.
    pub(super) fn contradicts_itself(&self) -> bool {
        self.0.len() > 1 && self.0.iter().any(|name| name == "'none'")
    }
}

fn is_policy_name(name: &str) -> bool {
    matches!(name, "'allow-duplicates'" | "'none'" | "*")
        || (!name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-#=_/@.%".contains(&byte)))
}

macro_rules! sandbox_flags {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a `sandbox` directive still allows (HTML, section 7.6).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum SandboxFlag {
            $($(#[$doc])* $variant,)*
        }

        impl SandboxFlag {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the header.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

sandbox_flags! {
    /// Downloads.
    Downloads = "allow-downloads",
    /// Sending forms.
    Forms = "allow-forms",
    /// `alert` and its like.
    Modals = "allow-modals",
    /// Locking the screen's orientation.
    OrientationLock = "allow-orientation-lock",
    /// Locking the pointer.
    PointerLock = "allow-pointer-lock",
    /// Opening windows.
    Popups = "allow-popups",
    /// Opened windows are not sandboxed.
    PopupsToEscapeSandbox = "allow-popups-to-escape-sandbox",
    /// Presentations.
    Presentation = "allow-presentation",
    /// The page keeps its origin. Together with `Scripts` a framed page can undo its sandbox.
    SameOrigin = "allow-same-origin",
    /// Scripts.
    Scripts = "allow-scripts",
    /// Asking for storage access.
    StorageAccessByUserActivation = "allow-storage-access-by-user-activation",
    /// Navigating the top window.
    TopNavigation = "allow-top-navigation",
    /// Navigating the top window after the user has acted.
    TopNavigationByUserActivation = "allow-top-navigation-by-user-activation",
    /// Navigating the top window to other programs' schemes.
    TopNavigationToCustomProtocols = "allow-top-navigation-to-custom-protocols",
}

impl FromStr for SandboxFlag {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let known = Self::ALL
            .iter()
            .find(|flag| flag.as_str().eq_ignore_ascii_case(text));
        known.copied().ok_or_else(|| {
            let message = format!("`{}` is no sandbox flag of HTML", text.escape_debug());
            PolicyError::one("", FaultKind::Directive, message)
        })
    }
}
