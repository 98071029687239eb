//! Sizes as options give them: `10G`, `1.5 MiB`.

/// Reads a size in bytes with an optional suffix, in powers of 1024 (Go: docker/go-units,
/// `RAMInBytes`).
///
/// ```
/// use layerhold_driver::parse_size;
///
/// assert_eq!(parse_size("10G"), Ok(10 << 30));
/// assert_eq!(parse_size("1.5 MiB"), Ok(3 << 19));
/// assert_eq!(parse_size("0"), Ok(0));
/// assert_eq!(parse_size("x").map_err(|e| e.to_string()), Err("invalid size: 'x'".into()));
/// assert_eq!(parse_size("1Q").map_err(|e| e.to_string()), Err("invalid suffix: 'q'".into()));
/// ```
///
/// # Errors
///
/// [`InvalidSize`], worded as in Go.
pub fn parse_size(text: &str) -> Result<u64, InvalidSize> {
    let invalid = || InvalidSize::Size(text.to_owned());
    let last = text
        .rfind(|letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ' '))
        .ok_or_else(invalid)?;
    let (number, suffix) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let size: f64 = number
        .parse()
        .map_err(|_| InvalidSize::Number(number.to_owned()))?;
    if size < 0.0 || !size.is_finite() {
        return Err(invalid());
    }
    let size = size * factor(suffix)?;
    // Larger than all disks together; Go wraps around.
    if size >= 2_f64.powi(63) {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, below 2^63; fractions of bytes are dropped"
    )]
    Ok(size as u64)
}

fn factor(suffix: &str) -> Result<f64, InvalidSize> {
    let suffix_lower = suffix.to_lowercase();
    let bad = || {
        InvalidSize::Suffix(
            if suffix.len() > 3 {
                suffix
            } else {
                &suffix_lower
            }
            .to_owned(),
        )
    };
    let Some(unit) = suffix_lower.chars().next() else {
        return Ok(1.0);
    };
    let rest = suffix_lower.get(unit.len_utf8()..).unwrap_or_default();
    let power = match unit {
        'b' if rest.is_empty() => return Ok(1.0),
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        _ => return Err(bad()),
    };
    if !matches!(rest, "" | "b" | "ib") {
        return Err(bad());
    }
    Ok(1024_f64.powi(power))
}

/// A text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSize {
    /// There is no number in it, or no possible one.
    #[error("invalid size: '{0}'")]
    Size(String),
    /// What should be the number is none.
    #[error("strconv.ParseFloat: parsing {0:?}: invalid syntax")]
    Number(String),
    /// What follows the number is no unit.
    #[error("invalid suffix: '{0}'")]
    Suffix(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_go_reads_them() {
        let cases: [(&str, Result<u64, &str>); 22] = [
            ("32", Ok(32)),
            ("32b", Ok(32)),
            ("32B", Ok(32)),
            ("32k", Ok(32 << 10)),
            ("32K", Ok(32 << 10)),
            ("32kb", Ok(32 << 10)),
            ("32Kib", Ok(32 << 10)),
            ("32Mb", Ok(32 << 20)),
            ("32Gb", Ok(32 << 30)),
            ("32Tb", Ok(32 << 40)),
            ("32Pb", Ok(32 << 50)),
            ("32.5kB", Ok(33_280)),
            ("32.5 kB", Ok(33_280)),
            ("0", Ok(0)),
            ("", Err("invalid size: ''")),
            ("hello", Err("invalid size: 'hello'")),
            ("-32", Err("invalid size: '-32'")),
            (
                " 32 ",
                Err("strconv.ParseFloat: parsing \" 32\": invalid syntax"),
            ),
            ("32bb", Err("invalid suffix: 'bb'")),
            (
                "32m b",
                Err("strconv.ParseFloat: parsing \"32m\": invalid syntax"),
            ),
            ("32kibb", Err("invalid suffix: 'kibb'")),
            ("99999999P", Err("invalid size: '99999999P'")),
        ];
        for (text, expected) in cases {
            let actual = parse_size(text).map_err(|error| error.to_string());
            assert_eq!(actual, expected.map_err(str::to_owned), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String) {
            drop(parse_size(&text));
        }
    }
}
