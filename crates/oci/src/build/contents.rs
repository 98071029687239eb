//! Turns the source of a layer into a tar, and imports it.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use layerhold::layerhold_schema::Timestamp;
use layerhold::{Diff, DiffCompression, LayerSpec, StageError, StagedLayer, Transaction};
use layerhold_archive::{Codec, PackOptions, pack};
use layerhold_sys::{Cancel, Dir, OpenOptions, best_effort, open_ambient_file, stat_file};
use layerhold_tar_format::{EntryKind, Header, Reader, TarTime, Writer};

use super::change::InvalidSetting;
use super::error::BuildError;
use super::source::{LayerSource, SourceKind};
use crate::copy::PIECE;
use crate::progress::{Event, Reporter};

/// A new layer to be made.
pub(super) struct LayerJob<'s, 'a> {
    pub(super) index: usize,
    pub(super) of: usize,
    pub(super) source: LayerSource<'a>,
    pub(super) parent: Option<layerhold_ids::LayerId>,
    /// The time of all files, if they get one.
    pub(super) time: Option<Timestamp>,
    pub(super) scratch: &'s Path,
    pub(super) progress: &'s Reporter<'s>,
}

/// Checks what the types do not.
pub(super) fn check(source: &LayerSource<'_>) -> Result<(), InvalidSetting> {
    let is_tree = matches!(
        source.kind,
        SourceKind::Directory(_) | SourceKind::File(_) | SourceKind::Filled(_)
    );
    let bad = |field, value: String, reason| {
        Err(InvalidSetting {
            field,
            value,
            reason,
        })
    };
    if !is_tree && !source.below.as_os_str().is_empty() {
        let value = source.below.display().to_string();
        return bad("directory of a layer", value, "only trees can be moved");
    }
    if let (false, Some((user, group))) = (is_tree, source.owner) {
        let value = format!("{user}:{group}");
        return bad("owner of a layer", value, "only trees get another owner");
    }
    let target = layerhold_archive::clean_entry_path(source.below.as_os_str());
    if matches!(source.kind, SourceKind::File(_)) && target.as_os_str().is_empty() {
        let value = source.below.display().to_string();
        return bad("path of a file", value, "it is the root directory");
    }
    Ok(())
}

impl LayerJob<'_, '_> {
    pub(super) fn run(self, transaction: &mut Transaction) -> Result<StagedLayer, BuildError> {
        let (index, progress) = (self.index, self.progress);
        progress.event(Event::LayerBuilding { index, of: self.of });
        let layer = self.import(transaction)?;
        progress.event(Event::LayerFinished { index });
        Ok(layer)
    }

    fn import(self, transaction: &mut Transaction) -> Result<StagedLayer, BuildError> {
        let index = self.index;
        let cancel = transaction.store().options().cancel.clone();
        let unreadable = |source| BuildError::Source { index, source };
        let mut spec = LayerSpec::new().id_of_contents().read_only();
        spec.parent.clone_from(&self.parent);
        let mut options = PackOptions::new()
            .with_directory(&self.source.below)
            .with_cancel(cancel.clone());
        if let Some((user, group)) = self.source.owner {
            options = options.with_owner(user, group);
        }
        if let Some(time) = self.time.and_then(full_seconds) {
            options = options.with_timestamp(time);
        }
        let progress = self.progress;
        let importing = Importing {
            index,
            spec,
            progress,
        };
        match self.source.kind {
            SourceKind::Directory(path) => {
                let tree = Dir::open_ambient(&path).map_err(unreadable)?;
                importing.tree(transaction, &tree, &options)
            }
            SourceKind::Filled(fill) => {
                let no_scratch = |source| BuildError::Scratch {
                    path: self.scratch.to_owned(),
                    source,
                };
                let area = tempfile::tempdir_in(self.scratch).map_err(no_scratch)?;
                let path = area.path().join("tree");
                let tree = Dir::create_ambient_all(&path, 0o755).map_err(unreadable)?;
                fill(&path).map_err(|source| BuildError::Fill { index, source })?;
                let layer = importing.tree(transaction, &tree, &options)?;
                // What cannot be removed is only a temporary directory.
                best_effort(area.close());
                Ok(layer)
            }
            SourceKind::File(path) => {
                let file = open_ambient_file(&path, OpenOptions::read()).map_err(unreadable)?;
                let stat = stat_file(&file).map_err(unreadable)?;
                if !stat.is_file() {
                    return Err(BuildError::NotAFile { index, path });
                }
                let target = layerhold_archive::clean_entry_path(self.source.below.as_os_str());
                let mut header = Header::new(EntryKind::Regular, target.as_os_str().as_bytes());
                header.mode = stat.permissions().into();
                header.size = i64::try_from(stat.size).unwrap_or(i64::MAX);
                let (user, group) = self.source.owner.unwrap_or((stat.uid, stat.gid));
                (header.uid, header.gid) = (user.into(), group.into());
                header.mtime = options.timestamp.unwrap_or(TarTime {
                    seconds: stat.mtime.seconds,
                    nanoseconds: 0,
                });
                importing.written(transaction, |out| write_file(&header, &file, &cancel, out))
            }
            SourceKind::Archive(path) => {
                let file = open_ambient_file(&path, OpenOptions::read()).map_err(unreadable)?;
                importing.stream(transaction, BufReader::with_capacity(PIECE, file))
            }
            SourceKind::Reader(reader) => importing.stream(transaction, reader),
            SourceKind::Container(container) => {
                let store = transaction.store();
                let layer = store.snapshot()?.container(&container)?.layer().clone();
                let plain = DiffCompression::As(Codec::Plain);
                let diff = store.diff(None, &layer, plain)?;
                importing.diff(transaction, diff, &options)
            }
            SourceKind::TreeOf(image) => {
                let tree = transaction.store().tree_tar(&image)?;
                importing.diff(transaction, tree, &options)
            }
        }
    }
}

