//! The script, its arguments and its answer.

use std::fmt::Write;
use std::sync::LazyLock;

use deadpool_redis::redis::{Cmd, Value, cmd};

use crate::Answer;
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

#[derive(Clone, Copy)]
pub(super) enum Operation<'a> {
    Peek,
    Take,
    Settle(&'a [Hold], Change),
}

/// Calls the script by its name, or brings it along.
pub(super) fn call(keys: &[String], ask: &Ask, operation: Operation<'_>, by_name: bool) -> Cmd {
    let mut call = if by_name {
        let mut call = cmd("EVALSHA");
        call.arg(&*NAME);
        call
    } else {
        let mut call = cmd("EVAL");
        call.arg(SCRIPT);
        call
    };
    call.arg(keys.len()).arg(keys);
    let (name, units, holds): (_, _, &[Hold]) = match operation {
        Operation::Peek => ("peek", ask.cost, &[]),
        Operation::Take => ("take", ask.cost, &[]),
        Operation::Settle(holds, Change::GiveBack(units)) => ("give", units, holds),
        Operation::Settle(holds, Change::TakeMore(units)) => ("more", units, holds),
    };
    call.arg(name).arg(units);
    for (index, tier) in ask.tiers.iter().enumerate() {
        let (kind, a, b) = match tier.rule {
            SharedRule::Fixed { limit, window } => ("f", limit, window),
            SharedRule::Gcra { interval, burst } => ("g", interval, burst),
            SharedRule::Exact { limit, window } => ("e", limit, window),
        };
        call.arg(kind).arg(a).arg(b).arg(u8::from(tier.demands));
        for number in holds.get(index).unwrap_or(&Hold::default()) {
            call.arg(*number);
        }
    }
    call
}

/// `prefix:v1:{limiter}:tier:digest`, or `prefix:v1:{limiter:digest}:tier:digest` when all tiers have
/// one subject. Redis Cluster places a key by what stands in the first braces, so all keys of one
/// decision are on one node.
pub(super) fn keys(prefix: &str, ask: &Ask) -> Vec<String> {
    let limiter = &ask.limiter;
    let tiers = ask.tiers.iter().map(|tier| {
        let mut key = format!("{prefix}:v1:{{{limiter}");
        if let Some([low, high]) = ask.subject {
            let _ = write!(key, ":{low:016x}{high:016x}");
        }
        let [low, high] = tier.digest;
        let _ = write!(key, "}}:{}:{low:016x}{high:016x}", tier.name);
        key
    });
    tiers.collect()
}

/// Eight integers per tier.
pub(super) fn read(answer: Value, tiers: usize) -> Result<Given, StoreError> {
    let wrong = || StoreError::Answer("not eight integers per tier".into());
    let Value::Array(values) = answer else {
        return Err(wrong());
    };
    let mut numbers = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Value::Int(number) => numbers.push(number),
            _ => return Err(wrong()),
        }
    }
    let (rows, []) = numbers.as_chunks::<8>() else {
        return Err(wrong());
    };
    if rows.len() != tiers {
        return Err(wrong());
    }
    let tier = |&[wait, remaining, reset, next, a, b, c, d]: &[i64; 8]| {
        let whole = |number: i64| u64::try_from(number).unwrap_or(0);
        TierGiven {
            answer: match wait {
                0 => Answer::Admit,
                ..0 => Answer::Never,
                1.. => Answer::Wait(whole(wait)),
            },
            remaining: whole(remaining),
            reset: whole(reset),
            next: whole(next),
            hold: [a, b, c, d].map(whole),
        }
    };
    Ok(Given {
        tiers: rows.iter().map(tier).collect(),
    })
}
