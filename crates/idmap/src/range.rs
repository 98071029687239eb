//! One range of a map.

use std::fmt;

use crate::{ContainerId32, HostId};

/// Maps `size` consecutive IDs inside a user namespace to as many outside.
///
/// Any numbers are allowed, as in Go: the part of a range beyond the greatest ID (2^32-1) on either
/// side maps nothing, and neither does a range of size 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    /// The first ID inside.
    pub container: ContainerId32,
    /// The first ID outside.
    pub host: HostId,
    /// Number of IDs.
    pub size: u64,
}

impl IdRange {
    /// Makes a range of numbers.
    #[must_use]
    pub const fn new(container: u32, host: u32, size: u64) -> Self {
        Self {
            container: ContainerId32::new(container),
            host: HostId::new(host),
            size,
        }
    }

    /// Returns the ID outside for one inside.
    #[must_use]
    pub fn to_host(self, id: ContainerId32) -> Option<HostId> {
        self.translate(id.get(), self.container.get(), self.host.get())
            .map(HostId::new)
    }

    /// Returns the ID inside for one outside.
    #[must_use]
    pub fn to_container(self, id: HostId) -> Option<ContainerId32> {
        self.translate(id.get(), self.host.get(), self.container.get())
            .map(ContainerId32::new)
    }

    fn translate(self, id: u32, from: u32, to: u32) -> Option<u32> {
        let offset = id.checked_sub(from)?;
        if u64::from(offset) >= self.size {
            return None;
        }
        to.checked_add(offset)
    }

    /// Returns the numbers inside, without the end.
    pub(crate) fn container_span(self) -> std::ops::Range<u64> {
        span(self.container.get(), self.size)
    }

    /// Returns the numbers outside, without the end.
    pub(crate) fn host_span(self) -> std::ops::Range<u64> {
        span(self.host.get(), self.size)
    }
}

fn span(start: u32, size: u64) -> std::ops::Range<u64> {
    let start = u64::from(start);
    start..start.saturating_add(size)
}

/// Writes `container:host:size`, the form of map strings.
impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.container, self.host, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let range = IdRange::new(10, 100, 5);
        let host = |id| range.to_host(ContainerId32::new(id)).map(HostId::get);
        assert_eq!(
            [host(9), host(10), host(14), host(15)],
            [None, Some(100), Some(104), None]
        );
        let inside = |id| range.to_container(HostId::new(id)).map(ContainerId32::get);
        assert_eq!(
            [inside(99), inside(100), inside(104), inside(105)],
            [None, Some(10), Some(14), None]
        );
    }

    #[test]
    fn nothing_overflows() {
        let all = IdRange::new(0, 0, 1 << 32);
        assert_eq!(
            all.to_host(ContainerId32::new(u32::MAX)),
            Some(HostId::new(u32::MAX))
        );
        let high = IdRange::new(0, u32::MAX, u64::MAX);
        assert_eq!(
            high.to_host(ContainerId32::new(0)),
            Some(HostId::new(u32::MAX))
        );
        assert_eq!(high.to_host(ContainerId32::new(1)), None);
        assert_eq!(high.host_span(), u64::from(u32::MAX)..u64::MAX);
        assert_eq!(IdRange::new(0, 0, 0).to_host(ContainerId32::ROOT), None);
    }
}
