use std::fmt;

use super::Source;

/// A directive of a Content-Security-Policy whose value is a list of [`Source`]s.
///
/// The directives with another kind of value have methods of their own on [`Csp`](super::Csp).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Directive {
    /// What every fetch directive that is not there falls back to.
    DefaultSrc,
    /// Scripts, in elements and attributes.
    ScriptSrc,
    /// `<script>` elements.
    ScriptSrcElem,
    /// Event handler attributes.
    ScriptSrcAttr,
    /// Style sheets, in elements and attributes.
    StyleSrc,
    /// `<style>` and `<link rel="stylesheet">` elements.
    StyleSrcElem,
    /// `style` attributes.
    StyleSrcAttr,
    /// Images and icons.
    ImgSrc,
    /// Fonts.
    FontSrc,
    /// `fetch`, `XMLHttpRequest`, `WebSocket`, `EventSource`, beacons.
    ConnectSrc,
    /// Audio and video.
    MediaSrc,
    /// `<object>` and `<embed>`.
    ObjectSrc,
    /// What the page frames.
    FrameSrc,
    /// Frames and workers, where their own directives are not there.
    ChildSrc,
    /// Workers.
    WorkerSrc,
    /// The web application manifest.
    ManifestSrc,
    /// What `<base>` may say. Does not fall back to `default-src`.
    BaseUri,
    /// Where forms may be sent. Does not fall back to `default-src`.
    FormAction,
    /// Who may frame the page. Does not fall back to `default-src`.
    FrameAncestors,
}

impl Directive {
    /// All of them, in the order in which they are written.
    pub(crate) const ALL: [Self; 19] = [
        Self::DefaultSrc,
        Self::ScriptSrc,
        Self::ScriptSrcElem,
        Self::ScriptSrcAttr,
        Self::StyleSrc,
        Self::StyleSrcElem,
        Self::StyleSrcAttr,
        Self::ImgSrc,
        Self::FontSrc,
        Self::ConnectSrc,
        Self::MediaSrc,
        Self::ObjectSrc,
        Self::FrameSrc,
        Self::ChildSrc,
        Self::WorkerSrc,
        Self::ManifestSrc,
        Self::BaseUri,
        Self::FormAction,
        Self::FrameAncestors,
    ];

    /// Its name in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DefaultSrc => "default-src",
            Self::ScriptSrc => "script-src",
            Self::ScriptSrcElem => "script-src-elem",
            Self::ScriptSrcAttr => "script-src-attr",
            Self::StyleSrc => "style-src",
            Self::StyleSrcElem => "style-src-elem",
            Self::StyleSrcAttr => "style-src-attr",
            Self::ImgSrc => "img-src",
            Self::FontSrc => "font-src",
            Self::ConnectSrc => "connect-src",
            Self::MediaSrc => "media-src",
            Self::ObjectSrc => "object-src",
            Self::FrameSrc => "frame-src",
            Self::ChildSrc => "child-src",
            Self::WorkerSrc => "worker-src",
            Self::ManifestSrc => "manifest-src",
            Self::BaseUri => "base-uri",
            Self::FormAction => "form-action",
            Self::FrameAncestors => "frame-ancestors",
        }
    }

    /// The directive of this name, written in any case as browsers read it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|directive| directive.as_str().eq_ignore_ascii_case(name))
    }

    /// Why this source can have no effect here, if it cannot: better an error than a policy that
    /// silently says something else than it seems to.
    pub(super) fn refuses(self, source: &Source) -> Option<&'static str> {
        let script = matches!(
            self,
            Self::DefaultSrc | Self::ScriptSrc | Self::ScriptSrcElem | Self::ScriptSrcAttr
        );
        let style = matches!(
            self,
            Self::DefaultSrc | Self::StyleSrc | Self::StyleSrcElem | Self::StyleSrcAttr
        );
        let attribute = matches!(self, Self::ScriptSrcAttr | Self::StyleSrcAttr);
        let allowed = match source {
            Source::None | Source::SelfOrigin | Source::Scheme(_) | Source::Host(_) => true,
            Source::Nonce => (script || style) && !attribute,
            Source::Hash(_)
            | Source::UnsafeInline
            | Source::UnsafeHashes
            | Source::ReportSample => script || style,
            Source::StrictDynamic => script && !attribute,
            Source::UnsafeEval
            | Source::WasmUnsafeEval
            | Source::TrustedTypesEval
            | Source::InlineSpeculationRules => script,
        };
        (!allowed).then_some(match source {
            Source::Nonce | Source::StrictDynamic if attribute => {
                "has no effect on attributes: give a hash with 'unsafe-hashes', or use a listener"
            }
            Source::Nonce => "only means something for scripts and styles",
            _ => "has no effect in this directive",
        })
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
