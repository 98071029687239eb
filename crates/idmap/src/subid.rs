//! Parses `/etc/subuid` and `/etc/subgid`: the IDs that a user may map into a namespace.

use std::ops::Range;

use thiserror::Error;

use crate::{ContainerId32, HostId, IdMap, IdRange, IdSet};

/// The name that selects the ranges of all users.
const ALL: &str = "ALL";
/// One more than the greatest ID.
const END: u64 = 1 << 32;

/// The file is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubIdError {
    /// A line is not of the form `owner:start:length`. Go refuses the whole file then, whichever
    /// user the line is for.
    #[error("cannot parse subuid/gid information: format not correct in line {line}: {text:?}")]
    Format {
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A number in a line of the requested user is malformed or not an ID.
    #[error("string to int conversion failed during subuid/gid parsing in line {line}: {text:?}")]
    Number {
        /// The number of the line, from 1.
        line: usize,
        /// The part of the line that should be a number.
        text: String,
    },
}

/// A range of subordinate IDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubIdRange {
    /// The first ID.
    pub start: HostId,
    /// Number of IDs.
    pub length: u64,
}

impl SubIdRange {
    /// Makes a range of its first ID and the number of IDs.
    #[must_use]
    pub const fn new(start: u32, length: u64) -> Self {
        Self {
            start: HostId::new(start),
            length,
        }
    }

    fn interval(self) -> Range<u64> {
        let start = u64::from(self.start.get());
        start..start.saturating_add(self.length)
    }
}

/// Joins the ranges: what overlaps counts once, and what is adjacent becomes one interval.
///
/// ```
/// use layerhold_idmap::{HostId, IdSet, SubIdFile, SubIdOwner};
///
/// let file = SubIdFile::parse("ann:100000:65536\nbob:165536:65536\nann:165536:10\n")?;
/// let of = |name| -> Result<IdSet<HostId>, layerhold_idmap::SubIdError> {
///     Ok(file.ranges_for(SubIdOwner::new(name))?.into_iter().collect())
/// };
/// let (ann, bob) = (of("ann")?, of("bob")?);
/// assert_eq!(ann.intervals(), [100_000..165_546]);
/// assert!(!ann.is_disjoint(&bob)); // two users must not share IDs
///
/// // The lowest free block of 65536 IDs, for the line of another user.
/// let free = IdSet::from_interval(100_000..600_100_000).subtract(&of("ALL")?);
/// assert_eq!(free.find_consecutive(65_536), Some(231_072..296_608));
/// # Ok::<(), layerhold_idmap::SubIdError>(())
/// ```
impl FromIterator<SubIdRange> for IdSet<HostId> {
    fn from_iter<T: IntoIterator<Item = SubIdRange>>(ranges: T) -> Self {
        ranges.into_iter().map(SubIdRange::interval).collect()
    }
}

impl Extend<SubIdRange> for IdSet<HostId> {
    fn extend<T: IntoIterator<Item = SubIdRange>>(&mut self, ranges: T) {
        self.extend(ranges.into_iter().map(SubIdRange::interval));
    }
}

impl IdSet<HostId> {
    /// Returns the set as ranges, in ascending order, for lines of `/etc/subuid` or for
    /// [`IdMap::contiguous_from_zero`].
    pub fn sub_id_ranges(&self) -> impl Iterator<Item = SubIdRange> {
        self.intervals().iter().filter_map(|interval| {
            // The first number of an interval is an ID.
            let start = u32::try_from(interval.start).ok()?;
            Some(SubIdRange::new(start, interval.end - interval.start))
        })
    }
}

/// The user or group whose ranges are requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubIdOwner<'a> {
    /// The name of the user or group. `ALL` selects every line.
    pub name: &'a str,
    /// The user's ID, if known; lines that begin with it count too. Go looks up the *user* of that
    /// name even for groups (Go: pkg/idtools/idtools.go, `parseSubidFile`).
    pub uid: Option<u32>,
}

impl<'a> SubIdOwner<'a> {
    /// Names the user or group.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self { name, uid: None }
    }

    /// Adds the ID of the user of that name, if it is known.
    #[must_use]
    pub fn with_uid(mut self, uid: impl Into<Option<u32>>) -> Self {
        self.uid = uid.into();
        self
    }
}

