//! `Link`: where the next page of a list is.

/// Returns the target of the link to the next page (RFC 8288), relative or absolute as it stands.
///
/// A link without `rel` counts as one to the next page, as in Go's library.
#[must_use]
pub fn next_page(value: &str) -> Option<&str> {
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (parameters, others) = split_outside_quotes(after, ',');
        if is_next(parameters) {
            return Some(target.trim());
        }
        rest = others;
    }
}

/// Whether the parameters of a link say that it leads to the next page.
fn is_next(parameters: &str) -> bool {
    let mut rest = parameters;
    while !rest.is_empty() {
        let (parameter, others) = split_outside_quotes(rest, ';');
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
        {
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            return relations.any(|relation| relation.eq_ignore_ascii_case("next"));
        }
        rest = others;
    }
    true
}

/// Splits at the first separator that is not inside quotes.
fn split_outside_quotes(text: &str, separator: char) -> (&str, &str) {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => {
                return (
                    text.get(..at).unwrap_or_default(),
                    text.get(at + c.len_utf8()..).unwrap_or_default(),
                );
            }
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (value, expected) in [
            (
                r#"</v2/a/tags/list?last=b&n=1>; rel="next""#,
                Some("/v2/a/tags/list?last=b&n=1"),
            ),
            ("<https://a/b>; rel=next", Some("https://a/b")),
            ("<?last=b>", Some("?last=b")),
            (
                r#"<p>; rel="prev", <n>; title="a,b;c"; rel="last next""#,
                Some("n"),
            ),
            (r#"<p>; title="\">,<x>"; rel=prev,<n>"#, Some("n")),
            (r#"<p>; rel="prev""#, None),
            ("< a >", Some("a")),
            ("<>", Some("")),
            ("<a", None),
            ("a", None),
            ("", None),
            (",,", None),
        ] {
            assert_eq!(next_page(value), expected, "{value}");
        }
    }
}
