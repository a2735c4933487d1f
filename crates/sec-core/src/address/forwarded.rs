//! The `Forwarded` header field (RFC 7239) and the nodes that it and `X-Forwarded-For` name.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one proxy said of the hop before it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) node: Option<Cow<'a, str>>,
    pub(super) proto: Option<Cow<'a, str>>,
    pub(super) host: Option<Cow<'a, str>>,
}

/// More hops than any real path has; beyond it the field is somebody's attempt to cost us time.
const MOST_ELEMENTS: usize = 32;

/// Parses one field line, left to right. `None` when it is malformed anywhere: half of a quoted list cannot be
/// told from the other half.
pub(super) fn parse(line: &str) -> Option<Vec<Element<'_>>> {
    let mut rest = Cursor(line);
    let mut elements = Vec::new();
    loop {
        let mut element = Element::default();
        loop {
            rest.skip_space();
            // RFC 9110 §5.6.1.2: empty list members are tolerated.
            if rest.0.is_empty() || rest.0.starts_with([',', ';']) {
                if !rest.eat(';') {
                    break;
                }
                continue;
            }
            let name = rest.token()?;
            if !rest.eat('=') {
                return None;
            }
            let value = rest.value()?;
            let slot = match name {
                _ if name.eq_ignore_ascii_case("for") => &mut element.node,
                _ if name.eq_ignore_ascii_case("proto") => &mut element.proto,
                _ if name.eq_ignore_ascii_case("host") => &mut element.host,
                _ => {
                    rest.skip_space();
                    continue;
                }
            };
            // RFC 7239 §4: each parameter at most once per element.
            if slot.replace(value).is_some() {
                return None;
            }
            rest.skip_space();
            if !rest.0.is_empty() && !rest.0.starts_with([',', ';']) {
                return None;
            }
        }
        if element != Element::default() {
            elements.push(element);
        }
        if rest.0.is_empty() {
            return (elements.len() <= MOST_ELEMENTS).then_some(elements);
        }
        if !rest.eat(',') || elements.len() > MOST_ELEMENTS {
            return None;
        }
    }
}

/// The address of a node: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`, and the bare
/// `2001:db8::1` that `X-Forwarded-For` has. Obfuscated nodes (`_hidden`), `unknown` and anything else have none.
pub(super) fn node_address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    if let Some(inner) = node.strip_prefix('[') {
        let (literal, port) = inner.split_once(']')?;
        let well_formed = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return well_formed
            .then(|| literal.parse::<Ipv6Addr>().ok())
            .flatten()
            .map(canonical);
    }
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = node.split_once(':')?;
    is_port(port)
        .then(|| address.parse::<Ipv4Addr>().ok())
        .flatten()
        .map(IpAddr::V4)
}

fn canonical(address: Ipv6Addr) -> IpAddr {
    IpAddr::V6(address).to_canonical()
}

