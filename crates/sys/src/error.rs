use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// A failed operation, with its path.
///
/// The message names the operation and the path. The cause is the
/// [`source`](std::error::Error::source) and is not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub struct PathError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The result of all fallible functions of this crate.
pub type Result<T> = std::result::Result<T, PathError>;

impl PathError {
    /// An error of `operation` on `path`.
    pub fn new(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self {
            operation,
            path: path.into(),
            source,
        }
    }

    /// The operation, as a short verb phrase such as "open".
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The path of the operation.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind of the underlying error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// The kernel's error number, if the error came from the kernel.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// Whether the path did not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == io::ErrorKind::NotFound
    }

    /// Whether an entry that was to be created existed already.
    #[must_use]
    pub fn already_exists(&self) -> bool {
        self.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the filesystem is full or a quota is used up.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(
            self.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }

    /// Whether the operation was [cancelled](crate::Cancelled).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        crate::causes::is_cancelled(&self.source)
    }

    /// Whether the filesystem is mounted read-only.
    #[must_use]
    pub fn is_read_only_filesystem(&self) -> bool {
        self.kind() == io::ErrorKind::ReadOnlyFilesystem
    }

    /// Whether the caller lacks a permission (`EACCES` or `EPERM`).
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether two paths were on different filesystems (`EXDEV`).
    #[must_use]
    pub fn crosses_devices(&self) -> bool {
        self.kind() == io::ErrorKind::CrossesDevices
    }

    /// Whether the filesystem or the kernel does not support the operation.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.kind() == io::ErrorKind::Unsupported
            || self.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error())
    }

    /// The underlying error, for callers that drop the path.
    #[must_use]
    pub fn into_source(self) -> io::Error {
        self.source
    }
}

/// Adds operation and path to an error; the path is only built on failure.
pub(crate) trait Context<T> {
    fn context(self, operation: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, operation: &'static str, path: impl FnOnce() -> PathBuf) -> Result<T> {
        self.map_err(|source| PathError::new(operation, path(), source.into()))
    }
}

/// The path that the kernel knows for an open descriptor, for messages only.
///
/// Without it, operations on descriptors would have to carry a path through hot loops in case one
/// fails.
pub(crate) fn descriptor_path(file: &impl AsFd) -> PathBuf {
    let link = proc_path(file);
    match rustix::fs::readlink(&link, Vec::new()) {
        Ok(target) => {
            use std::os::unix::ffi::OsStringExt;
            PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes()))
        }
        Err(_) => link,
    }
}

/// The procfs path of an open descriptor.
pub(crate) fn proc_path(file: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn message_names_operation_and_path_but_not_the_cause() {
        let error = PathError::new("open", "/a/b", io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "open /a/b");
        assert!(error.is_not_found());
        assert_eq!(error.raw_os_error(), Some(2));
        assert!(error.source().is_some());
    }

    #[test]
    fn descriptor_paths_come_from_the_kernel() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("f")).unwrap();
        let real = dir.path().canonicalize().unwrap().join("f");
        assert_eq!(descriptor_path(&file), real);
    }
}