/// The lines of `/etc/subuid` or `/etc/subgid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubIdFile<'a> {
    lines: Vec<Line<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line<'a> {
    number: usize,
    owner: &'a str,
    start: &'a str,
    length: &'a str,
}

impl<'a> SubIdFile<'a> {
    /// Splits the text into lines. Empty lines and lines that begin with `#` are skipped, and space
    /// around lines is ignored.
    ///
    /// # Errors
    ///
    /// Fails for the first line that does not have three parts.
    pub fn parse(text: &'a str) -> Result<Self, SubIdError> {
        let lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        Ok(Self {
            lines: lines
                .map(|(number, line)| parse_line(number, line))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Returns the ranges of a user, in the order of the file.
    ///
    /// # Errors
    ///
    /// Fails for a line of this user with malformed numbers. Other lines may contain anything.
    pub fn ranges_for(&self, owner: SubIdOwner<'_>) -> Result<Vec<SubIdRange>, SubIdError> {
        let uid = owner.uid.map(|uid| uid.to_string());
        let wanted = |line: &&Line<'_>| {
            line.owner == owner.name || owner.name == ALL || uid.as_deref() == Some(line.owner)
        };
        self.lines.iter().filter(wanted).map(Line::range).collect()
    }
}

fn parse_line(number: usize, line: &str) -> Result<Line<'_>, SubIdError> {
    let mut parts = line.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(start), Some(length), None) => Ok(Line {
            number,
            owner,
            start,
            length,
        }),
        _ => Err(SubIdError::Format {
            line: number,
            text: line.to_owned(),
        }),
    }
}

impl Line<'_> {
    fn range(&self) -> Result<SubIdRange, SubIdError> {
        let start = self
            .start
            .parse()
            .map_err(|_| self.bad_number(self.start))?;
        let length = self
            .length
            .parse()
            .map_err(|_| self.bad_number(self.length))?;
        Ok(SubIdRange {
            start: HostId::new(start),
            length,
        })
    }

    fn bad_number(&self, text: &str) -> SubIdError {
        SubIdError::Number {
            line: self.number,
            text: text.to_owned(),
        }
    }
}

