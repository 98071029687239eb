//! Mounting with a program such as fuse-overlayfs instead of the kernel.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use layerhold_driver::LayerError;
use layerhold_idmap::{IdMap, IdMappings};
use layerhold_sys::mount::{Detach, unmount};
use layerhold_sys::{
    Dir, Durability, FileType, PathError, best_effort, publish, stat_ambient, xattr,
};

use super::plan::{OverlayPlan, PrivateMount};
use crate::disk::{LINKS, MOUNT_PROGRAM_FLAG};

/// The program that is used where the kernel cannot mount.
const USUAL: &str = "fuse-overlayfs";
/// The programs that unmount for ordinary users.
const UNMOUNTERS: [&str; 2] = ["fusermount3", "fusermount"];
/// Where programs are looked for. `PATH` is not read: the environment belongs to the caller.
const PLACES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Finds the usual mount program.
pub(crate) fn usual() -> Option<PathBuf> {
    find(USUAL)
}

fn find(name: &str) -> Option<PathBuf> {
    PLACES
        .iter()
        .map(|place| Path::new(place).join(name))
        .find(|path| matches!(stat_ambient(path), Ok(Some(stat)) if stat.is_file()))
}

/// What a mount program is given in addition to the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramMount<'a> {
    pub(crate) program: &'a Path,
    /// Maps by which owners are shown shifted.
    pub(crate) maps: Option<&'a IdMappings>,
    /// Whether real owners and modes are kept in attributes.
    pub(crate) keeps_permissions: bool,
}

impl ProgramMount<'_> {
    /// Mounts at `target`. The program stays in the background until the mount is gone.
    pub(crate) fn mount(self, plan: &OverlayPlan, target: &Path) -> Result<(), LayerError> {
        let mut data = plan.data();
        if let Some(maps) = self.maps {
            data.push_str(&map_option("uid", &maps.uids));
            data.push_str(&map_option("gid", &maps.gids));
        }
        if self.keeps_permissions {
            data.push_str(",xattr_permissions=2");
        }
        let failed = |output: String, data: String| LayerError::MountProgram {
            program: self.program.to_owned(),
            data,
            output,
        };
        let ran = Command::new(self.program)
            .arg("-o")
            .arg(&data)
            .arg(target)
            .current_dir(&plan.base)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output();
        match ran {
            Ok(ran) if ran.status.success() => Ok(()),
            Ok(ran) => {
                let told = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
                let told = if told.is_empty() {
                    "<stderr empty>".to_owned()
                } else {
                    told
                };
                Err(failed(format!("{told}: {}", ran.status), data))
            }
            Err(error) => Err(failed(error.to_string(), data)),
        }
    }

    /// Mounts at a directory that is the caller's alone.
    pub(crate) fn mount_privately(
        self,
        plan: &OverlayPlan,
        place: &Path,
    ) -> Result<PrivateMount, LayerError> {
        self.mount(plan, place)?;
        PrivateMount::at(place)
    }
}

/// The maps as fuse-overlayfs takes them (Go: drivers/overlay/overlay.go, `optsAppendMappings`).
fn map_option(kind: &str, map: &IdMap) -> String {
    match map.ranges() {
        [] => String::new(),
        [only] if only.size == 1 => format!(",squash_to_{kind}={}", only.host.get()),
        ranges => {
            let ranges: Vec<_> = ranges
                .iter()
                .map(|range| {
                    format!(
                        "{}:{}:{}",
                        range.container.get(),
                        range.host.get(),
                        range.size
                    )
                })
                .collect();
            format!(",{kind}mapping={}", ranges.join(":"))
        }
    }
}

/// Unmounts what a program mounted: by the program meant for it, else directly after flushing.
pub(crate) fn unmount_program(target: &Path) -> Result<(), PathError> {
    for name in UNMOUNTERS {
        let Some(program) = find(name) else { continue };
        let ran = Command::new(program)
            .arg("-u")
            .arg(target)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if ran.is_ok_and(|status| status.success()) {
            return Ok(());
        }
    }
    // Unwritten data would be lost with the program. A failure here does not stop the unmounting.
    best_effort(Dir::open_ambient(target).and_then(|dir| dir.sync_filesystem()));
    unmount(target, Detach::Lazy)
}

/// What mounted the layers of a home when their contents were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MadeBy {
    Program,
    Kernel,
}

