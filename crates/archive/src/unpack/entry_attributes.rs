//! Turns an entry's header into attributes on disk.

use layerhold_idmap::{ContainerOwner, IdMappings, OverrideKind, OverrideStat};
use layerhold_sys::{SetTime, Times, Timestamp};
use layerhold_tar_format::{EntryKind, Header, TarTime};

use crate::entry_path::shown;
use crate::ids::CAPABILITY;
use crate::overlay_form::OverlayForm;
use crate::unpack::{UnpackError, UnpackOptions, Whiteouts};

/// Permission, set-id and sticky bits.
pub(crate) const ALL_BITS: i64 = 0o7777;

/// Owner permissions that directories keep until all entries are unpacked: without them, an
/// unprivileged process could not create anything in the directory.
pub(super) const OWNER_BITS: u32 = 0o700;

/// Names and values of extended attributes.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Attributes of an entry on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryAttributes {
    /// Owner and group; `None` keeps those of creation.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) mode: u32,
    pub(crate) times: Times,
}

impl EntryAttributes {
    pub(crate) fn new(header: &Header, owner: (u32, u32), options: &UnpackOptions) -> Self {
        let mode = bits(header);
        Self {
            owner: options.force_mask.is_none().then_some(owner),
            mode: options.force_mask.map_or(mode, |mask| mask & 0o7777),
            times: times(header),
        }
    }
}

/// The permission, set-id and sticky bits of a header.
pub(crate) fn bits(header: &Header) -> u32 {
    u32::try_from(header.mode & ALL_BITS).unwrap_or(0)
}

/// Maps owner and group to those on disk.
pub(crate) fn owner(
    header: &Header,
    maps: &IdMappings,
    path: &[u8],
) -> Result<(u32, u32), UnpackError> {
    let number = |what, value: i64| match u32::try_from(value) {
        // For the kernel, the largest number means "leave alone".
        Ok(id) if id != u32::MAX => Ok(id),
        _ => Err(UnpackError::NumberOutOfRange {
            entry: shown(path),
            what,
            value,
        }),
    };
    let (uid, gid) = (number("owner", header.uid)?, number("group", header.gid)?);
    crate::ids::to_host(maps, uid, gid).ok_or_else(|| UnpackError::UnmappedOwner {
        entry: shown(path),
        uid: header.uid,
        gid: header.gid,
    })
}

/// The last second that Go sets (`pkg/system/chtimes.go`: a time of more nanoseconds than fit 63
/// bits counts as undefined).
const LAST_SECOND: i64 = i64::MAX / 1_000_000_000;

/// The modification time as it is, and an access time not before it (Go: `pkg/archive/archive.go`,
/// `extractTarFileEntry`). Times before 1970 or after 2262 become 1970, except for symbolic links.
fn times(header: &Header) -> Times {
    let modified = header.mtime;
    let accessed = header.atime.unwrap_or(modified).max(modified);
    let clamp = |time: TarTime| {
        let defined = (0..=LAST_SECOND).contains(&time.seconds);
        let keep = defined || header.kind == EntryKind::Symlink;
        let time = if keep { time } else { TarTime::default() };
        SetTime::At(Timestamp {
            seconds: time.seconds,
            nanoseconds: time.nanoseconds,
        })
    };
    Times {
        accessed: clamp(accessed),
        modified: clamp(modified),
    }
}

/// SELinux labels belong to the machine, not to the image.
const NEVER_WRITTEN: &[u8] = b"security.selinux";

/// Whether an attribute does not go into archives: a label, or an overlay's own attribute.
pub(crate) fn is_of_machine(name: &[u8]) -> bool {
    name == NEVER_WRITTEN || OverlayForm::Fuse.owns(name)
}

/// The extended attributes to set, without those that an archive may not set.
pub(crate) fn xattrs(header: &Header, options: &UnpackOptions) -> Xattrs {
    let on_disk = |name: &[u8], value: &[u8]| {
        let mapped = match name == CAPABILITY {
            true => crate::ids::capability_to_host(&options.id_maps, value),
            false => None,
        };
        mapped.unwrap_or_else(|| value.to_vec())
    };
    header
        .xattrs()
        .filter(|(name, _)| !is_refused(name, options.whiteouts))
        .map(|(name, value)| (name.to_vec(), on_disk(name, value)))
        .collect()
}