/// A number, or RFC 7239's obfuscated port.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(obfuscated) => {
            !obfuscated.is_empty()
                && obfuscated
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        }
        None => port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// RFC 9110 §5.6.2.
    fn token(&mut self) -> Option<&'a str> {
        let end = self.0.find(|c| !is_token_char(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// A token, or a quoted string (RFC 9110 §5.6.4). Many proxies leave `host:port` and `[v6]` unquoted, which
    /// the grammar forbids; the characters are unambiguous and are taken.
    fn value(&mut self) -> Option<Cow<'a, str>> {
        if !self.eat('"') {
            let end = self
                .0
                .find(|c| !is_token_char(c) && !matches!(c, ':' | '[' | ']'));
            let (value, rest) = self.0.split_at_checked(end.unwrap_or(self.0.len()))?;
            self.0 = rest;
            return (!value.is_empty()).then_some(Cow::Borrowed(value));
        }
        let mut unescaped = String::new();
        let mut characters = self.0.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    let raw = self.0.get(..at)?;
                    self.0 = self.0.get(at.saturating_add(1)..)?;
                    return Some(if raw.contains('\\') {
                        Cow::Owned(unescaped)
                    } else {
                        Cow::Borrowed(raw)
                    });
                }
                '\\' => unescaped.push(characters.next()?.1),
                c => unescaped.push(c),
            }
        }
        None
    }
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            '!' | '#'
                | '$'
                | '%'
                | '&'
                | '\''
                | '*'
                | '+'
                | '-'
                | '.'
                | '^'
                | '_'
                | '`'
                | '|'
                | '~'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nodes(line: &str) -> Option<Vec<String>> {
        let elements = parse(line)?;
        Some(
            elements
                .into_iter()
                .map(|e| e.node.unwrap_or_default().into_owned())
                .collect(),
        )
    }

    #[test]
    fn the_examples_of_rfc_7239_are_read() {
        // RFC 7239 §4, §6.3 and §7.1.
        assert_eq!(nodes(r#"for="_gazonk""#).unwrap(), ["_gazonk"]);
        assert_eq!(
            nodes(r#"For="[2001:db8:cafe::17]:4711""#).unwrap(),
            ["[2001:db8:cafe::17]:4711"]
        );
        assert_eq!(
            parse("for=192.0.2.60;proto=http;by=203.0.113.43").unwrap(),
            [Element {
                node: Some("192.0.2.60".into()),
                proto: Some("http".into()),
                host: None
            }]
        );
        assert_eq!(
            nodes("for=192.0.2.43, for=198.51.100.17").unwrap(),
            ["192.0.2.43", "198.51.100.17"]
        );
        assert_eq!(
            nodes(r#"for=_hidden, for=_SEVKISEK"#).unwrap(),
            ["_hidden", "_SEVKISEK"]
        );
        assert_eq!(
            nodes(r#"for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown"#).unwrap(),
            ["192.0.2.43", "[2001:db8:cafe::17]", "unknown"]
        );
        assert_eq!(
            parse(r#"for=192.0.2.43;host="a\"b,c""#).unwrap()[0]
                .host
                .as_deref(),
            Some(r#"a"b,c"#)
        );
    }

    #[test]
    fn a_malformed_line_is_nothing() {
        for line in [
            "for",
            "for=",
            "=x",
            r#"for="unclosed"#,
            "for=a b",
            "for=a;for=b",
            "for=a proto=http",
            r#"for="a"b"#,
            "for==a",
            "for = a",
            r#"for="a\"#,
        ] {
            assert_eq!(parse(line), None, "{line:?}");
        }
        assert!(parse(&"for=1.1.1.1,".repeat(1000)).is_none());
        assert_eq!(nodes("for=a,,for=b;").unwrap(), ["a", "b"]);
        assert!(nodes("").unwrap().is_empty());
    }

    #[test]
    fn nodes_have_addresses_or_none() {
        for (node, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:80", Some("192.0.2.1")),
            (" 192.0.2.1 ", Some("192.0.2.1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("[2001:db8::1]:_port", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:9", Some("192.0.2.1")),
            ("_hidden", None),
            ("unknown", None),
            ("192.0.2.1:99999", None),
            ("192.0.2.1:", None),
            ("192.0.2", None),
            ("0x7f000001", None),
            ("127.1", None),
            ("010.0.0.1", None),
            ("[192.0.2.1]", None),
            ("[::1]x", None),
            ("fe80::1%eth0", None),
            ("", None),
        ] {
            assert_eq!(
                node_address(node),
                address.map(|a| a.parse().unwrap()),
                "{node:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in "[ -~]{0,80}") {
            let _ = parse(&line);
            let _ = node_address(&line);
        }

        #[test]
        fn what_a_proxy_writes_is_read_back(addresses in proptest::collection::vec(any::<IpAddr>(), 1..8)) {
            let line = addresses.iter().map(|address| match address {
                IpAddr::V4(v4) => format!("for={v4};proto=https"),
                IpAddr::V6(v6) => format!("proto=https;for=\"[{v6}]:443\""),
            }).collect::<Vec<_>>().join(", ");
            let read: Vec<_> = parse(&line).unwrap().iter()
                .map(|e| node_address(e.node.as_deref().unwrap()).unwrap()).collect();
            let canonical: Vec<_> = addresses.iter().map(IpAddr::to_canonical).collect();
            prop_assert_eq!(read, canonical);
        }
    }
}
