//! A record that was rebuilt.

use crate::catalog::record_stores::Placement;

/// A record that was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RebuiltRecord {
    pub(crate) json: Vec<u8>,
    /// The record file that it belongs to.
    pub(crate) placement: Placement,
}
