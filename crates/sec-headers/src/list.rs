use http::{HeaderMap, HeaderName};

/// The members of a comma-separated header over all its lines (RFC 9110, section 5.6.1). Quotes are not
/// minded: a comma inside of them divides as well.
pub(crate) fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
