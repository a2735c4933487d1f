//! Whom a limit counts, given as plain values.

use std::net::IpAddr;

use sec_core::{AddrGrouping, AddrPrefix};

use crate::digest::{Digest, KeyHasher, Seed, head};

/// Whom one tier counts, put together from plain values.
///
/// ```
/// use std::net::IpAddr;
/// use sec_ratelimit::Subject;
///
/// let client: IpAddr = "2001:db8::7".parse()?;
/// let both = Subject::of(client).and("alice");
/// # let _ = both;
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// The parts are delimited by kind and length: an account named like an address is not that
/// address, and `("ab", "c")` is not `("a", "bc")`. Their text is hashed at once and never stored.
/// A subject made of the same parts as a [`Key`](crate::Key) takes from a request means the same
/// key.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    parts: [Option<SubjectPart<'a>>; MAX_PARTS],
    limit: Option<u64>,
    overfull: bool,
}

const MAX_PARTS: usize = 4;
/// The kind of an IPv4 network among the parts of a key.
const V4: u8 = 4;

/// One value of a [`Subject`]: made from text, bytes, a number or an address.
#[derive(Clone, Copy)]
pub struct SubjectPart<'a>(Part<'a>);

#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    Text(&'a [u8]),
    Number(u64),
    /// An IPv4 network: its first address, and the length of its prefix in the lowest byte.
    V4(u64),
    /// An IPv6 network: the length of its prefix, and its first address.
    V6(u64, u128),
    /// Several values of one source, hashed together.
    Several(Digest),
    /// There is no value; all that have none share this one.
    Absent,
}

impl<'a> Subject<'a> {
    /// How many parts a subject may have.
    pub const MAX_PARTS: usize = MAX_PARTS;

    /// A subject of one part.
    #[must_use]
    #[inline]
    pub fn of(part: impl Into<SubjectPart<'a>>) -> Self {
        Self {
            parts: [Some(part.into()), None, None, None],
            ..Self::everyone()
        }
    }

    /// The subject of a tier that counts everyone together: no parts.
    #[inline]
    #[must_use]
    pub const fn everyone() -> Self {
        Self {
            parts: [None; Self::MAX_PARTS],
            limit: None,
            overfull: false,
        }
    }

