//! Which server of a cluster has which key.

use std::fmt;

use deadpool_redis::redis::Value;

use crate::shared::redis::script::Place;

/// How many slots the keys are spread over.
pub(super) const SLOTS: usize = 16_384;

/// Host and port.
pub(super) type Address = (String, u16);

/// A row of slots, and who serves them, the master first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) servers: Vec<Address>,
}

/// The slot of all keys of this place: CRC-16/XMODEM of what stands in their braces, as the Redis
/// Cluster specification says.
pub(super) fn slot(place: Place<'_>) -> u16 {
    let mut crc = Crc16(0);
    let _ = place.tag(&mut crc);
    crc.0 & 0x3fff
}

/// The answer to `CLUSTER SLOTS`: `None` when it is not one. A server that does not know its own name
/// leaves it out: it is the one that was asked.
pub(super) fn read(answer: &Value, asked: &str) -> Option<Vec<Range>> {
    let Value::Array(rows) = answer else {
        return None;
    };
    rows.iter().map(|row| range(row, asked)).collect()
}

/// The address in a redirection; its host may be left out in the same way.
pub(super) fn address(text: &str, asked: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    named(host, asked, port.parse().ok()?)
}

fn range(row: &Value, asked: &str) -> Option<Range> {
    let Value::Array(row) = row else {
        return None;
    };
    let [Value::Int(first), Value::Int(last), servers @ ..] = &**row else {
        return None;
    };
    let first = u16::try_from(*first).ok()?;
    let last = u16::try_from(*last).ok()?;
    let servers: Vec<_> = servers
        .iter()
        .filter_map(|row| server(row, asked))
        .collect();
    (usize::from(last) < SLOTS && first <= last).then_some(Range {
        first,
        last,
        servers,
    })
}

fn server(row: &Value, asked: &str) -> Option<Address> {
    let Value::Array(row) = row else {
        return None;
    };
    let [host, Value::Int(port), ..] = &**row else {
        return None;
    };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        Value::Nil => "",
        _ => return None,
    };
    named(host, asked, u16::try_from(*port).ok()?)
}

fn named(host: &str, asked: &str, port: u16) -> Option<Address> {
    match host {
        // It has a name that it does not know yet.
        "?" => None,
        "" | "0.0.0.0" | "::" => Some((asked.into(), port)),
        host => Some((host.into(), port)),
    }
}

struct Crc16(u16);

impl fmt::Write for Crc16 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let [high, _] = self.0.to_be_bytes();
            let folded = TABLE.get(usize::from(high ^ byte)).copied();
            self.0 = self.0.wrapping_shl(8) ^ folded.unwrap_or_default();
        }
        Ok(())
    }
}

static TABLE: [u16; 256] = table();

#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which would say so"
)]
const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let mut crc = byte << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn row(first: i64, last: i64, servers: &[(Value, i64)]) -> Value {
        let server = |(host, port): &(Value, i64)| {
            Value::Array(vec![host.clone(), Value::Int(*port), bulk("an id")])
        };
        let mut row = vec![Value::Int(first), Value::Int(last)];
        row.extend(servers.iter().map(server));
        Value::Array(row)
    }

    /// The check value of CRC-16/XMODEM, which the specification gives as well.
    #[test]
    fn the_check_is_that_of_the_specification() {
        let mut crc = Crc16(0);
        crc.write_str("123456789").unwrap();
        assert_eq!(crc.0, 0x31c3);
    }

    #[test]
    fn slots_are_read_with_or_without_names() {
        let answer = Value::Array(vec![
            row(
                0,
                8191,
                &[(bulk("10.0.0.1"), 7000), (bulk("10.0.0.2"), 7001)],
            ),
            row(
                8192,
                16383,
                &[(bulk(""), 7002), (Value::Nil, 7003), (bulk("?"), 7004)],
            ),
        ]);
        let read = read(&answer, "asked").unwrap();
        assert_eq!(
            read[0].servers,
            [("10.0.0.1".into(), 7000), ("10.0.0.2".into(), 7001)]
        );
        assert_eq!(
            read[1].servers,
            [("asked".into(), 7002), ("asked".into(), 7003)]
        );
        assert_eq!((read[1].first, read[1].last), (8192, 16383));
    }

    #[test]
    fn nonsense_is_no_map() {
        for answer in [
            Value::Nil,
            bulk("no"),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![row(0, 16384, &[])]),
            Value::Array(vec![row(-1, 3, &[])]),
            Value::Array(vec![row(5, 3, &[])]),
        ] {
            assert_eq!(read(&answer, "asked"), None, "{answer:?}");
        }
    }

    #[test]
    fn redirections_are_read() {
        for (text, host, port) in [
            ("127.0.0.1:7001", "127.0.0.1", 7001),
            (":7001", "asked", 7001),
            ("::1:7001", "::1", 7001),
            ("[::1]:7001", "::1", 7001),
            ("redis.example:6379", "redis.example", 6379),
        ] {
            assert_eq!(address(text, "asked"), Some((host.into(), port)), "{text}");
        }
        for text in ["", "7001", "host:", "host:70000", "?:7001"] {
            assert_eq!(address(text, "asked"), None, "{text}");
        }
    }
}
