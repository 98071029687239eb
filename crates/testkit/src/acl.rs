/// The attribute with a directory's default access control list, which new entries inherit.
pub const DEFAULT_ACL: &str = "system.posix_acl_default";

/// The value of an access control list: user 1234 has all permissions, as have owner, group and
/// others (`linux/posix_acl_xattr.h`, version 2).
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
