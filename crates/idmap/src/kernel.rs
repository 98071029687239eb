//! Parses `/proc/PID/uid_map` and `gid_map`.

use thiserror::Error;

use crate::{ContainerId32, HostId, IdMap, IdRange};

/// A line of `/proc/PID/uid_map` or `gid_map` is not three numbers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot make sense of line {line} of the map of a user namespace: {text:?}")]
#[non_exhaustive]
pub struct KernelMapError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl IdMap {
    /// Parses the kernel's form of a map: lines of the first ID inside, the first ID outside, and
    /// the number of IDs.
    ///
    /// ```
    /// use layerhold_idmap::IdMap;
    ///
    /// let map = IdMap::from_kernel("         0       1000          1\n         1     100000      65536\n")?;
    /// assert_eq!(map.to_string(), "0:1000:1,1:100000:65536");
    /// # Ok::<(), layerhold_idmap::KernelMapError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails for the first malformed line.
    pub fn from_kernel(text: &str) -> Result<Self, KernelMapError> {
        let lines = text.lines().enumerate();
        let ranges = lines.map(|(index, line)| {
            range(line).ok_or_else(|| KernelMapError {
                line: index + 1,
                text: line.to_owned(),
            })
        });
        ranges.collect::<Result<Vec<_>, _>>().map(Self::new)
    }
}

fn range(line: &str) -> Option<IdRange> {
    let mut words = line.split_ascii_whitespace();
    let (inside, outside, size) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some(IdRange {
        container: ContainerId32::new(inside.parse().ok()?),
        host: HostId::new(outside.parse().ok()?),
        size: size.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_processes() {
        let shown = |text| IdMap::from_kernel(text).map(|map| map.to_string());
        assert_eq!(shown(""), Ok(String::new()));
        assert_eq!(shown("0 0 4294967295\n"), Ok("0:0:4294967295".to_owned()));
        for (text, line) in [
            ("0 0\n", 1),
            ("0 0 1\n0 0 1 1", 2),
            ("0 x 1", 1),
            ("0 0 -1", 1),
            ("\n", 1),
        ] {
            let error = IdMap::from_kernel(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}");
        }
    }
}
