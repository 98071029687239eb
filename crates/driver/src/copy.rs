//! Copying the tree of a layer.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use layerhold_archive::{ChownErrors, UnpackOptions};
use layerhold_sys::{
    Copier, Create, Dir, FileType, NodeKind, OpenOptions, PathError, Stat, Times, set_file_mode,
    set_file_owner, set_file_times, stat_file, xattr,
};

use crate::config::Privilege;
use crate::error::LayerError;
use crate::work::{Tasks, default_threads, run_tasks};

/// What a copy may do, and which errors it ignores.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CopyRules {
    /// What the process may do.
    pub privilege: Privilege,
    /// What happens when an owner cannot be set.
    pub chown_errors: ChownErrors,
    /// Which extended attributes are copied.
    pub attributes: CopiedAttributes,
}

/// Which extended attributes are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CopiedAttributes {
    /// Those Go copies (drivers/copy): labels and access lists are not among them.
    #[default]
    AsGo,
    /// All that this process may set, for copies that stay in the same overlay store.
    All,
}

impl CopyRules {
    /// Rules for a process of this privilege.
    #[must_use]
    pub fn new(privilege: Privilege) -> Self {
        Self {
            privilege,
            ..Self::default()
        }
    }

    /// Sets what happens when an owner cannot be set.
    #[must_use]
    pub fn with_chown_errors(mut self, errors: ChownErrors) -> Self {
        self.chown_errors = errors;
        self
    }

    /// Sets which attributes are copied.
    #[must_use]
    pub fn with_attributes(mut self, attributes: CopiedAttributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// The same rules for unpacking. Whiteouts delete, because the directory is the whole tree.
    #[must_use]
    pub fn unpack_options(self) -> UnpackOptions {
        let mut options = UnpackOptions::new();
        options.chown_errors = self.chown_errors;
        options.user_namespace = self.privilege.into();
        options
    }
}

/// The mode with which the target of [`copy_tree`] is made.
///
/// All permissions: those that are missing afterwards are the umask, which cannot be read in
/// another way without changing it for the whole process.
pub const COPY_TARGET_MODE: u32 = 0o777;

/// Copies everything in `source`, and its attributes, to the empty directory `target`, which was
/// just made with [`COPY_TARGET_MODE`] and is described by `made`.
///
/// Contents are shared where the filesystem supports it, holes stay holes, and hard links stay
/// together. Owners, modes, times to the nanosecond and the extended attributes that Go copies
/// (drivers/copy) are kept. An ordinary file costs nine system calls. Directories are spread over
/// threads.
///
/// # Errors
///
/// When an entry cannot be read or made. What was copied before stays.
pub fn copy_tree(
    source: &Dir,
    target: &Dir,
    made: &Stat,
    rules: CopyRules,
) -> Result<(), LayerError> {
    let copy = TreeCopy {
        root: target,
        rules,
        copier: Copier::new(),
        owner: (made.uid, made.gid),
        made: made.permissions(),
        firsts: Mutex::default(),
    };
    let first = Task {
        source: source.clone(),
        target: target.clone(),
        path: None,
        name: None,
    };
    run_tasks(default_threads(), first, |task, tasks| {
        copy.directory(task, tasks)
    })
}

/// Copies single entries into a tree that is put together from several others, as [`copy_tree`]
/// does for a whole tree.
pub struct EntryCopier<'a>(TreeCopy<'a>);

/// Where a directory is below the root of the tree that [`EntryCopier`] fills.
#[derive(Clone, Debug, Default)]
pub struct CopyPath(Option<Arc<TreePath>>);

impl CopyPath {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The directory of this name in this one.
    #[must_use]
    pub fn child(&self, name: &OsStr) -> Self {
        Self(Some(Arc::new(TreePath {
            parent: self.0.clone(),
            name: name.to_owned(),
        })))
    }
}

impl<'a> EntryCopier<'a> {
    /// Copies into the tree at `root`.
    #[must_use]
    pub fn new(root: &'a Dir, rules: CopyRules) -> Self {
        // The directories in which entries are made may pass their group on, so every attribute is
        // set.
        Self(TreeCopy {
            root,
            rules,
            copier: Copier::new(),
            owner: (u32::MAX, u32::MAX),
            made: 0,
            firsts: Mutex::default(),
        })
    }

    /// Copies an entry that is not a directory. Hard links stay together, whichever directories
    /// they are copied from and to.
    ///
    /// # Errors
    ///
    /// When it cannot be read or made.
    pub fn entry(
        &self,
        source: &Dir,
        target: &Dir,
        path: &CopyPath,
        name: &OsStr,
        file_type: FileType,
    ) -> Result<(), LayerError> {
        let pair = Pair {
            source: source.clone(),
            target: target.clone(),
            path: path.0.clone(),
        };
        match file_type {
            FileType::File => self.0.file(&pair, name),
            _ => self.0.special(&pair, name),
        }
    }

