/// The attribute by which a directory passes an access control list on to what is made in it.
pub const DEFAULT_ACL: &str = "system.posix_acl_default";

/// An access control list, as the value of its attribute: user 1234 may do everything, as owner,
/// group and others may (`linux/posix_acl_xattr.h`, version 2).
#[must_use]
pub fn generous_acl() -> Vec<u8> {
    let everything = 7u16;
    let undefined = u32::MAX;
    let mut value = 2u32.to_le_bytes().to_vec();
    let entries = [
        (1u16, undefined),
        (2, 1234),
        (4, undefined),
        (0x10, undefined),
        (0x20, undefined),
    ];
    for (tag, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(everything.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}
