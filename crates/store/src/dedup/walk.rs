//! Walks the files of layers on several threads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use layerhold_driver::{Driver, Tasks, default_threads, run_tasks};
use layerhold_ids::LayerId;
use layerhold_sys::{Cancelled, Dir, FileType, PathError, Stat};

use super::tally::Tally;

/// The reason why a walk ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The driver keeps no files of its own.
    Driver,
    /// The filesystem at this place cannot share blocks.
    Filesystem(PathBuf),
    /// The caller cancelled it.
    Cancelled(Cancelled),
}

impl From<Cancelled> for Stop {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

/// Some regular files of one directory, none of them empty.
#[derive(Debug)]
pub(super) struct FileBatch<'a> {
    /// The position of the layer in the list of layers.
    pub(super) layer: usize,
    /// The path of the directory in the layer's own tree.
    pub(super) path: &'a Path,
    pub(super) dir: &'a Dir,
    pub(super) files: Vec<(OsString, Stat)>,
}

/// The size of a batch. A directory may hold any number of files.
const BATCH: usize = 512;

enum Task {
    All,
    Layer(usize),
    Dir {
        layer: usize,
        tree: Dir,
        path: PathBuf,
    },
}

/// Visits all regular files that are not empty. What cannot be read is counted and skipped.
///
/// A tree is open only while a thread walks it, and the tasks run depth first, so that few trees
/// are open at a time.
pub(super) fn walk(
    driver: &dyn Driver,
    layers: &[LayerId],
    tally: &Tally,
    visit: impl Fn(FileBatch<'_>) -> Result<(), Stop> + Sync,
) -> Result<(), Stop> {
    run_tasks(default_threads(), Task::All, |task, tasks| match task {
        Task::All => {
            tasks.add_all((0..layers.len()).map(Task::Layer));
            Ok(())
        }
        Task::Layer(layer) => {
            let Some(id) = layers.get(layer) else {
                return Ok(());
            };
            match driver.diff_dir(id) {
                Ok(Some(tree)) => go_through(layer, &tree, Path::new(""), tasks, tally, &visit),
                Ok(None) => Err(Stop::Driver),
                Err(error) => {
                    tally.failed(error);
                    Ok(())
                }
            }
        }
        Task::Dir { layer, tree, path } => go_through(layer, &tree, &path, tasks, tally, &visit),
    })
}

fn go_through(
    layer: usize,
    tree: &Dir,
    path: &Path,
    tasks: &Tasks<'_, Task, Stop>,
    tally: &Tally,
    visit: &impl Fn(FileBatch<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let dir = match open_below(tree, path) {
        Ok(dir) => dir,
        Err(error) => {
            tally.failed(error);
            return Ok(());
        }
    };
    let found = |files| FileBatch {
        layer,
        path,
        dir: &dir,
        files,
    };
    let mut files = Vec::new();
    let below = |name: &OsString| Task::Dir {
        layer,
        tree: tree.clone(),
        path: path.join(name),
    };
    let mut dirs = Vec::new();
    let read = each_entry(&dir, |name, stat| {
        tally.cancel.check()?;
        match stat {
            None => dirs.push(below(&name)),
            Some(stat) => files.push((name, stat)),
        }
        if files.len() < BATCH {
            return Ok(());
        }
        visit(found(std::mem::take(&mut files)))
    });
    tasks.add_all(dirs);
    match read {
        Err(Interrupted::Stop(stop)) => return Err(stop),
        Err(Interrupted::Failed(error)) => tally.failed(error),
        Ok(()) => {}
    }
    if files.is_empty() {
        return Ok(());
    }
    visit(found(files))
}

/// Opens a directory of a tree; the tree itself for an empty path.
pub(super) fn open_below(tree: &Dir, path: &Path) -> Result<Dir, PathError> {
    if path.as_os_str().is_empty() {
        return Ok(tree.clone());
    }
    tree.open_dir_nested(path)
}

enum Interrupted {
    Stop(Stop),
    Failed(PathError),
}

impl From<PathError> for Interrupted {
    fn from(error: PathError) -> Self {
        Self::Failed(error)
    }
}

/// Visits the directories (with `None`) and the files that are not empty.
fn each_entry(
    dir: &Dir,
    mut visit: impl FnMut(OsString, Option<Stat>) -> Result<(), Stop>,
) -> Result<(), Interrupted> {
    for entry in dir.entries()? {
        let entry = entry?;
        let visited = match entry.file_type {
            FileType::Dir => visit(entry.name, None),
            FileType::File => match dir.stat(&entry.name)? {
                Some(stat) if stat.is_file() && stat.size > 0 => visit(entry.name, Some(stat)),
                _ => Ok(()),
            },
            _ => Ok(()),
        };
        visited.map_err(Interrupted::Stop)?;
    }
    Ok(())
}
