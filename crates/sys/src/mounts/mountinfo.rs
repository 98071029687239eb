//! Reads the mount table, `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::error::{Context, Result};

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountInfo {
    /// Number of this mount, unique while it exists.
    pub id: u32,
    /// Number of the mount that it is mounted on.
    pub parent: u32,
    /// Device numbers of the filesystem.
    pub device: (u32, u32),
    /// The directory of the filesystem that is the root of this mount.
    pub root: PathBuf,
    /// The mount point, relative to this process's root.
    pub mount_point: PathBuf,
    /// Options of this mount, comma-separated.
    pub options: OsString,
    /// Propagation, such as `shared:12`; empty for private mounts.
    pub propagation: Vec<OsString>,
    /// Type of the filesystem.
    pub fs_type: OsString,
    /// The source: a device, a share, or an arbitrary word.
    pub source: OsString,
    /// Options of the filesystem, comma-separated.
    pub super_options: OsString,
}

/// Parses the whole table. Lines in another form are skipped: a later kernel may add kinds of line
/// but not change this one.
#[must_use]
pub fn parse(table: &[u8]) -> Vec<MountInfo> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// Reads and parses the mounts of this process.
pub fn read_mounts() -> Result<Vec<MountInfo>> {
    let path = "/proc/self/mountinfo";
    #[expect(
        clippy::disallowed_methods,
        reason = "procfs is reached by its fixed path; this is the crate that others go through"
    )]
    let table = std::fs::read(path).context("read", || path.into())?;
    Ok(parse(&table))
}

fn parse_line(line: &[u8]) -> Option<MountInfo> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let device = (number(device.next()?)?, number(device.next()?)?);
    let root = unescape(fields.next()?).into();
    let mount_point = unescape(fields.next()?).into();
    let options = unescape(fields.next()?);
    let mut propagation = Vec::new();
    loop {
        match fields.next()? {
            b"-" => break,
            field => propagation.push(OsStr::from_bytes(field).to_owned()),
        }
    }
    Some(MountInfo {
        id,
        parent,
        device,
        root,
        mount_point,
        options,
        propagation,
        fs_type: unescape(fields.next()?),
        source: unescape(fields.next()?),
        // The last field is missing for filesystems without options.
        super_options: unescape(fields.next().unwrap_or_default()),
    })
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Decodes the kernel's escapes: a backslash and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        match (first, tail) {
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                plain.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            _ => {
                plain.push(first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    #[test]
    fn a_line_with_everything() {
        let line = b"36 35 98:0 /mnt1 /mnt\\040two\\011\\134 rw,noatime shared:1 master:7 - ext3 /dev/root rw,errors=continue\n";
        let expected = MountInfo {
            id: 36,
            parent: 35,
            device: (98, 0),
            root: "/mnt1".into(),
            mount_point: "/mnt two\t\\".into(),
            options: "rw,noatime".into(),
            propagation: vec!["shared:1".into(), "master:7".into()],
            fs_type: "ext3".into(),
            source: "/dev/root".into(),
            super_options: "rw,errors=continue".into(),
        };
        assert_eq!(parse(line), [expected]);
    }

    #[test]
    fn lines_of_another_form_are_left_out() {
        let table = b"\n36 35 98:0 /\n1 2 3:4 / / rw - proc proc rw\nx y z\n";
        let mounts = parse(table);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].fs_type, "proc");
        assert!(mounts[0].propagation.is_empty());
    }

    #[test]
    fn escapes_that_are_none_stay() {
        for text in [&b"\\"[..], b"\\04", b"\\048", b"\\777", b"a\\x"] {
            assert_eq!(unescape(text).as_bytes(), text);
        }
        assert_eq!(unescape(b"\\101\\377").as_bytes(), b"A\xff");
    }

    #[test]
    fn this_process_has_a_root_mount() {
        let mounts = read_mounts().unwrap();
        assert!(mounts.iter().any(|m| m.mount_point == Path::new("/")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>) {
            drop(parse(&bytes));
        }

        #[test]
        fn mount_points_survive_the_kernels_escaping(name in "[ -~\\t\\n]{0,20}") {
            let escaped: String = name.chars().map(|c| match c {
                ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", c as u32),
                c => c.to_string(),
            }).collect();
            let line = format!("1 2 3:4 / /{escaped} rw - tmpfs none rw");
            let mounts = parse(line.as_bytes());
            let expected = PathBuf::from(format!("/{name}"));
            prop_assert_eq!(mounts[0].mount_point.as_os_str(), expected.as_os_str());
        }
    }
}
