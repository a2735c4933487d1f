//! The one statement of a decision, its parameters and its answer.

use std::time::Instant;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::BytesMut;
use deadpool_postgres::tokio_postgres::Row;
use deadpool_postgres::tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::connections::{Parameters, short_of};
use crate::Answer;
use crate::digest::Digest;
use crate::shared::SharedRule;
use crate::shared::store::{Ask, Change, Given, Hold, StoreError, TierGiven};

/// What the statement's parameters are, in their order.
pub(super) const TYPES: &[Type] = &[
    Type::TEXT,
    Type::INT8,
    Type::INT4,
    Type::INT8_ARRAY,
    Type::UUID_ARRAY,
    Type::CHAR_ARRAY,
    Type::INT8_ARRAY,
    Type::INT8_ARRAY,
    Type::BOOL_ARRAY,
    Type::INT8_ARRAY,
];

pub(super) fn statement(schema: &str) -> String {
    format!("SELECT * FROM {schema}.decide_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
}

#[derive(Clone, Copy)]
pub(super) enum Operation<'a> {
    Peek,
    Take,
    Settle(&'a [Hold], Change),
    Reset,
}

/// A decision as the function's parameters.
pub(super) struct Call {
    operation: &'static str,
    units: i64,
    locks: Vec<i64>,
    keys: Vec<Key>,
    kinds: Vec<i8>,
    a: Vec<i64>,
    b: Vec<i64>,
    demands: Vec<bool>,
    holds: Vec<i64>,
}

/// What names a row. Of a counter: 128 bits of a hash over prefix, limiter, tier and the subject's digest.
/// Of a block: the digest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key([u8; 16]);

impl Call {
    pub(super) fn new(prefix: &str, ask: &Ask, operation: Operation<'_>) -> Self {
        let (name, units, holds): (_, _, &[Hold]) = match operation {
            Operation::Peek => ("peek", ask.cost, &[]),
            Operation::Take => ("take", ask.cost, &[]),
            Operation::Settle(holds, Change::GiveBack(units)) => ("give", units, holds),
            Operation::Settle(holds, Change::TakeMore(units)) => ("more", units, holds),
            Operation::Reset => ("reset", 0, &[]),
        };
        let tiers = ask.tiers.len();
        let mut call = Self {
            operation: name,
            units: whole(units),
            locks: Vec::with_capacity(tiers),
            keys: Vec::with_capacity(tiers),
            kinds: Vec::with_capacity(tiers),
            a: Vec::with_capacity(tiers),
            b: Vec::with_capacity(tiers),
            demands: Vec::with_capacity(tiers),
            holds: holds.iter().flatten().copied().map(whole).collect(),
        };
        for tier in &ask.tiers {
            let key = Key::new([prefix, &ask.limiter, &tier.name], tier.digest);
            let (kind, a, b) = match tier.rule {
                SharedRule::Fixed { limit, window } => (b'f', limit, window),
                SharedRule::Gcra { interval, burst } => (b'g', interval, burst),
                SharedRule::Exact { limit, window } => (b'e', limit, window),
                SharedRule::Sliding { limit, window } => (b's', limit, window),
                SharedRule::Bounded { limit, window } => (b'b', limit, window),
            };
            call.locks.push(key.lock());
            call.keys.push(key);
            call.kinds.push(kind.cast_signed());
            call.a.push(whole(a));
            call.b.push(whole(b));
            call.demands.push(tier.demands);
        }
        // Whoever locks in one order never waits in a circle.
        call.locks.sort_unstable();
        call.locks.dedup();
        call
    }

    pub(super) fn parameters(self, deadline: Instant) -> Parameters {
        vec![
            Box::new(self.operation),
            Box::new(self.units),
            Box::new(patience(deadline)),
            Box::new(self.locks),
            Box::new(self.keys),
            Box::new(self.kinds),
            Box::new(self.a),
            Box::new(self.b),
            Box::new(self.demands),
            Box::new(self.holds),
        ]
    }
}

/// For how long a statement waits for a lock, in whole milliseconds: three quarters of the time until the deadline, and at
/// least one; 0 would mean for ever.
pub(super) fn patience(deadline: Instant) -> i32 {
    let left = short_of(deadline, 2).saturating_duration_since(Instant::now());
    i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX)
}

/// Eight numbers per tier.
pub(super) fn read(
    rows: &[Row],
    operation: &Operation<'_>,
    tiers: usize,
) -> Result<Given, StoreError> {
    let wrong = || StoreError::Answer("not eight numbers per tier".into());
    let expected = match operation {
        Operation::Reset => 0,
        _ => tiers,
    };
    if rows.len() != expected {
        return Err(wrong());
    }
    let tier = |row: &Row| {
        let mut numbers = [0_i64; 8];
        for (index, number) in numbers.iter_mut().enumerate() {
            *number = row.try_get(index).map_err(|_| wrong())?;
        }
        let [wait, remaining, reset, next, a, b, c, d] = numbers;
        let natural = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(TierGiven {
            answer: match wait {
                0 => Answer::Admit,
                ..0 => Answer::Never,
                1.. => Answer::Wait(natural(wait)),
            },
            remaining: natural(remaining),
            reset: natural(reset),
            next: natural(next),
            hold: [a, b, c, d].map(natural),
        })
    };
    let tiers = rows.iter().map(tier).collect::<Result<_, StoreError>>()?;
    Ok(Given { tiers })
}

impl Key {
    pub(super) fn new(names: [&str; 3], digest: Digest) -> Self {
        let mut hash = Context::new(&SHA256);
        for name in names {
            // Its length first, so that no two rows of names are one text.
            hash.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(name.as_bytes());
        }
        for word in digest {
            hash.update(&word.to_be_bytes());
        }
        let hash = hash.finish();
        let first = hash.as_ref().first_chunk();
        Self(first.copied().unwrap_or_default())
    }

    pub(super) fn of([low, high]: Digest) -> Self {
        Self(((u128::from(low) << 64) | u128::from(high)).to_be_bytes())
    }

    pub(super) fn digest(self) -> Digest {
        let word = |bytes: Option<&[u8; 8]>| u64::from_be_bytes(bytes.copied().unwrap_or_default());
        [word(self.0.first_chunk()), word(self.0.last_chunk())]
    }

    /// The number of its advisory lock. Keys that share one wait for each other and are otherwise right.
    fn lock(self) -> i64 {
        let first = self.0.first_chunk();
        i64::from_be_bytes(first.copied().unwrap_or_default())
    }
}

impl ToSql for Key {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(type_: &Type) -> bool {
        *type_ == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Key {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(type_: &Type) -> bool {
        *type_ == Type::UUID
    }
}

/// All numbers of a limiter are below 2⁵³.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_of_names_are_one_key() {
        let names = [
            ["a", "b", "c"],
            ["ab", "", "c"],
            ["a", "bc", ""],
            ["", "ab", "c"],
            ["c", "b", "a"],
        ];
        let mut keys = Vec::new();
        for names in names {
            for digest in [[1, 2], [2, 1], [1, 3]] {
                let key = Key::new(names, digest);
                assert_eq!(key.0, Key::new(names, digest).0);
                assert!(!keys.contains(&key.0), "{names:?} {digest:?}");
                keys.push(key.0);
            }
        }
    }

    #[test]
    fn a_digest_comes_back_as_it_went() {
        for digest in [[0, 0], [1, u64::MAX], [u64::MAX, 7]] {
            assert_eq!(Key::of(digest).digest(), digest);
        }
    }

    #[test]
    fn nobody_waits_for_ever() {
        assert_eq!(patience(Instant::now()), 1);
    }
}
