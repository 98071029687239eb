//! The flag that callers may not set.

use layerhold_schema::Flags;

/// The flag by which layers say that they are incomplete: one that has it is removed.
pub(crate) const RESERVED: &str = "incomplete";

/// The flag of a new item that is the library's own, if the caller set it.
pub(crate) fn reserved_flag(flags: &Flags) -> Option<String> {
    flags.get(RESERVED).map(|_| RESERVED.to_owned())
}