    /// Copies the attributes of one directory to another. The times hold until an entry is made in
    /// it.
    ///
    /// # Errors
    ///
    /// When they cannot be read or set.
    pub fn copy_attributes(&self, source: &Dir, target: &Dir) -> Result<(), LayerError> {
        let stat = source.stat_self()?;
        let xattrs = || self.0.copy_xattrs(source, target);
        self.0.finish(target, &stat, xattrs, u32::MAX)
    }
}

impl fmt::Debug for EntryCopier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EntryCopier").field(self.0.root).finish()
    }
}

/// A directory to copy: `name` in both directories, or the two themselves.
///
/// They are opened when the turn of the task comes, so that the waiting tasks of one directory
/// share two descriptors.
struct Task {
    source: Dir,
    target: Dir,
    path: Option<Arc<TreePath>>,
    name: Option<OsString>,
}

/// The path of a directory below the target's root; `None` instead of one is the root itself.
///
/// Kept instead of an open directory for every file that has several names, of which a tree may
/// have many.
#[derive(Debug)]
struct TreePath {
    parent: Option<Arc<TreePath>>,
    name: OsString,
}

/// The first name given to an inode with several.
struct First {
    path: Option<Arc<TreePath>>,
    name: OsString,
}

/// A pair of directories being copied.
struct Pair {
    source: Dir,
    target: Dir,
    path: Option<Arc<TreePath>>,
}

struct TreeCopy<'a> {
    root: &'a Dir,
    rules: CopyRules,
    copier: Copier,
    /// The owner of files that this process creates.
    owner: (u32, u32),
    /// The mode the root got when it was made with [`COPY_TARGET_MODE`].
    made: u32,
    firsts: Mutex<HashMap<(u64, u64), First>>,
}

