//! A directory tree as the source of contents.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use layerhold_sys::{Dir, OpenOptions, PathError, stat_file};
use layerhold_tar_format::clean_path;

use crate::ContentSource;

/// The tree below the directory, where an archive was unpacked.
///
/// No name leads out of the directory: `..` and a leading slash stop at it, and symbolic links lead
/// where they would if it were the root. Only a regular file is opened, and a link in its place is
/// not followed. A missing file is [`io::ErrorKind::NotFound`], anything else in its place
/// [`io::ErrorKind::InvalidInput`]; the error names the path.
impl ContentSource for Dir {
    fn open(&mut self, name: &[u8]) -> io::Result<Box<dyn Read + Send>> {
        let cleaned = clean_path(&[b"/", name].concat());
        let below = cleaned.strip_prefix(b"/").unwrap_or(&cleaned);
        let path = OsStr::from_bytes(below);
        let wrong = || {
            let cause = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            as_io(PathError::new("open", self.path().join(path), cause))
        };
        if below.is_empty() {
            return Err(wrong());
        }
        let file = match self.open_in_root(path, OpenOptions::read().no_follow()) {
            Err(error) if error.raw_os_error() == Some(ELOOP) => return Err(wrong()),
            other => other.map_err(as_io)?,
        };
        match stat_file(&file).map_err(as_io)?.is_file() {
            true => Ok(Box::new(file)),
            false => Err(wrong()),
        }
    }
}

/// The kernel's answer to a link where none may be, on all Linux but MIPS, Alpha and SPARC, where
/// the error is passed on as it is.
const ELOOP: i32 = 40;

fn as_io(error: PathError) -> io::Error {
    io::Error::new(error.kind(), error)
}
