//! Shared by all tests here.

use std::path::{Path, PathBuf};

use layerhold_archive::layerhold_sys::Dir;
use layerhold_archive::layerhold_tar_format::{Event, EventSink, Reader};
use layerhold_archive::{
    ImportError, ImportOptions, Imported, UnpackError, UnpackOptions, Unpacker, import,
};
use layerhold_testkit::{TempDir, Tree, scratch};

/// A directory to unpack into, `root` below a scratch directory.
pub(crate) struct UnpackDir {
    pub(crate) base: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) dir: Dir,
}

impl UnpackDir {
    pub(crate) fn new() -> Self {
        let base = scratch();
        let root = base.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let dir = Dir::open_ambient(&root).unwrap();
        Self { base, root, dir }
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::of(&self.root)
    }

    pub(crate) fn unpack(&self, tar: &[u8]) -> Result<Imported, ImportError> {
        self.unpack_with(tar, UnpackOptions::new())
    }

    pub(crate) fn unpack_with(
        &self,
        tar: &[u8],
        options: UnpackOptions,
    ) -> Result<Imported, ImportError> {
        let unpacker = Unpacker::new(&self.dir, options).unwrap();
        import(tar, &mut (), unpacker, &ImportOptions::default())
    }

    /// Unpacks entry by entry, as a caller without the pipeline does.
    pub(crate) fn unpack_by_entry(&self, tar: &[u8]) -> Result<(), UnpackError> {
        let mut reader = Reader::new(tar);
        let mut unpacker = Unpacker::new(&self.dir, UnpackOptions::new()).unwrap();
        while let Some(mut entry) = reader.next_entry().unwrap() {
            let header = entry.header().clone();
            unpacker.entry(&header, &mut entry)?;
        }
        unpacker.finish().map(drop)
    }
}

/// The error of unpacking inside that of importing.
#[track_caller]
pub(crate) fn unpack_error(result: Result<Imported, ImportError>) -> UnpackError {
    match result {
        Err(ImportError::Unpack(error)) => error,
        other => panic!("not an unpack error: {other:?}"),
    }
}

/// Records every byte of the archive.
#[derive(Default)]
pub(crate) struct Copy(pub(crate) Vec<u8>);

impl EventSink for Copy {
    fn event(&mut self, event: &Event<'_, '_>) -> std::io::Result<()> {
        match event {
            Event::Entry { raw, .. } | Event::End { raw } => self.0.extend_from_slice(raw),
            Event::Payload { data, .. } | Event::Trailing { data } => {
                self.0.extend_from_slice(data);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) fn write(path: impl AsRef<Path>, content: &[u8]) {
    std::fs::write(path, content).unwrap();
}
