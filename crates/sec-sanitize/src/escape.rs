//! Escaping by context, for the places where a value meets a template.
//!
//! Each function returns a small wrapper that escapes while it is printed: nothing is allocated, and what
//! needs no escape is written in one piece. Which function fits is decided by where the value stands, not
//! by what it is. The contexts follow OWASP's *Cross Site Scripting Prevention Cheat Sheet*.
//!
//! ```
//! use sec_sanitize::escape;
//!
//! let name = r#"</script><img src=x onerror="alert(1)">"#;
//! assert_eq!(
//!     format!("<p title=\"{}\">", escape::html(name)),
//!     "<p title=\"&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;\">",
//! );
//! assert_eq!(escape::url_component("a b&c").to_string(), "a%20b%26c");
//! ```

use std::fmt::{self, Write};

use serde::Serialize;

/// Escapes for element content and for attribute values in single or double quotes.
///
/// An attribute value without quotes, an event handler, `style`, `href` and `src` are not covered by any
/// escape: do not put a foreign value there.
#[must_use]
pub fn html(text: &str) -> Html<'_> {
    Html(text)
}

/// Escapes for the inside of a JavaScript string literal in single, double or back quotes.
///
/// Everything but ASCII letters, digits, space and `_.-,` is written as an escape, so that the
/// result is also harmless to the HTML parser around it (`</script>`, `<!--`) and ends no line
/// (U+2028, U+2029).
#[must_use]
pub fn js_string(text: &str) -> JsString<'_> {
    JsString(text)
}

/// Writes a value as JSON for the inside of `<script type="application/json">` or a JavaScript expression.
///
/// `<`, `>`, `&`, U+2028 and U+2029 are written as `\u` escapes, which JSON reads as the same text.
/// serde_json itself leaves all five as they are. A value that cannot be serialised prints nothing and
/// reports [`fmt::Error`].
#[must_use]
pub fn json_script<T: Serialize>(value: &T) -> JsonScript<'_, T> {
    JsonScript(value)
}

/// Percent-encodes for one component of a URL: a path segment, a query name or value.
///
/// Only RFC 3986 "unreserved" characters stay.
#[must_use]
pub fn url_component(text: &str) -> UrlComponent<'_> {
    UrlComponent(text)
}

/// See [`html`].
#[derive(Clone, Copy, Debug)]
pub struct Html<'a>(&'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let special = |byte: &u8| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | 0);
        let mut rest = self.0;
        while let Some(at) = rest.as_bytes().iter().position(special) {
            let (plain, tail) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = tail.chars();
            f.write_str(match chars.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                _ => "\u{fffd}",
            })?;
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// See [`js_string`].
#[derive(Clone, Copy, Debug)]
pub struct JsString<'a>(&'a str);

impl fmt::Display for JsString<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut units = [0_u16; 2];
        for c in self.0.chars() {
            if c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-' | ',') {
                f.write_char(c)?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// See [`url_component`].
#[derive(Clone, Copy, Debug)]
pub struct UrlComponent<'a>(&'a str);

impl fmt::Display for UrlComponent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// See [`json_script`].
#[derive(Clone, Copy, Debug)]
pub struct JsonScript<'a, T>(&'a T);

impl<T: Serialize> fmt::Display for JsonScript<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut serializer = serde_json::Serializer::with_formatter(ToFormatter(f), ScriptSafe);
        self.0.serialize(&mut serializer).map_err(|_| fmt::Error)
    }
}

/// serde_json's strings with the characters escaped that end a script.
struct ScriptSafe;

impl serde_json::ser::Formatter for ScriptSafe {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some(at) = rest.find(special) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = tail.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// serde_json writes whole UTF-8 pieces; a formatter takes only strings.
struct ToFormatter<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl std::io::Write for ToFormatter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(std::io::Error::other)?;
        self.0.write_str(text).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn html_covers_content_and_both_quotes() {
        assert_eq!(html("plain").to_string(), "plain");
        assert_eq!(
            html("a<b>&\"'\0é").to_string(),
            "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}é"
        );
    }

    #[test]
    fn js_strings_end_neither_literal_nor_script_nor_line() {
        let text = "'\"`\\\n\r</script><!--\u{2028}${x}𝄞";
        let escaped = js_string(text).to_string();
        assert!(escaped.is_ascii());
        for c in ['\'', '"', '`', '<', '>', '$', '/', '\n', '\r', '&', '='] {
            assert!(!escaped.contains(c), "{c:?} in {escaped}");
        }
        let back: String = serde_json::from_str(&format!("\"{escaped}\"")).unwrap();
        assert_eq!(back, text);
    }

    /// serde_json leaves `</script>`, `<!--` and U+2028 as they are (RFC 8259 allows it).
    #[test]
    fn json_in_a_script_cannot_leave_it() {
        let value = json!({"</script>": "<!--<script>\u{2028}\u{2029}&\"\\", "n": [1, null, 0.5]});
        let escaped = json_script(&value).to_string();
        for text in ["<", ">", "&", "\u{2028}", "\u{2029}"] {
            assert!(!escaped.contains(text), "{text:?} in {escaped}");
        }
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
    }

    #[test]
    fn url_components_keep_unreserved_only() {
        assert_eq!(url_component("aZ9-._~").to_string(), "aZ9-._~");
        assert_eq!(
            url_component("/?#&=+% é").to_string(),
            "%2F%3F%23%26%3D%2B%25%20%C3%A9"
        );
    }
}
