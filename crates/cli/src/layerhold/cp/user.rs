//! The user that a container's program runs as.

use std::io::Read;
use std::path::Path;

use layerhold_sys::{Dir, OpenOptions, PathError};

/// The most that is read of a file about users.
const LIMIT: u64 = 1 << 20;

/// Why the user is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum UserError {
    /// The container has no such user or group.
    #[error(
        "cannot find the owner of copied files: the image names {what} {name:?}, which is not in {path} of the container (--archive=false keeps the owners)"
    )]
    Unknown {
        what: &'static str,
        name: String,
        path: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot find the owner of copied files (--archive=false keeps the owners)")]
    File(#[source] PathError),
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The user and group of a text in an image's configuration: USER[:GROUP], names or IDs. Without a
/// user it is root; without a group, the user's own, or root's.
pub(super) fn user(root: &Dir, text: &str) -> Result<(u32, u32), UserError> {
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    if name.is_empty() && group.is_none() {
        return Ok((0, 0));
    }
    let passwd = read(root, PASSWD)?;
    let (uid, own_group) = match (name, name.parse()) {
        ("", _) => (0, 0),
        (_, Ok(uid)) => {
            let entry = fields(&passwd).find(|entry| id(entry, 2) == Some(uid));
            (uid, entry.and_then(|entry| id(&entry, 3)).unwrap_or(0))
        }
        (_, Err(_)) => fields(&passwd)
            .find(|entry| entry.first() == Some(&name))
            .and_then(|entry| Some((id(&entry, 2)?, id(&entry, 3)?)))
            .ok_or_else(|| unknown("user", name, PASSWD))?,
    };
    let Some(group) = group else {
        return Ok((uid, own_group));
    };
    if let Ok(gid) = group.parse() {
        return Ok((uid, gid));
    }
    let groups = read(root, GROUP)?;
    let gid = fields(&groups)
        .find(|entry| entry.first() == Some(&group))
        .and_then(|entry| id(&entry, 2));
    let gid = gid.ok_or_else(|| unknown("group", group, GROUP))?;
    Ok((uid, gid))
}

fn unknown(what: &'static str, name: &str, path: &'static str) -> UserError {
    UserError::Unknown {
        what,
        name: name.to_owned(),
        path,
    }
}

fn fields(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn id(entry: &[&str], field: usize) -> Option<u32> {
    entry.get(field)?.parse().ok()
}

/// Reads a file of the container; a missing one is empty, as is anything but a file.
fn read(root: &Dir, path: &str) -> Result<String, UserError> {
    let opened = root.open_in_root(Path::new(path), OpenOptions::read());
    let file = match opened {
        Err(error) if error.is_not_found() => return Ok(String::new()),
        other => other.map_err(UserError::File)?,
    };
    let mut bytes = Vec::new();
    if layerhold_sys::stat_file(&file).is_ok_and(|stat| stat.is_file()) {
        file.take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|cause| UserError::File(PathError::new("read", path, cause)))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn users_are_names_or_numbers() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient(scratch.path()).unwrap();
        assert_eq!(user(&root, "7").unwrap(), (7, 0));
        let etc = root.ensure_dir("etc", 0o755).unwrap();
        let mut passwd = etc.create_file("passwd", 0o644).unwrap();
        passwd
            .write_all(b"junk\nweb:x:33:44::/:/bin/sh\nbad:x:y:z\n")
            .unwrap();
        let mut group = etc.create_file("group", 0o644).unwrap();
        group.write_all(b"adm:x:4:web\n").unwrap();
        for (text, expected) in [
            ("", (0, 0)),
            (":", (0, 0)),
            ("web", (33, 44)),
            ("33", (33, 44)),
            ("34", (34, 0)),
            ("web:adm", (33, 4)),
            ("web:5", (33, 5)),
            ("7:8", (7, 8)),
            (":adm", (0, 4)),
        ] {
            assert_eq!(user(&root, text).unwrap(), expected, "{text:?}");
        }
        for (text, wrong) in [
            ("nosuch", "nosuch"),
            ("bad", "bad"),
            ("web:nosuch", "nosuch"),
        ] {
            let error = user(&root, text).unwrap_err();
            assert!(
                matches!(&error, UserError::Unknown { name, .. } if name == wrong),
                "{text}: {error:?}"
            );
        }
    }
}
