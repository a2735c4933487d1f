//! The keyed hash under which keys are kept: SipHash-1-3 with 128 bits, over length-delimited parts
//! (Aumasson and Bernstein, 2012; with one and three rounds as the hash tables of Rust's standard
//! library, Python and Ruby have it).
//!
//! A [quick](Seed::quick) seed hashes a key of one word (an address of IPv4) by a keyed permutation of that
//! word instead, in a quarter of the time: two such keys never have one digest, and where they are kept
//! cannot be foretold without the seed. It does not hide the word from whoever sees many digests, so
//! none ever leaves the process.
//!
//! Digests keep the text of a key (an API key, an address, an account) out of the table, and the
//! secret seed keeps a client from choosing keys that meet in one slot. The seed is random per
//! limiter and never leaves it.

use std::fmt;

/// Which key a state belongs to.
pub(crate) type Digest = [u64; 2];

/// One number for a digest, in which neither half can be told.
#[inline]
pub(crate) fn id([low, high]: Digest) -> u64 {
    // Those of one word have equal halves.
    if low == high {
        low
    } else {
        low ^ high.rotate_left(32)
    }
}

/// A part that is its kind and fewer than 56 bits, as a word.
#[inline]
pub(crate) fn head(kind: u8, value: u64) -> u64 {
    value | u64::from(kind).wrapping_shl(56)
}

/// The secret of the hash.
#[derive(Clone, Copy)]
pub(crate) struct Seed(u64, u64, Mode);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Full,
    Quick,
}

impl Seed {
    pub(crate) fn random() -> Self {
        Self(rand::random(), rand::random(), Mode::Full)
    }

    /// For digests that never leave the process.
    pub(crate) fn quick() -> Self {
        Self(rand::random(), rand::random(), Mode::Quick)
    }

    /// What the [number](id) of a digest may be shown as: neither the key nor where it is kept can be told
    /// from it, and the same number always looks the same.
    pub(crate) fn veil(self, id: u64) -> u64 {
        let mut hasher = Self(!self.0, self.1, Mode::Full).hasher();
        hasher.words([id]);
        let [low, high] = hasher.finish();
        low ^ high
    }

    /// A seed that all who know the secret share.
    #[cfg(feature = "shared")]
    pub(crate) fn of_secret(secret: &[u8]) -> Self {
        Self::derived(secret, &[b"sec-ratelimit v1: keys of a shared store"])
    }

    /// The same for a list of blocks: one key has different digests in two lists.
    #[cfg(feature = "shared")]
    pub(crate) fn of_list(secret: &[u8], list: &str) -> Self {
        Self::derived(secret, &[b"sec-ratelimit v1: blocks of ", list.as_bytes()])
    }

    #[cfg(feature = "shared")]
    fn derived(secret: &[u8], purpose: &[&[u8]]) -> Self {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let mut context = aws_lc_rs::hmac::Context::with_key(&key);
        purpose.iter().for_each(|part| context.update(part));
        let tag = context.sign();
        let mut words = tag.as_ref().as_chunks::<8>().0.iter();
        let mut word = || u64::from_le_bytes(words.next().copied().unwrap_or_default());
        Self(word(), word(), Mode::Full)
    }

    #[cfg(test)]
    pub(crate) fn fixed(seed: u64) -> Self {
        Self(seed, !seed, Mode::Full)
    }

