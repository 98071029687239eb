//! Draws the levels that separate containers.

use std::collections::BTreeSet;

use layerhold_sys::random_bytes;

use crate::{Context, LabelError};

/// The number of categories.
const CATEGORIES: u32 = 1024;
/// The file level of containers that run without separation. It is never drawn.
pub(crate) const UNCONFINED: &str = "s0:c1022,c1023";
/// The number of random draws before all pairs are tried in order. There are half a million pairs,
/// so this many draws rarely all fail.
const DRAWS: usize = 100;

/// The levels in use.
#[derive(Debug, Clone, Default)]
pub struct UsedLevels {
    levels: BTreeSet<String>,
}

impl UsedLevels {
    /// Adds the level of a label, if it has one.
    pub fn add(&mut self, label: &str) {
        self.levels
            .extend(Context::parse(label).and_then(|context| context.level));
    }

    /// Tells whether the level of a label is in use.
    #[must_use]
    pub fn has_level_of(&self, label: &str) -> bool {
        let level = Context::parse(label).and_then(|context| context.level);
        level.is_some_and(|level| self.contains(&level))
    }

    fn contains(&self, level: &str) -> bool {
        level == UNCONFINED || self.levels.contains(level)
    }

    /// Draws a level that is not in use, at random.
    ///
    /// # Errors
    ///
    /// [`LabelError::Exhausted`] when every level is in use.
    pub fn draw(&self) -> Result<String, LabelError> {
        self.draw_among(CATEGORIES)
    }

    fn draw_among(&self, categories: u32) -> Result<String, LabelError> {
        for _ in 0..DRAWS {
            let mut bytes = [0; 4];
            random_bytes(&mut bytes)?;
            let [a, b, c, d] = bytes.map(u32::from);
            let (one, other) = ((a << 8 | b) % categories, (c << 8 | d) % categories);
            let free = (one != other).then(|| self.if_free(one.min(other), one.max(other)));
            if let Some(level) = free.flatten() {
                return Ok(level);
            }
        }
        let pairs = (0..categories).flat_map(|high| (0..high).map(move |low| (low, high)));
        let mut free = pairs.filter_map(|(low, high)| self.if_free(low, high));
        free.next().ok_or(LabelError::Exhausted)
    }

    fn if_free(&self, low: u32, high: u32) -> Option<String> {
        Some(format!("s0:c{low},c{high}")).filter(|level| !self.contains(level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_two_categories_that_are_free() {
        let mut used = UsedLevels::default();
        used.add("u:r:t");
        used.add("");
        assert!(used.levels.is_empty());
        for _ in 0..1000 {
            let level = used.draw().unwrap();
            let pair = level
                .strip_prefix("s0:c")
                .unwrap()
                .split_once(",c")
                .unwrap();
            let (low, high): (u32, u32) = (pair.0.parse().unwrap(), pair.1.parse().unwrap());
            assert!(low < high && high < CATEGORIES, "{level}");
            assert!(!used.contains(&level));
            used.add(&format!("u:r:t:{level}"));
            assert!(used.contains(&level));
        }
        assert_eq!(used.levels.len(), 1000);
        assert!(used.contains(UNCONFINED));
    }

    #[test]
    fn when_all_are_taken_there_is_none() {
        let mut used = UsedLevels::default();
        for high in 0..100 {
            used.levels
                .extend((0..high).map(|low| format!("s0:c{low},c{high}")));
        }
        assert!(matches!(used.draw_among(100), Err(LabelError::Exhausted)));
        assert!(used.levels.remove("s0:c5,c70"));
        assert_eq!(used.draw_among(100).unwrap(), "s0:c5,c70");
    }
}
