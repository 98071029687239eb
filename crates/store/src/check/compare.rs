//! Compares the tree of a layer with the tree that it should have.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use layerhold_driver::Privilege;
use layerhold_idmap::{ContainerOwner, IdMappings, OVERRIDE_STAT_XATTR};
use layerhold_sys::{
    Cancel, Cancelled, Descent, Dir, FileType, PathError, Stat, split_device, xattr,
};
use layerhold_tar_split::{Checksum, Crc64};

use super::attributes::Compared;
use super::damage::{Attribute, AttributeChange, FileChange};
use super::tree::{Facts, Node, State, Tree};
use crate::engine::options::StoreOptions;

/// Bytes read at a time.
const PIECE: usize = 128 << 10;

/// Differences that the options of the store cause, and that are not damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct IgnoredDifferences {
    pub(super) owners: bool,
    /// Permissions, and the types of files.
    pub(super) modes: bool,
    /// Device nodes were not created.
    pub(super) devices: bool,
    /// Files may be hard links to files of other layers, with the times of these.
    pub(super) times: bool,
}

impl IgnoredDifferences {
    /// As [`new`](Self::new), for one layer: files that were made with `force_mask` carry their
    /// real owner and mode in an attribute, whether the option is given now or not.
    pub(super) fn of_layer(options: &StoreOptions, root: &Dir) -> Self {
        let mut ignored = Self::new(options);
        let is_masked = matches!(xattr::get(root, OVERRIDE_STAT_XATTR), Ok(Some(_)));
        ignored.owners |= is_masked;
        ignored.modes |= is_masked;
        ignored
    }

    /// Reads the options of a store (Go: check.go, `Check`).
    pub(super) fn new(options: &StoreOptions) -> Self {
        let has = |text: &str| {
            let mut given = options.driver_options.iter();
            given.any(|option| option.contains(text))
        };
        let hard_links = options.pull_options.get("use_hard_links");
        let masked = has("force_mask=");
        Self {
            owners: masked || has("ignore_chown_errors=true") || has("ignore_chown_errors=1"),
            modes: masked,
            devices: options.privilege == Privilege::UserNamespace,
            times: hard_links.is_some_and(|text| text.eq_ignore_ascii_case("true")),
        }
    }
}

/// How one tree is compared.
pub(super) struct Comparison<'a> {
    pub(super) root: &'a Dir,
    pub(super) maps: &'a IdMappings,
    pub(super) ignored: IgnoredDifferences,
    /// Files of layers below this depth, counted from the base, are read and compared with their
    /// checksums. The layer's own files are known to be right or reported already.
    pub(super) read_below: usize,
    pub(super) compared: Compared,
    /// Whether it ends after the first directory with a difference.
    pub(super) is_first_enough: bool,
    pub(super) cancel: &'a Cancel,
}

