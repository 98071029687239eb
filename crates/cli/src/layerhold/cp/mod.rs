//! `layerhold cp`.
//!
//! Everything passes as a tar: a file or a tree is packed on one side and unpacked on the other.
//! Both sides are looked up below the root of their container, so that no link leads out of it.

mod end;
mod place;
mod user;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufWriter, Cursor, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use layerhold::Item;
use layerhold_archive::{
    Change, ChangeKind, Codec, CodecError, PackError, PackOptions, Replace, SNIFF_LEN, Summary,
    UnmappedOwners, UnpackError, UnpackOptions, Unpacker, UserNamespace, Whiteouts, decompressor,
    pack, pack_changes,
};
use layerhold_sys::{Dir, FileType, PathError, in_user_namespace};
use layerhold_tar_format::{EntryKind, Header, ReadError, Reader, WriteError};
use serde_json::json;

use self::end::{End, Operand, operand};
use self::place::Place;
use super::archive_output::ARCHIVE_ON_TERMINAL;
use super::args::Copy;
use super::call::Call;
use super::load::TAR_FROM_TERMINAL;
use super::units::count;
use crate::environment::Environment;
use crate::failure::{Failure, stream};
use crate::packing::{Interrupted, while_writing};

/// The bits of a mode that let a file run as its owner or group.
const SET_ID: i64 = 0o6000;