/// overlayfs and fuse-overlayfs treat their own attributes as instructions (redirects,
/// metadata-only copies). An archive may instruct them by whiteouts only.
fn is_refused(name: &[u8], whiteouts: Whiteouts) -> bool {
    let overlay = OverlayForm::Fuse.owns(name);
    name == NEVER_WRITTEN || (overlay && whiteouts != Whiteouts::Apply)
}

/// The value of the attribute that keeps what `force_mask` hides.
pub(crate) fn override_value(header: &Header, owner: (u32, u32)) -> Vec<u8> {
    let part = |value: i64| u32::try_from(value).unwrap_or(0);
    let (major, minor) = (part(header.device_major), part(header.device_minor));
    let kind = match header.kind {
        EntryKind::Directory => OverrideKind::Dir,
        EntryKind::Fifo => OverrideKind::Pipe,
        EntryKind::BlockDevice => OverrideKind::Block { major, minor },
        EntryKind::CharDevice => OverrideKind::Char { major, minor },
        _ => OverrideKind::File,
    };
    let stat = OverrideStat {
        owner: ContainerOwner::new(owner.0, owner.1),
        mode: u16::try_from(bits(header)).unwrap_or(0),
        kind,
    };
    stat.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> SetTime {
        SetTime::At(Timestamp {
            seconds,
            nanoseconds,
        })
    }

    #[test]
    fn access_time_is_never_before_modification() {
        let mut header = Header::new(EntryKind::Regular, "f");
        header.mtime = TarTime {
            seconds: 10,
            nanoseconds: 5,
        };
        assert_eq!(times(&header).accessed, at(10, 5));
        header.atime = Some(TarTime::from_seconds(9));
        assert_eq!(times(&header).accessed, at(10, 5));
        header.atime = Some(TarTime::from_seconds(11));
        assert_eq!(times(&header).accessed, at(11, 0));
        assert_eq!(times(&header).modified, at(10, 5));
    }

    #[test]
    fn times_outside_the_defined_range_become_the_epoch() {
        let mut header = Header::new(EntryKind::Regular, "f");
        for seconds in [-1, LAST_SECOND + 1, i64::MAX, i64::MIN] {
            header.mtime = TarTime::from_seconds(seconds);
            assert_eq!(times(&header).modified, at(0, 0));
        }
        header.kind = EntryKind::Symlink;
        header.mtime = TarTime::from_seconds(-1);
        assert_eq!(times(&header).modified, at(-1, 0));
    }

    #[test]
    fn override_values_are_those_of_go() {
        let mut header = Header::new(EntryKind::CharDevice, "c");
        header.mode = 0o4755;
        header.device_major = 1;
        header.device_minor = 3;
        let check = |header: &Header, expected: &str| {
            assert_eq!(override_value(header, (1, 2)), expected.as_bytes());
        };
        check(&header, "1:2:4755:char-1-3");
        header.kind = EntryKind::Regular;
        header.mode = 0o44;
        check(&header, "1:2:0044:file");
        header.kind = EntryKind::Directory;
        check(&header, "1:2:0044:dir");
    }

    #[test]
    fn labels_and_overlay_instructions_are_left_out() {
        let mut header = Header::new(EntryKind::Regular, "f");
        for name in [
            "security.selinux",
            "trusted.overlay.redirect",
            "user.fuseoverlayfs.opaque",
            "user.a",
        ] {
            header.set_xattr(name.as_bytes(), b"v");
        }
        let names = |whiteouts| -> Vec<Vec<u8>> {
            let mut options = UnpackOptions::new();
            options.whiteouts = whiteouts;
            let set = xattrs(&header, &options);
            set.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(Whiteouts::Keep), [b"user.a".to_vec()]);
        assert_eq!(names(Whiteouts::Apply).len(), 3);
    }
}
