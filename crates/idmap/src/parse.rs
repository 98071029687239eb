//! Parses map strings: one or more `container:host:size`.

use std::fmt;

use thiserror::Error;

use crate::{IdMap, IdRange};

/// A map string is malformed. The message is Go's (Go: pkg/idtools/parser.go).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct ParseMapError {
    /// The setting: `UID` or `GID`, or the name of the caller's option.
    pub setting: String,
    /// All strings of that setting.
    pub specs: Vec<String>,
}

impl fmt::Display for ParseMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = &self.setting;
        write!(
            f,
            "initializing ID mappings: {setting} setting is malformed expected [\"uint32:uint32:uint32\"]: ["
        )?;
        for (position, spec) in self.specs.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            write_quoted(f, spec)?;
        }
        f.write_str("]")
    }
}

/// Quotes text as Go's `%q` does.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\x07' => f.write_str("\\a")?,
            '\x08' => f.write_str("\\b")?,
            '\x0c' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\x0b' => f.write_str("\\v")?,
            ' '..='~' => write!(f, "{c}")?,
            '\0'..='\x7f' => write!(f, "\\x{:02x}", u32::from(c))?,
            _ if c.escape_debug().len() == 1 => write!(f, "{c}")?,
            '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => write!(f, "\\U{:08x}", u32::from(c))?,
        }
    }
    f.write_str("\"")
}

/// Parses map strings. Each has one or more `container:host:size` triples of 32-bit numbers, joined
/// by `:`; empty strings are skipped. `setting` is for error messages: an
/// [`IdKind`](crate::IdKind), or the name of the option, as Go's callers give it.
///
/// ```
/// use layerhold_idmap::{IdKind, IdRange, parse_map_strings};
///
/// let map = parse_map_strings(&["0:1000:1:1:100000:65536", ""], IdKind::Gid)?;
/// assert_eq!(map.ranges(), [IdRange::new(0, 1000, 1), IdRange::new(1, 100_000, 65536)]);
/// # Ok::<(), layerhold_idmap::ParseMapError>(())
/// ```
///
/// # Errors
///
/// Any malformed string refuses all of them, with Go's message.
pub fn parse_map_strings<S: AsRef<str>>(
    specs: impl AsRef<[S]>,
    setting: impl fmt::Display,
) -> Result<IdMap, ParseMapError> {
    let specs = specs.as_ref();
    let mut ranges = Vec::new();
    for spec in specs
        .iter()
        .map(AsRef::as_ref)
        .filter(|spec| !spec.is_empty())
    {
        parse_spec(spec, &mut ranges).ok_or_else(|| ParseMapError {
            setting: setting.to_string(),
            specs: specs.iter().map(|spec| spec.as_ref().to_owned()).collect(),
        })?;
    }
    Ok(IdMap::new(ranges))
}

fn parse_spec(spec: &str, ranges: &mut Vec<IdRange>) -> Option<()> {
    let mut parts = spec.split(':');
    while let Some(container) = parts.next() {
        let container = parse_number(container)?;
        let host = parse_number(parts.next()?)?;
        let size = parse_number(parts.next()?)?;
        ranges.push(IdRange::new(container, host, u64::from(size)));
    }
    Some(())
}

/// Parses decimal digits only: the standard library would also accept a sign, which Go does not.
fn parse_number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::IdKind;

    type Ranges = Vec<(u32, u32, u64)>;

    fn parse(specs: &[&str]) -> Option<Ranges> {
        let map = parse_map_strings(specs, IdKind::Uid).ok()?;
        let plain = |range: &IdRange| (range.container.get(), range.host.get(), range.size);
        Some(map.ranges().iter().map(plain).collect())
    }

    #[test]
    fn good() {
        let cases: [(&[&str], Ranges); 7] = [
            (&[], vec![]),
            (&["", ""], vec![]),
            (&["0:1000:1"], vec![(0, 1000, 1)]),
            (&["0:1000:1", "1:2:3"], vec![(0, 1000, 1), (1, 2, 3)]),
            (&["0:1000:1:1:2:3"], vec![(0, 1000, 1), (1, 2, 3)]),
            (&["0:0:4294967295"], vec![(0, 0, 4_294_967_295)]),
            (&["00:01:0"], vec![(0, 1, 0)]),
        ];
        for (specs, expected) in cases {
            assert_eq!(parse(specs), Some(expected), "{specs:?}");
        }
    }

    #[test]
    fn malformed() {
        for spec in [
            "0",
            "0:1",
            "0:1:2:3",
            "a:1:2",
            "0:1:",
            "::",
            "-1:0:1",
            "+1:0:1",
            "0:0:4294967296",
            " 0:1:2",
            "0:1:2 ",
            ":",
            "1_0:0:1",
        ] {
            assert_eq!(parse(&["0:0:1", spec]), None, "{spec:?}");
        }
    }

    #[test]
    fn words() {
        let error =
            parse_map_strings(["0:1", "x\"\n\u{1}\u{7f}é\u{200b}"], IdKind::Gid).unwrap_err();
        assert_eq!(
            error.to_string(),
            "initializing ID mappings: GID setting is malformed expected [\"uint32:uint32:uint32\"]: \
             [\"0:1\" \"x\\\"\\n\\x01\\x7fé\\u200b\"]"
        );
        // What `containers-storage create-layer --uidmap` prints.
        let error = parse_map_strings(["0:1\u{1}é\""], "uid").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"initializing ID mappings: uid setting is malformed expected ["uint32:uint32:uint32"]: ["0:1\x01é\""]"#
        );
    }

    proptest! {
        #[test]
        fn shown_maps_are_read_back(ranges in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u32>()), 0..5)) {
            let map: IdMap = ranges.into_iter().map(|(c, h, s)| IdRange::new(c, h, u64::from(s))).collect();
            let spec = map.to_string();
            let specs: Vec<_> = spec.split(',').collect();
            prop_assert_eq!(parse_map_strings(&specs, IdKind::Uid), Ok(map));
        }

        #[test]
        fn no_text_panics(specs in prop::collection::vec("[0-9:+ a]{0,12}", 0..4)) {
            if let Err(error) = parse_map_strings(&specs, IdKind::Uid) {
                prop_assert_eq!(error.specs, specs);
            }
        }
    }
}