/// Why something is not copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(
        "cannot copy between two paths of this machine: put NAME: before the path in a container"
    )]
    NoContainer,
    #[error("cannot copy into {what} {id}: only containers can be changed")]
    ReadOnly { what: &'static str, id: String },
    #[error("cannot copy {path}: it does not exist")]
    NoSource { path: String },
    #[error("cannot copy {path}: it is neither a file nor a directory")]
    Kind { path: String },
    #[error("cannot use {path} as a directory: it is none")]
    NotADirectory { path: String },
    #[error("cannot copy the directory {path} to {target}: that is no directory")]
    OntoFile { path: String, target: String },
    #[error(
        "cannot copy a directory within one container: `layerhold mount NAME -- cp -a {{}}/FROM {{}}/TO` can"
    )]
    IntoItself,
    #[error("cannot copy to {path}: there is no such directory")]
    NoDirectory { path: String },
    #[error("cannot unpack standard input to {path}: it is not an existing directory")]
    StreamTarget { path: String },
    #[error(
        "cannot copy between standard input and standard output: put NAME:PATH in place of one of them"
    )]
    TwoStreams,
    #[error("cannot read {path}")]
    Pack { path: String, source: PackError },
    #[error("cannot write to {path}{}", hint(source))]
    Unpack { path: String, source: UnpackError },
    #[error("cannot read the archive")]
    Archive(#[from] ReadError),
    #[error("cannot decompress the archive")]
    Codec(#[from] CodecError),
    #[error("cannot read standard input")]
    Input(#[source] std::io::Error),
    #[error("cannot pass files on")]
    Pipe(#[source] std::io::Error),
}

/// The flag that helps against an error.
fn hint(error: &UnpackError) -> &'static str {
    match error {
        UnpackError::KindDiffers { .. } => {
            " (--overwrite lets directories and other files replace each other)"
        }
        _ => "",
    }
}

pub(super) fn run(
    call: &mut Call<'_, '_>,
    args: &Copy,
    environment: &Environment,
) -> Result<(), Failure> {
    // An interrupted copy unmounts what it mounted. What was copied stays.
    call.interruption.watch_to_stop();
    let snapshot = call.store.snapshot()?;
    let (from, to) = (
        operand(&snapshot, &args.source)?,
        operand(&snapshot, &args.target)?,
    );
    match (&from, &to) {
        (Operand::Stream, Operand::Stream) => return Err(Failure::value(CopyError::TwoStreams)),
        (Operand::Host(_) | Operand::Stream, Operand::Host(_) | Operand::Stream) => {
            return Err(Failure::value(CopyError::NoContainer));
        }
        (_, Operand::Inside(item, _)) => must_be_container(item)?,
        _ => {}
    }
    let end = |operand| match operand {
        Operand::Stream => Ok(None),
        Operand::Host(text) => End::on_host(environment, text).map(Some),
        Operand::Inside(item, text) => End::inside(call, &snapshot, &item, text).map(Some),
    };
    let (from, to) = (end(from)?, end(to)?);
    let copied = match (&from, &to) {
        (Some(from), Some(to)) => copy(call, args, from, to)?,
        (None, Some(to)) => unpack_input(call, args, to)?,
        (Some(from), None) => return write_tar(call, from),
        (None, None) => return Ok(()),
    };
    if call.is_json() {
        let (entries, bytes) = (copied.entries, copied.bytes);
        return call.json(&json!({ "entries": entries, "bytes": bytes }));
    }
    Ok(())
}

fn must_be_container(item: &Item) -> Result<(), Failure> {
    let (what, id) = match item {
        Item::Container(_) => return Ok(()),
        Item::Image(image) => ("image", image.id().to_string()),
        Item::Layer(layer) => ("layer", layer.id().to_string()),
    };
    Err(Failure::value(CopyError::ReadOnly { what, id }))
}

/// A file or tree to be read.
enum Source {
    Tree(Dir),
    File { parent: Dir, name: OsString },
}

fn source(from: &End) -> Result<Source, CopyError> {
    let no_source = || CopyError::NoSource {
        path: from.text.clone(),
    };
    match from.place() {
        Ok(Place::Directory(dir)) => Ok(Source::Tree(dir)),
        Ok(Place::Other { parent, name }) => {
            let stat = parent.stat(&name)?.ok_or_else(no_source)?;
            match stat.file_type() {
                FileType::File => Ok(Source::File { parent, name }),
                _ => Err(CopyError::Kind {
                    path: from.text.clone(),
                }),
            }
        }
        Ok(Place::Missing { .. }) => Err(no_source()),
        Err(CopyError::Path(error)) if error.is_not_found() => Err(no_source()),
        Err(error) => Err(error),
    }
}

/// Where the copy goes: a directory, and the name in it, which is empty for what is in a tree.
struct Target {
    dir: Dir,
    name: OsString,
}

/// The rules of `podman cp` and `docker cp`.
fn target(from: &End, source: &Source, to: &End) -> Result<Target, CopyError> {
    let is_tree = matches!(source, Source::Tree(_));
    let no_directory = |path: String| CopyError::NoDirectory { path };
    let place = match to.place() {
        Err(CopyError::Path(error)) if error.is_not_found() => {
            return Err(no_directory(to.parent()));
        }
        other => other?,
    };
    match place {
        Place::Directory(dir) if is_tree && from.means_contents() => Ok(Target {
            dir,
            name: OsString::new(),
        }),
        Place::Directory(dir) => Ok(Target {
            dir,
            name: from.name(),
        }),
        Place::Other { .. } if is_tree => Err(CopyError::OntoFile {
            path: from.text.clone(),
            target: to.text.clone(),
        }),
        Place::Missing { .. } if !is_tree && to.wants_directory() => {
            Err(no_directory(to.text.clone()))
        }
        Place::Other { parent, name } | Place::Missing { parent, name } => {
            Ok(Target { dir: parent, name })
        }
    }
}

fn copy(call: &mut Call<'_, '_>, args: &Copy, from: &End, to: &End) -> Result<Summary, Failure> {
    let source = source(from).map_err(Failure::value)?;
    let target = target(from, &source, to).map_err(Failure::value)?;
    if matches!(source, Source::Tree(_)) && from.is_in_the_tree_of(to) {
        return Err(Failure::value(CopyError::IntoItself));
    }
    let mut options = packing(call, from);
    if args.archive {
        let (uid, gid) = to.owner()?;
        options = options.with_owner(uid, gid);
    }
    let mut unpacker = unpacker(args, to, &target.dir)?;
    let mut unpacking = Unpacking::to(to);
    // A file is packed under its own name.
    if let Source::File { .. } = &source {
        unpacking.name = Some(&target.name);
    }
    unpacking.drops_set_id = to.is_host() && args.archive;
    let passed = while_writing(
        |out| write_source(&source, &target.name, options, out),
        |pipe| unpacking.unpack(pipe, &mut unpacker),
    );
    passed
        .map_err(|error| match error {
            Interrupted::Pipe(error) => CopyError::Pipe(error),
            Interrupted::Pack(source) => CopyError::Pack {
                path: from.text.clone(),
                source,
            },
            Interrupted::Read(error) => error,
        })
        .map_err(Failure::value)?;
    if !unpacking.devices.is_empty() {
        let left_out = count(unpacking.devices.len(), "device");
        call.note(format_args!(
            "layerhold: left out {left_out}, which copies on this machine do not become"
        ))?;
    }
    finished(unpacker, to)
}

fn packing(call: &Call<'_, '_>, from: &End) -> PackOptions {
    PackOptions::new()
        .with_cancel(call.interruption.cancel())
        .with_id_maps(from.maps.clone())
        // Owners that the container cannot have, it sees so.
        .with_unmapped(UnmappedOwners::Overflow)
}

/// Writes a source as a tar. A tree gets a name, a file keeps its own.
fn write_source<W: Write>(
    source: &Source,
    name: &OsStr,
    options: PackOptions,
    out: W,
) -> Result<W, PackError> {
    match source {
        Source::Tree(dir) => pack(dir, &options.with_directory(name), out),
        Source::File { parent, name: own } => {
            let change = Change {
                path: Path::new("/").join(own),
                kind: ChangeKind::Add,
            };
            pack_changes(parent, &[change], &options, out)
        }
    }
}

fn unpacker(args: &Copy, to: &End, dir: &Dir) -> Result<Unpacker, Failure> {
    let mut options = UnpackOptions::new()
        .with_id_maps(to.maps.clone())
        .with_replace(match args.overwrite {
            true => Replace::Any,
            false => Replace::SameKind,
        })
        // A file with the name of a whiteout is an ordinary file here.
        .with_whiteouts(Whiteouts::Keep);
    if in_user_namespace().unwrap_or(false) {
        options = options.with_user_namespace(UserNamespace::Child);
    }
    Unpacker::new(dir, options).map_err(Failure::value)
}

/// How a tar is unpacked.
struct Unpacking<'a> {
    to: &'a End,
    /// The owner of everything, if it is not that in the tar.
    owner: Option<(u32, u32)>,
    /// The name of the only entry, if it is not that in the tar.
    name: Option<&'a OsStr>,
    /// Whether files lose the bits that let them run as their owner. Here that is another one.
    drops_set_id: bool,
    /// Devices that were left out, because they would be those of this machine.
    devices: HashSet<Vec<u8>>,
}

impl<'a> Unpacking<'a> {
    fn to(to: &'a End) -> Self {
        Unpacking {
            to,
            owner: None,
            name: None,
            drops_set_id: false,
            devices: HashSet::new(),
        }
    }

    fn unpack(&mut self, tar: impl Read, unpacker: &mut Unpacker) -> Result<(), CopyError> {
        let path = &self.to.text;
        let failed = |source| CopyError::Unpack {
            path: path.clone(),
            source,
        };
        let mut reader = Reader::new(tar);
        while let Some(mut entry) = reader.next_entry()? {
            let mut header = entry.header().clone();
            if let Some((uid, gid)) = self.owner {
                (header.uid, header.gid) = (uid.into(), gid.into());
            }
            if let Some(name) = self.name {
                header.name = name.as_bytes().to_vec();
            }
            if self.drops_set_id {
                header.mode &= !SET_ID;
            }
            if self.to.is_host() && self.is_device(&header) {
                self.devices.insert(header.name);
                continue;
            }
            unpacker.begin(&header).map_err(failed)?;
            while let Some(chunk) = entry.next_chunk()? {
                let written = unpacker.write_at(chunk.offset, chunk.data);
                written.map_err(failed)?;
            }
            unpacker.end().map_err(failed)?;
        }
        Ok(())
    }

    /// Whether an entry is a device, or another name of one.
    fn is_device(&self, header: &Header) -> bool {
        match header.kind {
            EntryKind::CharDevice | EntryKind::BlockDevice => true,
            EntryKind::HardLink => self.devices.contains(&header.link_name),
            _ => false,
        }
    }
}

fn finished(unpacker: Unpacker, to: &End) -> Result<Summary, Failure> {
    unpacker.finish().map_err(|source| {
        Failure::value(CopyError::Unpack {
            path: to.text.clone(),
            source,
        })
    })
}

/// Unpacks standard input, compressed or not, into a directory.
fn unpack_input(call: &mut Call<'_, '_>, args: &Copy, to: &End) -> Result<Summary, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::Flags(TAR_FROM_TERMINAL));
    }
    let no_directory = || CopyError::StreamTarget {
        path: to.text.clone(),
    };
    let dir = match to.place() {
        Ok(Place::Directory(dir)) => dir,
        Ok(_) | Err(CopyError::NotADirectory { .. }) => return Err(Failure::value(no_directory())),
        Err(CopyError::Path(error)) if error.is_not_found() => {
            return Err(Failure::value(no_directory()));
        }
        Err(error) => return Err(Failure::value(error)),
    };
    let owner = match args.archive {
        true => Some(to.owner()?),
        false => None,
    };
    let mut unpacker = unpacker(args, to, &dir)?;
    let mut start = Vec::new();
    let input = &mut call.streams.input;
    input
        .by_ref()
        .take(SNIFF_LEN as u64)
        .read_to_end(&mut start)
        .map_err(|error| Failure::value(CopyError::Input(error)))?;
    let codec = Codec::sniff(&start);
    let whole = Cursor::new(start).chain(input);
    let mut unpacking = Unpacking::to(to);
    unpacking.owner = owner;
    decompressor(codec, whole)
        .map_err(CopyError::from)
        .and_then(|tar| unpacking.unpack(tar, &mut unpacker))
        .map_err(Failure::value)?;
    finished(unpacker, to)
}

/// Writes a tar to standard output, with owners as in the container.
fn write_tar(call: &mut Call<'_, '_>, from: &End) -> Result<(), Failure> {
    if call.streams.out_is_terminal() {
        return Err(Failure::Flags(ARCHIVE_ON_TERMINAL));
    }
    let source = source(from).map_err(Failure::value)?;
    let name = match &source {
        Source::Tree(_) if from.means_contents() => OsString::new(),
        _ => from.name(),
    };
    let options = packing(call, from);
    let out = BufWriter::new(call.streams.exact());
    let written = write_source(&source, &name, options, out);
    let flushed = written.map(|mut out| out.flush());
    match flushed {
        Ok(flushed) => flushed.map_err(stream),
        Err(PackError::Write {
            source: WriteError::Destination(error),
            ..
        }) => Err(stream(error)),
        Err(source) => Err(Failure::value(CopyError::Pack {
            path: from.text.clone(),
            source,
        })),
    }
}