    #[inline]
    pub(crate) fn hasher(self) -> KeyHasher {
        KeyHasher {
            v: [
                self.0 ^ 0x736f_6d65_7073_6575,
                self.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                self.0 ^ 0x6c79_6765_6e65_7261,
                self.1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            filled: 0,
            length: 0,
        }
    }

    /// The digest of a key that is this one word, if the seed is quick.
    #[inline]
    pub(crate) fn of_word(&self, word: u64) -> Option<Digest> {
        (self.2 == Mode::Quick).then(|| [self.permute(word); 2])
    }

    /// A permutation of the words: Even and Mansour's, with the two rounds of the mixer "moremur"
    /// (Evensen, 2019).
    #[inline]
    fn permute(&self, word: u64) -> u64 {
        let mut x = word ^ self.0;
        x = (x ^ (x >> 27)).wrapping_mul(0x3c79_ac49_2ba7_b653);
        x = (x ^ (x >> 33) ^ self.1).wrapping_mul(0x1c69_b3f7_4ac4_ae35);
        x ^ (x >> 27)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed([redacted])")
    }
}

/// Hashes the parts of one key.
#[derive(Clone)]
pub(crate) struct KeyHasher {
    v: [u64; 4],
    /// Bytes that do not fill a word yet, lowest first.
    tail: u64,
    filled: u32,
    length: u64,
}

impl KeyHasher {
    /// Adds one part. Its kind and length go first, so that `("ab", "c")` and `("a", "bc")`, or an
    /// address and a text that spells it, are different keys.
    #[inline]
    pub(crate) fn part(&mut self, kind: u8, bytes: &[u8]) {
        self.head(kind, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.write(bytes);
        // The length says how much of the last word is meant.
        let rest = bytes.len() % 8;
        if rest > 0 {
            self.write([0; 8].get(rest..).unwrap_or_default());
        }
    }

    /// Adds one part that is its kind and fewer than 56 bits.
    #[inline]
    pub(crate) fn head(&mut self, kind: u8, value: u64) {
        self.words([head(kind, value)]);
    }

    /// Adds whole words: the fast way as long as nothing else was written.
    #[inline]
    pub(crate) fn words<const N: usize>(&mut self, words: [u64; N]) {
        for word in words {
            if self.filled == 0 {
                self.length = self.length.wrapping_add(8);
                self.word(word);
            } else {
                self.write(&word.to_le_bytes());
            }
        }
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.length = self
            .length
            .wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let mut rest = bytes;
        while self.filled > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                return;
            };
            self.push(byte);
            rest = after;
        }
        let (words, tail) = rest.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for &byte in tail {
            self.push(byte);
        }
    }

    #[inline]
    pub(crate) fn finish(mut self) -> Digest {
        let word = self.tail | self.length.wrapping_shl(56);
        self.word(word);
        let [_, _, v2, _] = &mut self.v;
        *v2 ^= 0xee;
        let low = self.squeeze();
        let [_, v1, _, _] = &mut self.v;
        *v1 ^= 0xdd;
        [low, self.squeeze()]
    }

    fn push(&mut self, byte: u8) {
        self.tail |= u64::from(byte).wrapping_shl(self.filled.wrapping_mul(8));
        self.filled = self.filled.wrapping_add(1);
        if self.filled == 8 {
            let word = self.tail;
            (self.tail, self.filled) = (0, 0);
            self.word(word);
        }
    }

    #[inline]
    fn word(&mut self, word: u64) {
        let [_, _, _, v3] = &mut self.v;
        *v3 ^= word;
        self.rounds(1);
        let [v0, _, _, _] = &mut self.v;
        *v0 ^= word;
    }

    #[inline]
    fn squeeze(&mut self) -> u64 {
        self.rounds(3);
        self.v.iter().fold(0, |all, v| all ^ v)
    }

