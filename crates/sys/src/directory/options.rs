use rustix::fs::{Mode, OFlags};

/// Whether an open may create the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// The file must exist.
    #[default]
    Never,
    /// Created if it is missing.
    IfMissing,
    /// It must not exist yet.
    New,
}

/// How to open a file.
///
/// Descriptors are never inherited by children and never become a controlling terminal. Opening
/// never blocks, not even on a FIFO without a peer.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    access: OFlags,
    create: Create,
    truncate: bool,
    follow: bool,
    mode: u32,
}

impl OpenOptions {
    fn with_access(access: OFlags) -> Self {
        Self {
            access,
            create: Create::Never,
            truncate: false,
            follow: true,
            mode: 0o600,
        }
    }

    /// Opens for reading.
    #[must_use]
    pub fn read() -> Self {
        Self::with_access(OFlags::RDONLY)
    }

    /// Opens for writing.
    #[must_use]
    pub fn write() -> Self {
        Self::with_access(OFlags::WRONLY)
    }

    /// Opens for appending.
    #[must_use]
    pub fn append() -> Self {
        Self::with_access(OFlags::WRONLY.union(OFlags::APPEND))
    }

    /// Opens for reading and writing.
    #[must_use]
    pub fn read_write() -> Self {
        Self::with_access(OFlags::RDWR)
    }

    /// Opens only a reference to the entry: nothing can be read or written.
    #[must_use]
    pub fn path_only() -> Self {
        Self::with_access(OFlags::PATH)
    }

    /// Whether the file may be created; the default is [`Create::Never`].
    #[must_use]
    pub fn create(mut self, create: Create) -> Self {
        self.create = create;
        self
    }

    /// Empties the file when it is opened.
    #[must_use]
    pub fn truncate(mut self) -> Self {
        self.truncate = true;
        self
    }

    /// Refuses a symbolic link as the last component. Only lookups below a root need this; single
    /// names are never followed.
    #[must_use]
    pub fn no_follow(mut self) -> Self {
        self.follow = false;
        self
    }

    /// Permissions of a created file before the umask; the default is 0600.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn flags(self) -> OFlags {
        let mut flags = self.access | OFlags::CLOEXEC;
        if !self.access.contains(OFlags::PATH) {
            flags |= OFlags::NOCTTY | OFlags::NONBLOCK;
        }
        match self.create {
            Create::Never => {}
            Create::IfMissing => flags |= OFlags::CREATE,
            Create::New => flags |= OFlags::CREATE | OFlags::EXCL,
        }
        if self.truncate {
            flags |= OFlags::TRUNC;
        }
        if !self.follow {
            flags |= OFlags::NOFOLLOW;
        }
        flags
    }

    pub(crate) fn creation_mode(self) -> Mode {
        match self.create {
            Create::Never => Mode::empty(),
            Create::IfMissing | Create::New => permission_bits(self.mode),
        }
    }
}

/// The bits that `chmod` accepts; the bits above are the file type.
pub(crate) fn permission_bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}