    /// Adds a part. More than [`MAX_PARTS`](Self::MAX_PARTS) make the subject unusable: the limiter
    /// answers [`SubjectError`].
    #[must_use]
    pub fn and(mut self, part: impl Into<SubjectPart<'a>>) -> Self {
        match self.parts.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(part.into()),
            None => self.overfull = true,
        }
        self
    }

    /// Sets this subject's own limit instead of the quota's, for callers with a plan or a role. 0 admits
    /// nothing, `u64::MAX` everything. An exact quota cannot grow: for it, larger limits, `u64::MAX` too,
    /// count and are told as the quota's own.
    #[must_use]
    pub const fn limited_to(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    #[inline]
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The address group, if the subject is one and nothing else.
    pub(crate) fn group(&self) -> Option<AddrPrefix> {
        let mut parts = self.parts.iter().flatten();
        match (parts.next(), parts.next()) {
            (Some(SubjectPart(part)), None) => part.group(),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn digest(&self, seed: &Seed) -> Result<Digest, SubjectError> {
        if let [Some(SubjectPart(part)), None, ..] = self.parts
            && let Some(digest) = part.alone(seed)
        {
            return Ok(digest);
        }
        self.digest_in_full(*seed)
    }

    fn digest_in_full(&self, seed: Seed) -> Result<Digest, SubjectError> {
        if self.overfull {
            return Err(SubjectError::TooManyParts);
        }
        let mut hasher = seed.hasher();
        for SubjectPart(part) in self.parts.iter().flatten() {
            part.feed(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

/// The subjects given do not fit the limiter. A fault of the calling code: nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// One subject per tier is needed, in the order of the tiers.
    #[error("the limiter has {tiers} tiers, but {given} subjects were given")]
    Count {
        /// How many tiers the limiter has.
        tiers: usize,
        /// How many subjects were given.
        given: usize,
    },
    /// No tier of the limiter has the name that was given.
    #[error("the limiter has no tier of this name")]
    NoSuchTier,
    /// A subject has more than [`Subject::MAX_PARTS`] parts.
    #[error("a subject has at most {} parts", Subject::MAX_PARTS)]
    TooManyParts,
    /// A shared limiter keeps all tiers of a subject at one place, because their keys are the same: made of the same
    /// parts of a request, or [given](crate::Key::given) under one label.
    #[error("the tiers of this limiter have one key, but different subjects were given")]
    Apart,
}

impl Part<'_> {
    /// The digest of a key that is this part and nothing else, where it is quickly known.
    #[inline]
    pub(crate) fn alone(self, seed: &Seed) -> Option<Digest> {
        match self {
            Self::V4(network) => seed.of_word(head(V4, network)),
            _ => None,
        }
    }

    /// All addresses are kept as words: what is copied byte by byte and read as words at once stalls.
    #[inline]
    pub(crate) fn of_group(group: AddrPrefix) -> Self {
        let bits = u64::from(group.bits());
        match group.network() {
            IpAddr::V4(address) => Self::V4(u64::from(address.to_bits()).wrapping_shl(8) | bits),
            IpAddr::V6(address) => Self::V6(bits, address.to_bits()),
        }
    }

    fn group(self) -> Option<AddrPrefix> {
        let (bits, network): (u8, IpAddr) = match self {
            Self::V4(network) => {
                let [.., a, b, c, d, bits] = network.to_be_bytes();
                (bits, [a, b, c, d].into())
            }
            Self::V6(bits, network) => (u8::try_from(bits).ok()?, network.to_be_bytes().into()),
            _ => return None,
        };
        // The other family's length is not used.
        let grouping = if network.is_ipv4() {
            AddrGrouping::new(bits, 64)
        } else {
            AddrGrouping::new(32, bits)
        };
        Some(grouping.ok()?.group(network))
    }

    /// The bytes here are part of the key's meaning: the same for a subject and for a `Key`.
    #[inline]
    pub(crate) fn feed(self, hasher: &mut KeyHasher) {
        match self {
            Self::Text(bytes) => hasher.part(1, bytes),
            Self::Number(number) => {
                hasher.head(2, 8);
                hasher.words([number]);
            }
            Self::V4(network) => hasher.head(V4, network),
            Self::V6(bits, network) => {
                hasher.head(6, bits);
                hasher.write(&network.to_be_bytes());
            }
            Self::Several(digest) => {
                hasher.head(3, 16);
                hasher.words(digest);
            }
            Self::Absent => hasher.head(0, 0),
        }
    }
}

impl std::fmt::Debug for SubjectPart<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A part may be a secret.
        f.write_str(match self.0 {
            Part::Text(_) => "text",
            Part::Number(_) => "number",
            Part::V4(_) | Part::V6(..) => "address group",
            Part::Several(_) => "several",
            Part::Absent => "absent",
        })
    }
}

impl<'a> From<&'a str> for SubjectPart<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self(Part::Text(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for SubjectPart<'a> {
    fn from(text: &'a String) -> Self {
        Self(Part::Text(text.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for SubjectPart<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Part::Text(bytes))
    }
}

impl From<u64> for SubjectPart<'_> {
    #[inline]
    fn from(number: u64) -> Self {
        Self(Part::Number(number))
    }
}

impl From<AddrPrefix> for SubjectPart<'_> {
    #[inline]
    fn from(group: AddrPrefix) -> Self {
        Self(Part::of_group(group))
    }
}

/// A single address is grouped as [`AddrGrouping`] does by default (IPv6 by /64), since one client
/// can pick its address within its network freely.
impl From<IpAddr> for SubjectPart<'_> {
    #[inline]
    fn from(address: IpAddr) -> Self {
        const WHOLE: u64 = 32;
        match address {
            IpAddr::V4(address) => Self(Part::V4(
                u64::from(address.to_bits()).wrapping_shl(8) | WHOLE,
            )),
            IpAddr::V6(_) => Self(Part::of_group(AddrGrouping::default().group(address))),
        }
    }
}

/// A value that may be missing; all that miss it share one key.
impl<'a, T: Into<Self>> From<Option<T>> for SubjectPart<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Part::Absent), Into::into)
    }
}