impl Comparison<'_> {
    /// Calls `report` for every difference.
    ///
    /// Times and sizes of directories are not compared: they change when something is mounted or
    /// looked up in them.
    pub(super) fn run(
        &self,
        expected: &Tree,
        report: &mut dyn FnMut(PathBuf, FileChange),
    ) -> Result<(), PathError> {
        let mut pending: Vec<(PathBuf, &Node)> = vec![(PathBuf::new(), &expected.root)];
        let mut descent = Descent::new(self.root);
        while let Some((path, node)) = pending.pop() {
            let stopped = |stop: Cancelled| PathError::new("compare", &path, stop.into());
            self.cancel.check().map_err(stopped)?;
            let dir = descent.go_to(&path)?;
            let mut differs = false;
            self.directory(
                expected,
                &dir,
                (&path, node),
                &mut pending,
                &mut |path, change| {
                    differs = true;
                    report(path, change);
                },
            )?;
            if differs && self.is_first_enough {
                break;
            }
        }
        Ok(())
    }

    fn directory<'n>(
        &self,
        expected: &Tree,
        dir: &Dir,
        (path, node): (&Path, &'n Node),
        pending: &mut Vec<(PathBuf, &'n Node)>,
        report: &mut dyn FnMut(PathBuf, FileChange),
    ) -> Result<(), PathError> {
        let mut names = Vec::new();
        for entry in dir.entries()? {
            let name = entry?.name;
            // An overlay can list whiteouts that it then does not find.
            if let Some(stat) = dir.stat(&name)? {
                names.push((name, stat));
            }
        }
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, stat) in &names {
            let at = path.join(name);
            let Some(child) = node.children.get(name.as_bytes()) else {
                // With other drivers of the Go library, what overlay takes for a whiteout is a
                // device.
                if stat.file_type() != FileType::CharDevice || stat.rdev != 0 {
                    report(rooted(&at), FileChange::Added);
                }
                continue;
            };
            if child.optional {
                continue;
            }
            if let Some(change) =
                self.file(dir, name, child.state, expected.facts(child.state), stat)
            {
                report(rooted(&at), change);
            }
            if stat.is_dir() && !matches!(child.state, State::Unknown) {
                pending.push((at, child));
            }
        }
        for (name, child) in &node.children {
            let name = OsStr::from_bytes(name);
            if names
                .binary_search_by(|(known, _)| known.as_os_str().cmp(name))
                .is_err()
                && !child.optional
                && !self.may_be_missing(expected.facts(child.state))
            {
                report(rooted(&path.join(name)), FileChange::Removed);
            }
        }
        Ok(())
    }

    pub(super) fn may_be_missing(&self, facts: Option<&Facts>) -> bool {
        self.ignored.devices
            && facts.is_some_and(|facts| {
                matches!(facts.kind, FileType::CharDevice | FileType::BlockDevice)
            })
    }

    /// Compares a file or directory with what is known about it.
    pub(super) fn file(
        &self,
        dir: &Dir,
        name: &OsStr,
        state: State,
        facts: Option<&Facts>,
        stat: &Stat,
    ) -> Option<FileChange> {
        if matches!(state, State::Implied) && !stat.is_dir() {
            let kind = AttributeChange {
                what: Attribute::Type,
                expected: kind_name(FileType::Dir).to_owned(),
                actual: kind_name(stat.file_type()).to_owned(),
            };
            return Some(FileChange::Attributes(vec![kind]));
        }
        let facts = facts?;
        let mut changes = self.attributes(dir, name, facts, stat);
        changes.extend(self.extended(dir, name, facts, stat));
        if !changes.is_empty() {
            return Some(FileChange::Attributes(changes));
        }
        let expected = facts.checksum.filter(|_| facts.layer < self.read_below)?;
        match checksum(dir, name, self.cancel) {
            Ok(actual) if actual == expected => None,
            Ok(_) => Some(FileChange::Content),
            Err(error) => Some(FileChange::Unreadable {
                reason: error.to_string(),
            }),
        }
    }

    fn attributes(
        &self,
        dir: &Dir,
        name: &OsStr,
        facts: &Facts,
        stat: &Stat,
    ) -> Vec<AttributeChange> {
        let mut changes = Vec::new();
        let mut compare = |what, expected: String, actual: String| {
            if expected != actual {
                changes.push(AttributeChange {
                    what,
                    expected,
                    actual,
                });
            }
        };
        let actual = stat.file_type();
        if !self.ignored.modes {
            let (expected, actual) = (kind_name(facts.kind), kind_name(actual));
            compare(Attribute::Type, expected.to_owned(), actual.to_owned());
        }
        if !self.ignored.owners {
            let (uid, gid) = self.owner(facts);
            compare(Attribute::User, uid, stat.uid.to_string());
            compare(Attribute::Group, gid, stat.gid.to_string());
        }
        // Symbolic links have no mode in the kernel.
        if !self.ignored.modes && facts.kind != FileType::Symlink {
            let octal = |mode: u32| format!("{mode:04o}");
            compare(
                Attribute::Mode,
                octal(facts.mode),
                octal(stat.permissions()),
            );
        }
        if facts.kind == FileType::File && actual == FileType::File {
            compare(
                Attribute::Size,
                facts.size.to_string(),
                stat.size.to_string(),
            );
        }
        if !self.ignored.times && facts.kind != FileType::Dir && facts.kind == actual {
            let (expected, actual) = (facts.modified, stat.mtime.seconds);
            compare(
                Attribute::Modified,
                expected.to_string(),
                actual.to_string(),
            );
        }
        if facts.kind == FileType::Symlink && actual == FileType::Symlink {
            let expected = String::from_utf8_lossy(&facts.target).into_owned();
            // A link that cannot be read is not judged.
            if let Ok(target) = dir.read_link(name) {
                let actual = target.to_string_lossy().into_owned();
                compare(Attribute::Target, expected, actual);
            }
        }
        let is_device = matches!(facts.kind, FileType::CharDevice | FileType::BlockDevice);
        if is_device && facts.kind == actual && !self.ignored.modes {
            let (major, minor) = split_device(stat.rdev);
            let (expected, actual) = (facts.device, (i64::from(major), i64::from(minor)));
            compare(
                Attribute::Device,
                format!("{}:{}", expected.0, expected.1),
                format!("{}:{}", actual.0, actual.1),
            );
        }
        changes
    }

    /// Compares extended attributes, which the kernel keeps for files and directories only.
    fn extended(
        &self,
        dir: &Dir,
        name: &OsStr,
        facts: &Facts,
        stat: &Stat,
    ) -> Vec<AttributeChange> {
        let kind = stat.file_type();
        if facts.kind != kind || !matches!(kind, FileType::File | FileType::Dir) {
            return Vec::new();
        }
        let compared = if facts.layer < self.read_below {
            self.compared.of_copy()
        } else {
            self.compared
        };
        // Attributes that this user cannot read are not judged.
        let changes = compared.changes(dir, name, &facts.attributes);
        changes.unwrap_or_default()
    }

    /// The owner on disk; the owner in the archive if the maps have no ID for it.
    fn owner(&self, facts: &Facts) -> (String, String) {
        let inside = u32::try_from(facts.uid)
            .ok()
            .zip(u32::try_from(facts.gid).ok());
        let host =
            inside.and_then(|(uid, gid)| self.maps.to_host(ContainerOwner::new(uid, gid)).ok());
        host.map_or((facts.uid.to_string(), facts.gid.to_string()), |host| {
            (host.uid.get().to_string(), host.gid.get().to_string())
        })
    }
}

fn rooted(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::File => "file",
        FileType::Dir => "directory",
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "pipe",
        FileType::CharDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Socket => "socket",
        _ => "unknown",
    }
}

fn checksum(dir: &Dir, name: &OsStr, cancel: &Cancel) -> Result<Checksum, std::io::Error> {
    let mut file = dir.open_file(name).map_err(std::io::Error::other)?;
    checksum_of(&mut file, cancel).map(|(checksum, _)| checksum)
}

/// Returns the checksum of a stream as tar-split has it, and its length.
pub(super) fn checksum_of(
    stream: &mut dyn Read,
    cancel: &Cancel,
) -> Result<(Checksum, u64), std::io::Error> {
    let mut crc = Crc64::new();
    let mut buffer = vec![0; PIECE];
    let mut length = 0u64;
    loop {
        cancel.check()?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok((crc.checksum(), length)),
            Ok(read) => {
                crc.update(buffer.get(..read).unwrap_or_default());
                length = length.saturating_add(read as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