/// The import of one layer.
struct Importing<'s> {
    index: usize,
    spec: LayerSpec,
    progress: &'s Reporter<'s>,
}

impl Importing<'_> {
    fn tree(
        self,
        transaction: &mut Transaction,
        tree: &Dir,
        options: &PackOptions,
    ) -> Result<StagedLayer, BuildError> {
        self.written(transaction, |out| {
            pack(tree, options, out).map(drop).map_err(io::Error::other)
        })
    }

    fn diff(
        self,
        transaction: &mut Transaction,
        diff: Diff,
        options: &PackOptions,
    ) -> Result<StagedLayer, BuildError> {
        match options.timestamp {
            None => self.stream(transaction, diff),
            Some(time) => self.written(transaction, |out| {
                with_times(diff, time, &options.cancel, out)
            }),
        }
    }

    fn written(
        self,
        transaction: &mut Transaction,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    ) -> Result<StagedLayer, BuildError> {
        let (index, progress) = (self.index, self.progress);
        let counted = |out: &mut dyn Write| {
            let mut out = io::BufWriter::with_capacity(
                PIECE,
                Counted {
                    out,
                    index,
                    progress,
                },
            );
            write(&mut out)?;
            out.flush()
        };
        transaction
            .import_layer_from(self.spec, counted)
            .map_err(|source| failed(index, source))
    }

    fn stream(
        self,
        transaction: &mut Transaction,
        stream: impl Read + Send,
    ) -> Result<StagedLayer, BuildError> {
        let (index, progress) = (self.index, self.progress);
        let mut seen = 0;
        let mut advance = |total: u64| {
            let bytes = total.saturating_sub(seen);
            seen = total;
            progress.event(Event::LayerAdvanced { index, bytes });
        };
        transaction
            .import_layer_with(self.spec, stream, &mut advance)
            .map_err(|source| failed(index, source))
    }
}

fn failed(index: usize, source: StageError) -> BuildError {
    BuildError::Layer {
        index,
        source: Box::new(source),
    }
}

/// Reports what passes.
struct Counted<'a> {
    out: &'a mut dyn Write,
    index: usize,
    progress: &'a Reporter<'a>,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.progress.event(Event::LayerAdvanced {
            index: self.index,
            bytes: written as u64,
        });
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Times of files in full seconds: fractions need headers that not all tools write alike.
fn full_seconds(time: Timestamp) -> Option<TarTime> {
    Some(TarTime {
        seconds: time.unix_seconds(),
        nanoseconds: 0,
    })
}

/// Writes a tar with one file. A file that grows at that time is cut off.
fn write_file(
    header: &Header,
    file: &File,
    cancel: &Cancel,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut writer = Writer::new(out);
    writer.write_header(header).map_err(io::Error::other)?;
    let mut left = file.take(header.content_size());
    let mut piece = vec![0; PIECE];
    loop {
        cancel.check().map_err(io::Error::other)?;
        match left.read(&mut piece) {
            Ok(0) => break,
            Ok(got) => writer
                .write_content(piece.get(..got).unwrap_or_default())
                .map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Refuses a file that has shrunk.
    writer.finish().map(drop).map_err(io::Error::other)
}

/// Writes a tar again, with one time for all entries.
fn with_times(
    tar: impl Read,
    time: TarTime,
    cancel: &Cancel,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut reader = Reader::new(tar);
    let mut writer = Writer::new(out);
    let mut piece = vec![0; PIECE];
    while let Some(mut entry) = reader.next_entry().map_err(io::Error::other)? {
        let header = with_time(entry.header(), time);
        writer.write_header(&header).map_err(io::Error::other)?;
        loop {
            cancel.check().map_err(io::Error::other)?;
            // Reading fills holes.
            match entry.read(&mut piece)? {
                0 => break,
                got => writer
                    .write_content(piece.get(..got).unwrap_or_default())
                    .map_err(io::Error::other)?,
            }
        }
    }
    writer.finish().map(drop).map_err(io::Error::other)
}

/// The header of the same entry with another time, without holes and without times that no tree
/// keeps.
fn with_time(known: &Header, time: TarTime) -> Header {
    let mut header = Header::new(known.kind, known.name.clone());
    header.link_name.clone_from(&known.link_name);
    header.mode = known.mode;
    (header.uid, header.gid) = (known.uid, known.gid);
    header.size = i64::try_from(known.content_size()).unwrap_or(i64::MAX);
    header.mtime = time;
    header.user_name.clone_from(&known.user_name);
    header.group_name.clone_from(&known.group_name);
    (header.device_major, header.device_minor) = (known.device_major, known.device_minor);
    for (name, value) in known.xattrs() {
        header.set_xattr(name, value);
    }
    header
}