    #[inline]
    fn rounds(&mut self, n: u32) {
        let [mut v0, mut v1, mut v2, mut v3] = self.v;
        for _ in 0..n {
            v0 = v0.wrapping_add(v1);
            v1 = v1.rotate_left(13) ^ v0;
            v0 = v0.rotate_left(32);
            v2 = v2.wrapping_add(v3);
            v3 = v3.rotate_left(16) ^ v2;
            v0 = v0.wrapping_add(v3);
            v3 = v3.rotate_left(21) ^ v0;
            v2 = v2.wrapping_add(v1);
            v1 = v1.rotate_left(17) ^ v2;
            v2 = v2.rotate_left(32);
        }
        self.v = [v0, v1, v2, v3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: Seed = Seed(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, Mode::Full);

    /// The same hash by somebody else: the crate `siphasher`.
    #[test]
    fn agrees_with_another_implementation_however_the_input_is_cut() {
        use std::hash::Hasher as _;
        let input: Vec<u8> = (0..if cfg!(miri) { 20 } else { 64 }).collect();
        for length in 0..input.len() {
            let Seed(k0, k1, _) = REFERENCE;
            let mut theirs = siphasher::sip128::SipHasher13::new_with_keys(k0, k1);
            theirs.write(&input[..length]);
            let theirs = siphasher::sip128::Hasher128::finish128(&theirs);
            for split in 0..=length {
                let mut ours = REFERENCE.hasher();
                ours.write(&input[..split]);
                ours.write(&input[split..length]);
                assert_eq!(ours.finish(), [theirs.h1, theirs.h2], "{length} at {split}");
            }
        }
    }

    /// Whole words are their bytes, at any place.
    #[test]
    fn words_are_their_bytes() {
        let input: Vec<u8> = (0..24).collect();
        let words = |at: usize| {
            let word =
                |from: usize| u64::from_le_bytes(std::array::from_fn(|n| input[at + from + n]));
            [word(0), word(8)]
        };
        for at in 0..8 {
            let (mut one, mut other) = (REFERENCE.hasher(), REFERENCE.hasher());
            one.write(&input[..at]);
            one.words(words(at));
            other.write(&input[..at + 16]);
            assert_eq!(one.finish(), other.finish(), "{at}");
        }
    }

    #[test]
    fn parts_are_length_delimited_and_kinds_differ() {
        let digest = |parts: &[(u8, &[u8])]| {
            let mut hasher = REFERENCE.hasher();
            for (kind, bytes) in parts {
                hasher.part(*kind, bytes);
            }
            hasher.finish()
        };
        assert_ne!(
            digest(&[(1, b"ab"), (1, b"c")]),
            digest(&[(1, b"a"), (1, b"bc")])
        );
        // A text that spells the border between two parts.
        assert_ne!(digest(&[(1, b"a\x01b")]), digest(&[(1, b"a"), (1, b"b")]));
        assert_ne!(digest(&[(1, b"ab")]), digest(&[(2, b"ab")]));
        assert_ne!(digest(&[(1, b"")]), digest(&[]));
    }

    /// Whoever is counted by one word shares it with nobody, and neighbours are spread over the table.
    #[test]
    fn quick_digests_of_one_word_are_a_permutation_and_spread() {
        let seed = Seed(1, 2, Mode::Quick);
        let digest = |word: u64| seed.of_word(word).unwrap()[0];
        // Every address of a /16: 65,536 keys into 4,096 places, 16 each on average. Of a /22 under Miri.
        let bits = if cfg!(miri) { 6 } else { 12 };
        let mut places = vec![0_u32; 1 << bits];
        let mut seen = std::collections::HashSet::new();
        for n in 0..16 << bits {
            let digest = digest((0x0a00_0000 + n) << 8 | 32);
            assert!(seen.insert(digest));
            places[usize::try_from(digest >> (64 - bits)).unwrap()] += 1;
        }
        // Of a Poisson distribution with mean 16 a place above 48 has a chance of 10^-10.
        assert!(places.iter().all(|count| *count < 48));
        let chi: f64 = places
            .iter()
            .map(|n| (f64::from(*n) - 16.0).powi(2) / 16.0)
            .sum();
        // Of 4095 degrees of freedom five standard deviations of 90.
        let freedom = f64::from((1 << bits) - 1);
        assert!(
            (chi - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(),
            "{chi}"
        );
        // One bit of the key changes half of the digest's.
        let keys = if cfg!(miri) { 16 } else { 256 };
        for bit in 0..56 {
            let flips: u32 = (0..keys)
                .map(|n| (digest(n) ^ digest(n ^ (1 << bit))).count_ones())
                .sum();
            let mean = f64::from(flips) / keys as f64;
            assert!((26.0..38.0).contains(&mean), "{bit}: {mean}");
        }
        assert_eq!(Seed(1, 2, Mode::Full).of_word(7), None);
    }

    #[test]
    fn the_seed_is_random_and_never_shown() {
        let (one, other) = (Seed::random(), Seed::random());
        assert_ne!(one.hasher().finish(), other.hasher().finish());
        assert_eq!(format!("{one:?}"), "Seed([redacted])");
    }
}
