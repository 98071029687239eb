//! SELinux labels in the text of mount options.

/// Appends the label to options, as its own kind of option; an empty label is none
/// (Go: opencontainers/selinux go-selinux/label, `FormatMountLabel`).
///
/// The label is quoted, because it contains commas. Characters that would end the quotes are
/// escaped as Go's `%q` does, so that no label adds options.
pub(crate) fn with_label(mut options: String, label: &str) -> String {
    if label.is_empty() {
        return options;
    }
    if !options.is_empty() {
        options.push(',');
    }
    options.push_str("context=");
    quote(label, &mut options);
    options
}

/// Quotes as Go does (strconv, `Quote`).
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\u{07}' => out.push_str("\\a"),
            '\u{08}' => out.push_str("\\b"),
            '\u{0c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0b}' => out.push_str("\\v"),
            '\0'..'\u{20}' | '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            // Controls, and characters that are invisible or look like a space.
            _ if letter.is_control() || letter.is_whitespace() && letter != ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(options: &str, label: &str, expected: &str) {
        assert_eq!(with_label(options.to_owned(), label), expected, "{label:?}");
    }

    #[test]
    fn labels_follow_the_other_options_in_quotes() {
        check("", "", "");
        check("a=b", "", "a=b");
        let label = "system_u:object_r:container_file_t:s0:c1,c2";
        check("", label, &format!("context=\"{label}\""));
        check(
            "lowerdir=/a:/b,ro",
            label,
            &format!("lowerdir=/a:/b,ro,context=\"{label}\""),
        );
    }

    /// What `fmt.Sprintf("%q")` of Go 1.24 gives.
    #[test]
    fn nothing_ends_the_quotes() {
        for (label, quoted) in [
            (r#"a",upperdir="/etc"#, r#""a\",upperdir=\"/etc""#),
            (r"a\", r#""a\\""#),
            ("a b'c`d", "\"a b'c`d\""),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\0\u{1}\u{1f}\u{7f}", r#""\x00\x01\x1f\x7f""#),
            ("é漢", "\"é漢\""),
            ("\u{85}\u{a0}\u{2028}", r#""\u0085\u00a0\u2028""#),
        ] {
            check("", label, &format!("context={quoted}"));
        }
    }
}
