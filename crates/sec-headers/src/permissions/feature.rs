use crate::error::{FaultKind, PolicyError};

macro_rules! features {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A feature of the platform that a policy can grant or deny.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Feature {
            $(
                #[doc = concat!("`", $text, "`.")]
                $variant,
            )*
            /// Another one, see [`Feature::named`].
            Named(FeatureName),
        }

        impl Feature {
            /// Its key in the header.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Named(name) => &name.0,
                }
            }

            /// The feature of this name, known or not.
            ///
            /// # Errors
            ///
            /// [`FaultKind::Feature`] unless it is a lower-case dictionary key that begins with a
            /// letter: anything else would make browsers drop the whole header.
            pub fn named(name: &str) -> Result<Self, PolicyError> {
                match name {
                    $($text => Ok(Self::$variant),)*
                    other => other_feature(other),
                }
            }

            /// As a file says it: a name that is nearly a known one is a slip.
            pub(crate) fn written(name: &str) -> Result<Self, PolicyError> {
                let feature = Self::named(name)?;
                let known = [$($text),*];
                match known.iter().find(|known| is_slip(name, known)) {
                    Some(meant) => {
                        let why = format!("`{name}` is no known feature; did you mean `{meant}`?");
                        Err(PolicyError::one("", FaultKind::Feature, why))
                    }
                    None => Ok(feature),
                }
            }
        }
    };
}

features! {
    Accelerometer = "accelerometer",
    Autoplay = "autoplay",
    Bluetooth = "bluetooth",
    BrowsingTopics = "browsing-topics",
    Camera = "camera",
    ClipboardRead = "clipboard-read",
    ClipboardWrite = "clipboard-write",
    ComputePressure = "compute-pressure",
    CrossOriginIsolated = "cross-origin-isolated",
    DisplayCapture = "display-capture",
    EncryptedMedia = "encrypted-media",
    Fullscreen = "fullscreen",
    Gamepad = "gamepad",
    Geolocation = "geolocation",
    Gyroscope = "gyroscope",
    Hid = "hid",
    IdentityCredentialsGet = "identity-credentials-get",
    IdleDetection = "idle-detection",
    KeyboardMap = "keyboard-map",
    LocalFonts = "local-fonts",
    Magnetometer = "magnetometer",
    Microphone = "microphone",
    Midi = "midi",
    OtpCredentials = "otp-credentials",
    Payment = "payment",
    PictureInPicture = "picture-in-picture",
    PublickeyCredentialsCreate = "publickey-credentials-create",
    PublickeyCredentialsGet = "publickey-credentials-get",
    ScreenWakeLock = "screen-wake-lock",
    Serial = "serial",
    StorageAccess = "storage-access",
    SyncXhr = "sync-xhr",
    Unload = "unload",
    Usb = "usb",
    WebShare = "web-share",
    WindowManagement = "window-management",
    XrSpatialTracking = "xr-spatial-tracking",
}

/// A checked feature name, see [`Feature::named`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeatureName(Box<str>);

fn other_feature(name: &str) -> Result<Feature, PolicyError> {
    let mut bytes = name.bytes();
    let key = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if key {
        Ok(Feature::Named(FeatureName(name.into())))
    } else {
        let message = format!(
            "`{}` is no feature name: lower-case letters, digits and `-`",
            name.escape_debug()
        );
        Err(PolicyError::one("", FaultKind::Feature, message))
    }
}

/// Whether one letter too many, too few, another one, or two in the wrong order make one name the other.
fn is_slip(name: &str, known: &str) -> bool {
    let (name, known) = (name.as_bytes(), known.as_bytes());
    let same = |(a, b): &(&u8, &u8)| a == b;
    let before = name.iter().zip(known).take_while(same).count();
    let (name, known) = (
        name.get(before..).unwrap_or_default(),
        known.get(before..).unwrap_or_default(),
    );
    let ends = name.iter().rev().zip(known.iter().rev());
    let after = ends.take_while(same).count();
    let rest = |text: &[u8]| text.len().saturating_sub(after);
    match (name, known) {
        ([], []) => false,
        ([a, b, ..], [c, d, ..]) if (rest(name), rest(known)) == (2, 2) => a == d && b == c,
        _ => before > 2 && rest(name) <= 1 && rest(known) <= 1,
    }
}