impl IdMap {
    /// Maps the ranges to consecutive IDs from 0 inside, sorted by their start outside (Go:
    /// pkg/idtools/idtools.go, `createIDMap`).
    ///
    /// IDs beyond the greatest one inside are cut off.
    ///
    /// ```
    /// use layerhold_idmap::{IdMap, SubIdFile, SubIdOwner};
    ///
    /// let file = SubIdFile::parse("u:200000:10\nother:5:5\nu:100000:65536\n")?;
    /// let map = IdMap::contiguous_from_zero(file.ranges_for(SubIdOwner::new("u"))?);
    /// assert_eq!(map.to_string(), "0:100000:65536,65536:200000:10");
    /// # Ok::<(), layerhold_idmap::SubIdError>(())
    /// ```
    #[must_use]
    pub fn contiguous_from_zero(mut ranges: Vec<SubIdRange>) -> Self {
        ranges.sort_by_key(|range| range.start);
        let mut next = 0;
        let lay_out = |range: SubIdRange| {
            let container = u32::try_from(next).ok()?;
            let size = range.length.min(END - next);
            next += size;
            Some(IdRange {
                container: ContainerId32::new(container),
                host: range.start,
                size,
            })
        };
        ranges.into_iter().map_while(lay_out).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "# comment\nalice:100000:65536\n\n  bob:165536:10  \n1000:300000:5\nalice:50000:1\nbad:x:y\n";

    fn ranges(name: &str, uid: Option<u32>) -> Result<Vec<(u32, u64)>, SubIdError> {
        let ranges = SubIdFile::parse(FILE)?.ranges_for(SubIdOwner { name, uid })?;
        Ok(ranges
            .into_iter()
            .map(|range| (range.start.get(), range.length))
            .collect())
    }

    #[test]
    fn owners() {
        assert_eq!(
            ranges("alice", None),
            Ok(vec![(100_000, 65536), (50000, 1)])
        );
        assert_eq!(
            ranges("alice", Some(1000)),
            Ok(vec![(100_000, 65536), (300_000, 5), (50000, 1)])
        );
        assert_eq!(ranges("bob", Some(1)), Ok(vec![(165_536, 10)]));
        assert_eq!(ranges("1000", None), Ok(vec![(300_000, 5)]));
        assert_eq!(ranges("nobody", None), Ok(vec![]));
    }

    #[test]
    fn malformed_numbers_matter_only_to_their_owner() {
        let bad = Err(SubIdError::Number {
            line: 7,
            text: "x".to_owned(),
        });
        assert_eq!(ranges("bad", None), bad);
        assert_eq!(ranges("ALL", None), bad);
        let file = SubIdFile::parse("u:-1:5\nv:1:4294967296\nw:4294967296:1").unwrap();
        let of = |name| file.ranges_for(SubIdOwner::new(name));
        assert_eq!(
            of("u"),
            Err(SubIdError::Number {
                line: 1,
                text: "-1".to_owned()
            })
        );
        assert_eq!(
            of("v"),
            Ok(vec![SubIdRange {
                start: HostId::new(1),
                length: END
            }])
        );
        assert_eq!(
            of("w"),
            Err(SubIdError::Number {
                line: 3,
                text: "4294967296".to_owned()
            })
        );
    }

    #[test]
    fn all_takes_every_line() {
        let file = SubIdFile::parse("a:1:2\nb:3:4").unwrap();
        assert_eq!(
            file.ranges_for(SubIdOwner {
                name: "ALL",
                uid: None
            })
            .map(|ranges| ranges.len()),
            Ok(2)
        );
    }

    #[test]
    fn ranges_become_a_set_and_the_reverse() {
        let range = SubIdRange::new;
        let check = |given: &[SubIdRange], expected: &[SubIdRange]| {
            let set: IdSet<HostId> = given.iter().copied().collect();
            let back: Vec<_> = set.sub_id_ranges().collect();
            assert_eq!(back, expected, "{given:?}");
            let mut grown = IdSet::default();
            grown.extend(given.iter().copied());
            assert_eq!(grown, set);
        };
        check(&[], &[]);
        check(&[range(5, 0)], &[]);
        check(&[range(30, 5), range(10, 5)], &[range(10, 5), range(30, 5)]);
        check(&[range(15, 5), range(10, 5)], &[range(10, 10)]);
        check(&[range(10, 5), range(12, 2), range(14, 3)], &[range(10, 7)]);
        // Beyond the greatest ID there is nothing.
        check(&[range(u32::MAX, u64::MAX)], &[range(u32::MAX, 1)]);
        check(&[range(0, u64::MAX)], &[range(0, END)]);
    }

    #[test]
    fn malformed_lines_refuse_the_file() {
        for text in ["a:1", "a:1:2:3", "a"] {
            let expected = SubIdError::Format {
                line: 2,
                text: text.to_owned(),
            };
            assert_eq!(SubIdFile::parse(&format!("b:1:1\n{text}\n")), Err(expected));
        }
    }

    #[test]
    fn layout_is_cut_at_the_greatest_id() {
        let range = |start, length| SubIdRange {
            start: HostId::new(start),
            length,
        };
        let map = IdMap::contiguous_from_zero(vec![range(5, END), range(1, 10), range(7, 7)]);
        assert_eq!(map.to_string(), format!("0:1:10,10:5:{}", END - 10));
        assert_eq!(IdMap::contiguous_from_zero(Vec::new()), IdMap::IDENTITY);
        assert_eq!(
            IdMap::contiguous_from_zero(vec![range(0, u64::MAX)]).to_string(),
            "0:0:4294967296"
        );
    }

    proptest! {
        #[test]
        fn layout_is_contiguous_inside(ranges in prop::collection::vec((any::<u32>(), 1..100_000u64), 0..10)) {
            let ranges = ranges.into_iter().map(|(start, length)| SubIdRange { start: HostId::new(start), length });
            let map = IdMap::contiguous_from_zero(ranges.collect());
            let total: u64 = map.ranges().iter().map(|range| range.size).sum();
            prop_assert_eq!(map.container_ids().len(), total);
            prop_assert!(map.container_ids().intervals().len() <= 1);
        }

        #[test]
        fn no_text_panics(text in "([a-c0-9#: -]{0,12}\n?){0,5}", name in "[a-c]|ALL") {
            if let Ok(file) = SubIdFile::parse(&text) {
                let _ranges = file.ranges_for(SubIdOwner { name: &name, uid: Some(1) });
            }
        }
    }
}
