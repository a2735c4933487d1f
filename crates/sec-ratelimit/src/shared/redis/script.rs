//! The script, its arguments and its answer.

use std::fmt::Write;
use std::sync::LazyLock;

use deadpool_redis::redis::{Cmd, Value};
use smallvec::SmallVec;

use super::exchange::Script;
use crate::Answer;
use crate::digest::Digest;
use crate::shared::SharedRule;
use crate::shared::store::{Ask, Change, Given, Hold, StoreError, TierGiven};

/// The one script: a decision or a settlement over all tiers.
const SCRIPT: &str = include_str!("decide.lua");

/// The name under which a server caches the script.
static NAME: LazyLock<String> = LazyLock::new(|| name_of(SCRIPT));

pub(super) fn name_of(script: &str) -> String {
    // SHA-1 because Redis names scripts so; nothing is protected by it.
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        script.as_bytes(),
    );
    let mut name = String::with_capacity(40);
    for byte in digest.as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// What belongs together: the keys of a decision, or those of a list of blocks.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Ask(&'a Ask),
    List(&'a str),
}

#[derive(Clone, Copy)]
pub(super) enum Operation<'a> {
    Peek,
    Take,
    Settle(&'a [Hold], Change),
}

/// Calls the script by its name, or brings it along.
pub(super) fn call(keys: &[String], ask: &Ask, operation: Operation<'_>, script: Script) -> Cmd {
    let (command, script): (_, &str) = match script {
        Script::Named => ("EVALSHA", &NAME),
        Script::Whole => ("EVAL", SCRIPT),
    };
    let asked = asked(ask, operation);
    // Once as long as it will be.
    let lengths = keys.iter().map(String::len);
    let rest = script.len().saturating_add(asked.len()).saturating_add(16);
    let length = lengths.fold(rest, usize::saturating_add);
    let mut call = Cmd::with_capacity(keys.len().saturating_add(4), length);
    call.arg(command).arg(script);
    call.arg(keys.len()).arg(keys).arg(asked.as_slice());
    call
}

/// What the script is asked: see its head.
fn asked(ask: &Ask, operation: Operation<'_>) -> SmallVec<[u8; 128]> {
    let mut asked = SmallVec::new();
    let (letter, units) = match operation {
        Operation::Peek => (b'p', ask.cost),
        Operation::Take => (b't', ask.cost),
        Operation::Settle(_, Change::GiveBack(units)) => (b'g', units),
        Operation::Settle(_, Change::TakeMore(units)) => (b'm', units),
    };
    asked.push(letter);
    asked.extend(double(units));
    for tier in &ask.tiers {
        let (letter, a, b) = match tier.rule {
            SharedRule::Fixed { limit, window } => (b'f', limit, window),
            SharedRule::Gcra { interval, burst } => (b'g', interval, burst),
            SharedRule::Exact { limit, window } => (b'e', limit, window),
            SharedRule::Sliding { limit, window } => (b's', limit, window),
            SharedRule::Bounded { limit, window } => (b'b', limit, window),
        };
        asked.extend([letter, u8::from(tier.demands)]);
        asked.extend([a, b].map(double).concat());
    }
    if let Operation::Settle(holds, Change::GiveBack(_)) = operation {
        for tier in 0..ask.tiers.len() {
            let hold = holds.get(tier).copied().unwrap_or_default();
            asked.extend(hold.map(double).concat());
        }
    }
    asked
}

/// What stays below 2^53 loses nothing.
fn double(number: u64) -> [u8; 8] {
    (number as f64).to_le_bytes()
}

/// `prefix:v1:{limiter}:tier:digest`, or `prefix:v1:{limiter:digest}:tier:digest` when all tiers have
/// one subject. Redis Cluster places a key by what stands in the first braces, so all keys of one
/// decision are on one node.
pub(super) fn keys(prefix: &str, ask: &Ask) -> Vec<String> {
    let tiers = ask.tiers.iter().map(|tier| {
        let names = [prefix, &ask.limiter, &tier.name].map(str::len);
        let length = names.into_iter().fold(80, usize::saturating_add);
        let mut key = String::with_capacity(length);
        key.push_str(prefix);
        key.push_str(":v1:{");
        let _ = Place::Ask(ask).tag(&mut key);
        key.push_str("}:");
        key.push_str(&tier.name);
        key.push(':');
        let _ = hex(tier.digest, &mut key);
        key
    });
    tiers.collect()
}

/// What stands in the braces.
impl Place<'_> {
    /// What stands in the braces of the keys.
    pub(super) fn tag(self, to: &mut impl Write) -> std::fmt::Result {
        match self {
            Self::Ask(ask) => tag(ask, to),
            Self::List(list) => to.write_str(list),
        }
    }
}

fn tag(ask: &Ask, to: &mut impl Write) -> std::fmt::Result {
    to.write_str(&ask.limiter)?;
    match ask.subject {
        Some(digest) => {
            to.write_char(':')?;
            hex(digest, to)
        }
        None => Ok(()),
    }
}

/// Thirty-two digits, without the detours that formatting takes.
fn hex([low, high]: Digest, to: &mut impl Write) -> std::fmt::Result {
    let mut text = [0; 32];
    let number = u128::from(low).wrapping_shl(64) | u128::from(high);
    for (digit, place) in text.iter_mut().zip((0..128).step_by(4).rev()) {
        let four = usize::try_from(number.wrapping_shr(place) & 0xf).unwrap_or_default();
        *digit = b"0123456789abcdef".get(four).copied().unwrap_or_default();
    }
    to.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

/// Eight doubles per tier, whole ones.
pub(super) fn read(answer: &Value, tiers: usize) -> Result<Given, StoreError> {
    let wrong = || StoreError::Answer("not eight whole numbers per tier".into());
    let Value::BulkString(bytes) = answer else {
        return Err(wrong());
    };
    let (numbers, []) = bytes.as_chunks::<8>() else {
        return Err(wrong());
    };
    let (rows, []) = numbers.as_chunks::<8>() else {
        return Err(wrong());
    };
    if rows.len() != tiers {
        return Err(wrong());
    }
    let tier = |row: &[[u8; 8]; 8]| {
        let [wait, remaining, reset, next, a, b, c, d] = row.map(f64::from_le_bytes);
        Some(TierGiven {
            answer: match wait {
                0.0 => Answer::Admit,
                -1.0 => Answer::Never,
                wait => Answer::Wait(whole(wait)?),
            },
            remaining: whole(remaining)?,
            reset: whole(reset)?,
            next: whole(next)?,
            hold: [whole(a)?, whole(b)?, whole(c)?, whole(d)?],
        })
    };
    let tiers = rows.iter().map(tier).collect::<Option<_>>();
    Ok(Given {
        tiers: tiers.ok_or_else(wrong)?,
    })
}

/// A number that a double holds exactly.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "neither can happen within the range"
)]
fn whole(number: f64) -> Option<u64> {
    const BEYOND: f64 = 9_007_199_254_740_992.0;
    (0.0..BEYOND).contains(&number).then_some(number as u64)
}
