use std::str::FromStr;

use super::CacheControl;
use crate::error::{FaultKind, PolicyError};

impl FromStr for CacheControl {
    type Err = PolicyError;

    /// Reads the header's value: directives in any order and case, each once. Nothing is skipped,
    /// as a cache would do: what is not known here is an error.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text.trim().to_ascii_lowercase().as_str() {
            "immutable" => return Ok(Self::immutable_assets()),
            "images" => return Ok(Self::images()),
            _ => {}
        }
        let mut value = Self::EMPTY;
        for member in text.split(',').map(str::trim) {
            let wrong = |why: &str| {
                let message = format!("`{}` {why}", member.escape_debug());
                PolicyError::one("", FaultKind::Setting, message)
            };
            let known = match member.split_once('=') {
                None => value.flag(member),
                Some((name, seconds)) => value.seconds(name, seconds),
            };
            known.map_err(wrong)?;
        }
        value.header().map(|_| value)
    }
}

impl CacheControl {
    fn flag(&mut self, name: &str) -> Result<(), &'static str> {
        let flag = match name.to_ascii_lowercase().as_str() {
            "public" => &mut self.public,
            "private" => &mut self.private,
            "no-store" => &mut self.no_store,
            "no-cache" => &mut self.no_cache,
            "no-transform" => &mut self.no_transform,
            "must-revalidate" => &mut self.must_revalidate,
            "proxy-revalidate" => &mut self.proxy_revalidate,
            "immutable" => &mut self.immutable,
            "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error" => {
                return Err("needs a number of seconds, such as `max-age=60`");
            }
            _ => return Err("is no directive of Cache-Control that this crate knows"),
        };
        if *flag {
            return Err("stands twice");
        }
        *flag = true;
        Ok(())
    }

    fn seconds(&mut self, name: &str, text: &str) -> Result<(), &'static str> {
        let age = match name.to_ascii_lowercase().as_str() {
            "max-age" => &mut self.max_age,
            "s-maxage" => &mut self.s_maxage,
            "stale-while-revalidate" => &mut self.stale_while_revalidate,
            "stale-if-error" => &mut self.stale_if_error,
            _ => return Err("is no directive of Cache-Control that takes a value here"),
        };
        if age.is_some() {
            return Err("stands twice");
        }
        // Digits alone: a sign, a blank or quotes would be read differently by different caches.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| digits);
        *age = Some(seconds.ok_or("needs a whole number of seconds")?);
        Ok(())
    }
}