impl TreeCopy<'_> {
    fn directory(&self, task: Task, tasks: &Tasks<'_, Task, LayerError>) -> Result<(), LayerError> {
        let pair = open_pair(task)?;
        let stat = pair.source.stat_self()?;
        let mut below = Vec::new();
        for entry in pair.source.entries()? {
            let entry = entry?;
            match entry.file_type {
                FileType::Dir => {
                    pair.target.create_dir(&entry.name, 0o700)?;
                    below.push(entry.name);
                }
                FileType::File => self.file(&pair, &entry.name)?,
                _ => self.special(&pair, &entry.name)?,
            }
        }
        // No more entries are made in this directory, so its times can be set before its
        // subdirectories are filled.
        let made = if pair.path.is_none() {
            self.made
        } else {
            self.created(0o700)
        };
        self.finish(
            &pair.target,
            &stat,
            || self.copy_xattrs(&pair.source, &pair.target),
            made,
        )?;
        tasks.add_all(below.into_iter().map(|name| Task {
            source: pair.source.clone(),
            target: pair.target.clone(),
            path: pair.path.clone(),
            name: Some(name),
        }));
        Ok(())
    }

    fn file(&self, pair: &Pair, name: &OsStr) -> Result<(), LayerError> {
        let source = pair.source.open_file(name)?;
        let stat = stat_file(&source)?;
        let mode = stat.permissions() & 0o777;
        let options = OpenOptions::write().create(Create::New).mode(mode);
        let Some(target) = self.once(pair, name, &stat, || pair.target.open_with(name, options))?
        else {
            return Ok(());
        };
        self.copier.copy(&source, &target, &stat)?;
        self.finish(
            &target,
            &stat,
            || self.copy_xattrs(&source, &target),
            self.created(mode),
        )
    }

    /// The mode that a file made with `mode` has got: without the umask, and with the set-group bit
    /// where directories pass that on.
    fn created(&self, mode: u32) -> u32 {
        mode & self.made | self.made & !COPY_TARGET_MODE
    }

    /// Sets the attributes that differ: the owner, then what a change of owner clears, then the
    /// times.
    fn finish(
        &self,
        target: &impl std::os::fd::AsFd,
        stat: &Stat,
        xattrs: impl FnOnce() -> Result<(), LayerError>,
        created_mode: u32,
    ) -> Result<(), LayerError> {
        if (stat.uid, stat.gid) != self.owner {
            self.ignore_refusal(set_file_owner(target, Some(stat.uid), Some(stat.gid)))?;
        }
        xattrs()?;
        if stat.permissions() != created_mode {
            set_file_mode(target, stat.permissions())?;
        }
        Ok(set_file_times(target, &Times::of(stat))?)
    }

    /// Copies a link, FIFO, device or socket. None of them can have an attribute of the kinds that
    /// are copied.
    fn special(&self, pair: &Pair, name: &OsStr) -> Result<(), LayerError> {
        let Some(stat) = pair.source.stat(name)? else {
            return Ok(());
        };
        let made = self.once(pair, name, &stat, || self.make_special(pair, name, &stat))?;
        if made != Some(Made::Yes) {
            return Ok(());
        }
        let target = &pair.target;
        if (stat.uid, stat.gid) != self.owner {
            self.ignore_refusal(target.set_owner(name, Some(stat.uid), Some(stat.gid)))?;
        }
        if stat.file_type() != FileType::Symlink {
            target.set_mode(name, stat.permissions())?;
        }
        Ok(target.set_times(name, &Times::of(&stat))?)
    }

    fn make_special(&self, pair: &Pair, name: &OsStr, stat: &Stat) -> Result<Made, PathError> {
        let kind = match stat.file_type() {
            FileType::Symlink => {
                pair.target.symlink(pair.source.read_link(name)?, name)?;
                return Ok(Made::Yes);
            }
            FileType::Fifo => NodeKind::Fifo,
            FileType::Socket => NodeKind::Socket,
            FileType::CharDevice => NodeKind::CharDevice,
            FileType::BlockDevice => NodeKind::BlockDevice,
            _ => return Ok(Made::No),
        };
        let is_device = matches!(kind, NodeKind::CharDevice | NodeKind::BlockDevice);
        // The one device that needs no privilege is overlayfs's whiteout.
        let is_whiteout = kind == NodeKind::CharDevice && stat.rdev == 0;
        if is_device && !is_whiteout && self.rules.privilege == Privilege::UserNamespace {
            return Ok(Made::No);
        }
        pair.target.make_node(name, kind, 0o600, stat.rdev)?;
        Ok(Made::Yes)
    }

    /// Makes an entry. If its inode was made under another name, links it and returns `None`.
    ///
    /// An inode with several names is made under the lock, so that it exists when another thread
    /// links to it. It is filled without the lock.
    fn once<T>(
        &self,
        pair: &Pair,
        name: &OsStr,
        stat: &Stat,
        make: impl FnOnce() -> Result<T, PathError>,
    ) -> Result<Option<T>, LayerError> {
        if stat.nlink < 2 {
            return Ok(Some(make()?));
        }
        let mut firsts = self.firsts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = firsts.get(&(stat.dev, stat.ino)) {
            let dir = self.reopen(first, pair)?;
            match dir.hard_link(&first.name, &pair.target, name) {
                // Its first name was left out too: a device that may not be made.
                Err(error) if error.is_not_found() => {}
                other => other?,
            }
            return Ok(None);
        }
        let made = make()?;
        let first = First {
            path: pair.path.clone(),
            name: name.to_owned(),
        };
        firsts.insert((stat.dev, stat.ino), first);
        Ok(Some(made))
    }

    fn reopen(&self, first: &First, pair: &Pair) -> Result<Dir, PathError> {
        let same = match (&first.path, &pair.path) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if same {
            return Ok(pair.target.clone());
        }
        let mut names = Vec::new();
        let mut path = first.path.as_ref();
        while let Some(here) = path {
            names.push(&here.name);
            path = here.parent.as_ref();
        }
        names
            .into_iter()
            .rev()
            .try_fold(self.root.clone(), |dir, name| dir.open_dir(name))
    }

    fn copy_xattrs(
        &self,
        source: &impl std::os::fd::AsFd,
        target: &impl std::os::fd::AsFd,
    ) -> Result<(), LayerError> {
        for name in xattr::list(source)? {
            if !self.is_copied(&name) {
                continue;
            }
            if let Some(value) = xattr::get(source, &name)? {
                self.set_xattr(target, &name, &value)?;
            }
        }
        Ok(())
    }

    /// Sets an attribute. Outside of the initial namespace some attributes can be read and not set.
    fn set_xattr(
        &self,
        target: &impl std::os::fd::AsFd,
        name: &OsStr,
        value: &[u8],
    ) -> Result<(), LayerError> {
        match xattr::set(target, name, value) {
            Err(error)
                if self.rules.attributes == CopiedAttributes::All
                    && self.rules.privilege == Privilege::UserNamespace
                    && error.is_permission_denied() =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// The attributes Go copies (drivers/copy/copy_linux.go), or all.
    fn is_copied(&self, name: &OsStr) -> bool {
        if self.rules.attributes == CopiedAttributes::All {
            return true;
        }
        let bytes = name.as_encoded_bytes();
        bytes.starts_with(b"user.")
            || bytes == b"security.capability"
            || (bytes == b"trusted.overlay.opaque" && self.rules.privilege == Privilege::Full)
    }

    fn ignore_refusal(&self, outcome: Result<(), PathError>) -> Result<(), LayerError> {
        match outcome {
            Err(error) if self.rules.chown_errors == ChownErrors::Ignore && is_refusal(&error) => {
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

/// Whether [`TreeCopy::make_special`] made something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Yes,
    No,
}

fn open_pair(task: Task) -> Result<Pair, PathError> {
    let Task {
        source,
        target,
        path,
        name,
    } = task;
    let Some(name) = name else {
        return Ok(Pair {
            source,
            target,
            path,
        });
    };
    let (source, target) = (source.open_dir(&name)?, target.open_dir(&name)?);
    Ok(Pair {
        source,
        target,
        path: Some(Arc::new(TreePath { parent: path, name })),
    })
}

/// Tells whether a chown failed because the kernel does not allow it, or because the user namespace
/// does not have the ID.
#[must_use]
pub fn is_refusal(error: &PathError) -> bool {
    error.is_permission_denied() || error.kind() == std::io::ErrorKind::InvalidInput
}
