//! Texts of servers, made fit to print.

/// Returns a text of a server without control characters, cut to `limit` characters.
///
/// Bidirectional controls are removed too, because they change how the text around them looks.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut printed = String::new();
    let mut shown = text
        .trim()
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !is_format(*c));
    printed.extend(shown.by_ref().take(limit));
    if shown.next().is_some() {
        printed.push('…');
    }
    printed
}

/// Characters that are not seen and change how others are.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_obey_is_removed() {
        for (text, expected) in [
            ("plain", "plain"),
            (" a\r\n\tb ", "a   b"),
            ("\x1b[31mred\x07", "[31mred"),
            ("a\u{202e}b\u{feff}", "ab"),
            ("0123456789a", "0123456789…"),
            ("0123456789", "0123456789"),
            ("äöü", "äöü"),
        ] {
            assert_eq!(printable(text, 10), expected, "{text:?}");
        }
    }
}
