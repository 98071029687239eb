//! Reads text files of the host, and from them the IDs that containers may use.

use std::io;
use std::path::{Path, PathBuf};

use layerhold_driver::Privilege;
use layerhold_idmap::{HostId, IdKind, IdMap, IdSet, SubIdFile, SubIdOwner, uid_of_user};
use layerhold_sys::{OpenOptions, PathError, open_ambient_file};

use crate::catalog::files::read_all;
use crate::engine::options::StoreOptions;
use crate::engine::userns::UserNsError;

/// The longest file that is read. Each line is some tens of bytes.
const MAX_TEXT: u64 = 16 << 20;

/// The IDs that containers may be given, of users and of groups.
pub(crate) struct AvailableIds {
    pub(crate) uids: IdSet<HostId>,
    pub(crate) gids: IdSet<HostId>,
}

/// Reads which IDs containers may be given (Go: userns.go, `getAvailableIDs`).
///
/// Root uses the ranges of a user in `/etc/subuid` and `/etc/subgid`. A process inside a user
/// namespace uses the IDs of that namespace, except the first, which is the user's own. Go reads
/// the user's lines in these files in both cases, wherever the namespace came from.
pub(crate) fn available_ids(options: &StoreOptions) -> Result<AvailableIds, UserNsError> {
    let of = |kind| match options.privilege {
        Privilege::Full => subordinate_ids(options, kind),
        Privilege::UserNamespace => namespace_ids(options, kind),
    };
    Ok(AvailableIds {
        uids: of(IdKind::Uid)?,
        gids: of(IdKind::Gid)?,
    })
}

fn subordinate_ids(options: &StoreOptions, kind: IdKind) -> Result<IdSet<HostId>, UserNsError> {
    let path = options.host_root.join(match kind {
        IdKind::Uid => "etc/subuid",
        IdKind::Gid => "etc/subgid",
    });
    let user = options.auto_userns.user.as_str();
    // Lines may name the user by number. Without a list of users there are only names.
    let uid = text(&options.host_root.join("etc/passwd"))
        .ok()
        .and_then(|passwd| uid_of_user(&passwd, user));
    let file = text(&path)?;
    let owner = SubIdOwner::new(user).with_uid(uid);
    let ranges = SubIdFile::parse(&file).and_then(|file| file.ranges_for(owner));
    let ranges = ranges.map_err(|source| UserNsError::SubIds {
        path: path.clone(),
        source,
    })?;
    if ranges.is_empty() {
        let user = user.to_owned();
        return Err(UserNsError::NoRanges { user, path });
    }
    Ok(ranges.into_iter().collect())
}

fn namespace_ids(options: &StoreOptions, kind: IdKind) -> Result<IdSet<HostId>, UserNsError> {
    let path = options.host_root.join(match kind {
        IdKind::Uid => "proc/self/uid_map",
        IdKind::Gid => "proc/self/gid_map",
    });
    let map =
        IdMap::from_kernel(&text(&path)?).map_err(|source| UserNsError::Kernel { path, source })?;
    // The IDs inside the namespace of this process are host IDs for its containers.
    let inside = map.container_ids();
    let inside: IdSet<HostId> = inside.intervals().iter().cloned().collect();
    Ok(inside.subtract(&IdSet::from_interval(0..1)))
}

/// Reads a regular file. Bytes that are not UTF-8 are replaced.
pub(crate) fn text(path: &Path) -> Result<String, PathError> {
    let file = open_ambient_file(path, OpenOptions::read())?;
    let bytes = read_all(file, MAX_TEXT, path)?.ok_or_else(|| too_long(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// As [`text`], for a file that is open already; `None` when it is not a regular file or too long.
pub(crate) fn text_of(file: std::fs::File) -> Option<String> {
    let bytes = read_all(file, MAX_TEXT, &PathBuf::new()).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn too_long(path: &Path) -> PathError {
    PathError::new("read", path, io::ErrorKind::FileTooLarge.into())
}
