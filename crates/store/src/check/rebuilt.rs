//! A record that was rebuilt.

use crate::catalog::record_stores::Placement;

/// A record that was made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RebuiltRecord {
    pub(crate) json: Vec<u8>,
    /// Where it belongs.
    pub(crate) placement: Placement,
}