/// Reads the note, or looks for the answer and notes it (Go: drivers/overlay/overlay.go,
/// `SupportsNativeOverlay`).
pub(crate) fn made_by(home: &Dir) -> Result<MadeBy, PathError> {
    let note = home.read_file(MOUNT_PROGRAM_FLAG, 64)?.unwrap_or_default();
    let maker = match note.trim_ascii() {
        b"true" => return Ok(MadeBy::Program),
        b"false" => return Ok(MadeBy::Kernel),
        _ => look_for_marks(home)?,
    };
    note_made_by(home, maker)?;
    Ok(maker)
}

/// Notes how contents are made from here on.
pub(crate) fn note_made_by(home: &Dir, maker: MadeBy) -> Result<(), PathError> {
    let text: &[u8] = match maker {
        MadeBy::Program => b"true",
        MadeBy::Kernel => b"false",
    };
    publish(
        home,
        MOUNT_PROGRAM_FLAG,
        0o600,
        &[text],
        Durability::Volatile,
    )
}

/// Looks for marks that only a mount program leaves: whiteouts that are files, and its attributes
/// on directories (Go: drivers/overlay/check_116.go).
fn look_for_marks(home: &Dir) -> Result<MadeBy, PathError> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(path) = waiting.pop() {
        let dir = match path.as_os_str().is_empty() {
            true => home.clone(),
            false => home.open_dir_nested(&path)?,
        };
        if has_mark(&dir)? {
            return Ok(MadeBy::Program);
        }
        for entry in dir.entries()? {
            let entry = entry?;
            if entry.name.as_encoded_bytes().starts_with(b".wh.") {
                return Ok(MadeBy::Program);
            }
            let is_links = path.as_os_str().is_empty() && entry.name == LINKS;
            if entry.file_type == FileType::Dir && !is_links {
                waiting.push(path.join(&entry.name));
            }
        }
    }
    Ok(MadeBy::Kernel)
}

fn has_mark(dir: &Dir) -> Result<bool, PathError> {
    let names = xattr::list(dir)?;
    Ok(names.iter().any(|name| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"user.fuseoverlayfs.") || name.starts_with(b"user.containers.")
    }))
}

#[cfg(test)]
mod tests {
    use layerhold_idmap::IdRange;

    use super::*;

    #[test]
    fn maps_are_told_as_the_program_takes_them() {
        let map = |ranges: &[(u32, u32, u64)]| {
            IdMap::new(
                ranges
                    .iter()
                    .map(|(c, h, s)| IdRange::new(*c, *h, *s))
                    .collect(),
            )
        };
        assert_eq!(map_option("uid", &map(&[])), "");
        assert_eq!(map_option("uid", &map(&[(0, 7, 1)])), ",squash_to_uid=7");
        assert_eq!(
            map_option("gid", &map(&[(0, 7, 1), (1, 100, 10)])),
            ",gidmapping=0:7:1:1:100:10"
        );
    }

    #[test]
    fn contents_tell_who_made_them() {
        let place = tempfile::tempdir().unwrap();
        let home = Dir::open_ambient(place.path()).unwrap();
        let note = || home.read_file(MOUNT_PROGRAM_FLAG, 10).unwrap();
        drop(
            home.ensure_dir("a", 0o700)
                .unwrap()
                .ensure_dir("b", 0o700)
                .unwrap(),
        );
        assert_eq!(made_by(&home).unwrap(), MadeBy::Kernel);
        assert_eq!(note(), Some(b"false".to_vec()));
        let deep = home.open_dir_nested("a/b").unwrap();
        drop(deep.create_file(".wh.gone", 0o600).unwrap());
        // Once noted it is not looked for again.
        assert_eq!(made_by(&home).unwrap(), MadeBy::Kernel);
        home.remove_file(MOUNT_PROGRAM_FLAG).unwrap();
        assert_eq!(made_by(&home).unwrap(), MadeBy::Program);
        assert_eq!(note(), Some(b"true".to_vec()));
        deep.remove_file(".wh.gone").unwrap();
        home.remove_file(MOUNT_PROGRAM_FLAG).unwrap();
        xattr::set(&deep, "user.containers.override_stat", b"0:0:0755:dir").unwrap();
        assert_eq!(made_by(&home).unwrap(), MadeBy::Program);
    }
}
