//! Mounts an overlay through a filesystem context (`fsopen(2)`).

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, Result as Raw};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::{OverlayMount, OverlayMountError};
use crate::mounts::detached::DetachedMount;
use crate::mounts::mount::MountOptions;

/// The longest value that the kernel accepts (fs/fsopen.c: 256 with the NUL).
const LONGEST_VALUE: usize = 255;

pub(super) fn is_supported() -> bool {
    let Ok(context) = open() else { return false };
    // Any directory will do, because nothing is mounted. Before Linux 6.5 the kernel collected
    // options without checking them and accepted any word.
    let takes = |key: &str| fsconfig_set_string(&context, key, "/").is_ok();
    takes("lowerdir+") && !takes("layerhold-no-such-option")
}

fn open() -> Raw<OwnedFd> {
    fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
}

/// Creates the mount. The current directory must be the base directory.
pub(super) fn detached(
    mount: &OverlayMount,
    place: &Path,
) -> Result<DetachedMount, OverlayMountError> {
    let context = open()
        .map_err(|error| OverlayMountError::refused(place, "open a context".into(), error))?;
    let mut configuration = Configuration {
        context,
        place,
        opened: Vec::new(),
    };
    configuration.fill(mount)?;
    configuration.finish(mount.options.attributes())
}

struct Configuration<'a> {
    context: OwnedFd,
    place: &'a Path,
    /// Directories named by their descriptors.
    opened: Vec<OwnedFd>,
}

impl Configuration<'_> {
    fn fill(&mut self, mount: &OverlayMount) -> Result<(), OverlayMountError> {
        self.text("source", OsStr::new("overlay"))?;
        for lower in &mount.lowers {
            self.directory("lowerdir+", lower)?;
        }
        for lower in &mount.data_lowers {
            self.directory("datadir+", lower)?;
        }
        if let Some(upper) = &mount.upper {
            self.directory("upperdir", &upper.upper)?;
            self.directory("workdir", &upper.work)?;
        }
        self.options(&mount.options)?;
        match &mount.label {
            Some(label) => self.text("context", OsStr::new(label)),
            None => Ok(()),
        }
    }

    fn options(&self, options: &MountOptions) -> Result<(), OverlayMountError> {
        for flag in options.superblock_words() {
            self.flag(flag)?;
        }
        for word in options.data().split(',').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some((key, value)) => self.text(key, OsStr::new(value))?,
                None => self.flag(word)?,
            }
        }
        Ok(())
    }

    fn finish(self, attributes: MountAttrFlags) -> Result<DetachedMount, OverlayMountError> {
        fsconfig_create(&self.context).map_err(|error| self.refused("create", error))?;
        fsmount(&self.context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .map(DetachedMount::new)
            .map_err(|error| self.refused("mount", error))
    }

    fn directory(&mut self, key: &str, path: &Path) -> Result<(), OverlayMountError> {
        let path = self
            .acceptable(path)
            .map_err(|error| self.refused(format_args!("{key}={}", path.display()), error))?;
        self.text(key, path.as_os_str())
    }

    /// A path that the kernel accepts: some are too long for one value, and depending on key and
    /// version it removes backslashes.
    fn acceptable(&mut self, path: &Path) -> Raw<PathBuf> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() <= LONGEST_VALUE && !bytes.contains(&b'\\') {
            return Ok(path.to_owned());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
        self.opened.push(directory);
        Ok(name.into())
    }

    fn text(&self, key: &str, value: &OsStr) -> Result<(), OverlayMountError> {
        fsconfig_set_string(&self.context, key, value).map_err(|error| {
            self.refused(format_args!("{key}={}", Path::new(value).display()), error)
        })
    }

    fn flag(&self, word: &str) -> Result<(), OverlayMountError> {
        fsconfig_set_flag(&self.context, word).map_err(|error| self.refused(word, error))
    }

    fn refused(&self, step: impl fmt::Display, source: Errno) -> OverlayMountError {
        OverlayMountError::Refused {
            place: self.place.to_owned(),
            step: step.to_string(),
            messages: messages(&self.context),
            source: source.into(),
        }
    }
}

/// The kernel keeps at most eight messages (fs/fs_context.c).
const MOST_MESSAGES: usize = 8;

/// The kernel's messages about a context. Each read returns one, which begins with a letter for its
/// severity and a space.
fn messages(context: &OwnedFd) -> Vec<String> {
    let mut messages = Vec::new();
    let mut buffer = [0; 1024];
    while messages.len() < MOST_MESSAGES {
        let Ok(length @ 1..) = rustix::io::read(context, &mut buffer) else {
            break;
        };
        let line = buffer.get(..length).unwrap_or_default();
        let line = line.get(2..).unwrap_or_default();
        messages.push(String::from_utf8_lossy(line).trim().to_owned());
    }
    messages
}
