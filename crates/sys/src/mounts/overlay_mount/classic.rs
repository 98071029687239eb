//! Mounts an overlay by `mount(2)`, with all options in one string.
//!
//! The names are first used as they were given. If the string is too long for the kernel, every
//! directory is opened and named by the number of its descriptor, with `/proc/self/fd` as the
//! current directory. Go does the same (Go: drivers/overlay/mount.go), in a child process.

use std::ffi::CString;
use std::fmt::Write as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::{OverlayMount, OverlayMountError};
use crate::directory::dir::Dir;
use crate::error::Context;
use crate::mounts::in_directory::in_directory;

pub(super) fn mount(mount: &OverlayMount, target: &Path) -> Result<(), OverlayMountError> {
    let text = option_text(mount, |path, text| {
        escape(path.as_os_str().as_bytes(), text);
        Ok(())
    })?;
    // The kernel copies one page and puts a NUL at its end.
    let limit = rustix::param::page_size() - 1;
    if text.len() <= limit {
        return call(mount, &mount.base, target, target, text);
    }
    by_number(mount, target, limit)
}

fn by_number(mount: &OverlayMount, target: &Path, limit: usize) -> Result<(), OverlayMountError> {
    let mut opened = Vec::new();
    let text = option_text(mount, |path, text| {
        let directory = open(&mount.base, path)?;
        text.extend_from_slice(number(&directory).as_bytes());
        opened.push(directory);
        Ok(())
    })?;
    if text.len() > limit {
        return Err(OverlayMountError::OptionsTooLong {
            target: target.to_owned(),
            length: text.len(),
            limit,
        });
    }
    let place = open(&mount.base, target)?;
    let descriptors = Dir::open_ambient("/proc/self/fd")?;
    call(
        mount,
        &descriptors,
        Path::new(&number(&place)),
        target,
        text,
    )
}

fn call(
    mount: &OverlayMount,
    current: &Dir,
    target: &Path,
    shown: &Path,
    text: Vec<u8>,
) -> Result<(), OverlayMountError> {
    let flags = MountFlags::from_bits_retain(mount.options.flags());
    let refused = |error| OverlayMountError::refused(shown, "mount".into(), error);
    let text = CString::new(text).map_err(|_| refused(Errno::INVAL))?;
    in_directory(current, || {
        rustix::mount::mount("overlay", target, "overlay", flags, text.as_c_str()).map_err(refused)
    })?
}

fn open(base: &Dir, path: &Path) -> Result<OwnedFd, OverlayMountError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(base, path, flags, Mode::empty())
        .context("open directory", || base.path().join(path))
        .map_err(OverlayMountError::from)
}

fn number(directory: &OwnedFd) -> String {
    directory.as_raw_fd().to_string()
}

/// Joins the options in Go's order.
fn option_text(
    mount: &OverlayMount,
    mut name: impl FnMut(&Path, &mut Vec<u8>) -> Result<(), OverlayMountError>,
) -> Result<Vec<u8>, OverlayMountError> {
    let mut text = b"lowerdir=".to_vec();
    for (index, lower) in mount.lowers.iter().enumerate() {
        if index > 0 {
            text.push(b':');
        }
        name(lower, &mut text)?;
    }
    for lower in &mount.data_lowers {
        text.extend_from_slice(b"::");
        name(lower, &mut text)?;
    }
    if let Some(upper) = &mount.upper {
        text.extend_from_slice(b",upperdir=");
        name(&upper.upper, &mut text)?;
        text.extend_from_slice(b",workdir=");
        name(&upper.work, &mut text)?;
    }
    let mut rest = String::new();
    if !mount.options.data().is_empty() {
        rest.push(',');
        rest.push_str(mount.options.data());
    }
    if let Some(label) = &mount.label {
        // Labels contain commas, hence the quotes. Writing to a String cannot fail.
        let _ = write!(rest, ",context=\"{label}\"");
    }
    text.extend_from_slice(rest.as_bytes());
    Ok(text)
}

/// Escapes separators of options and directories with a backslash.
fn escape(path: &[u8], text: &mut Vec<u8>) {
    for byte in path {
        if matches!(byte, b'\\' | b',' | b':') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::mount::MountOptions;

    #[test]
    fn the_text_is_that_of_go_with_escapes() {
        let scratch = tempfile::tempdir().unwrap();
        let base = Dir::open_ambient(scratch.path()).unwrap();
        let overlay = OverlayMount::new(&base)
            .lower("l/A")
            .lower("a:b,c\\d")
            .data_lower("data")
            .data_lower("more")
            .upper("u:p", "work")
            .options(MountOptions::parse("nodev,metacopy=on,volatile"))
            .label("system_u:object_r:container_file_t:s0:c1,c2");
        let text = option_text(&overlay, |path, text| {
            escape(path.as_os_str().as_bytes(), text);
            Ok(())
        });
        let expected = "lowerdir=l/A:a\\:b\\,c\\\\d::data::more,upperdir=u\\:p,workdir=work,\
             metacopy=on,volatile,context=\"system_u:object_r:container_file_t:s0:c1,c2\"";
        assert_eq!(String::from_utf8(text.unwrap()).unwrap(), expected);
    }
}
