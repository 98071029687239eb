//! The flag that is reserved for the library.

use layerhold_schema::Flags;

/// The flag of incomplete layers. The next writer removes a layer that has it.
pub(crate) const RESERVED: &str = "incomplete";

/// Returns the reserved flag, if the flags of a new item have it.
pub(crate) fn reserved_flag(flags: &Flags) -> Option<String> {
    flags.get(RESERVED).map(|_| RESERVED.to_owned())
}
