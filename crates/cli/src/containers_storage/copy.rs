//! `copy`: files and directories into a layer, possibly from another layer.
//!
//! Paths inside of a layer are resolved with the layer as the root, links included, so that a link
//! in a layer never leads out of it. The Go tool joins paths and follows links out of the layer.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use layerhold::{MountRequest, Snapshot, Unmounting};
use layerhold_archive::{
    PackError, PackOptions, Replace, UnpackError, UnpackOptions, Unpacker, Whiteouts,
};
use layerhold_idmap::IdMappings;
use layerhold_ids::LayerId;
use layerhold_sys::{Dir, FileType, OpenOptions, PathError, set_file_owner, stat_file};
use layerhold_tar_format::{EntryKind, Header, ReadError, Reader, TarTime};

use super::call::Call;
use super::messages::text;
use super::output::note;
use super::owner::Owner;
use crate::failure::Failure;
use crate::packing::{Interrupted, while_packing};

/// Mode of missing directories that are created.
const NEW_DIR_MODE: u32 = 0o755;

/// Why something was not copied.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("cannot read {path}")]
    Pack { path: String, source: PackError },
    #[error("cannot write below {path}")]
    Unpack { path: String, source: UnpackError },
    #[error("cannot pass the archive on")]
    Stream(#[from] ReadError),
    #[error("cannot create a pipe")]
    Pipe(#[source] std::io::Error),
    #[error("{path} is neither a file nor a directory")]
    Kind { path: String },
    #[error("the owner of {path} has no mapping in its layer")]
    Unmapped { path: String },
    #[error("the mapping of the target leaves out {uid}:{gid}")]
    TargetUnmapped { uid: u32, gid: u32 },
}

/// An error, and the source of the copy.
#[derive(Debug, thiserror::Error)]
#[error("error copying {from:?} to {to:?}")]
struct Copying {
    from: String,
    to: String,
    source: CopyError,
}

/// One end of a copy: a path below a root, which is a mounted layer or the root directory.
struct End {
    root: Dir,
    path: PathBuf,
    /// Whether the path ends in a slash, and so can only mean a directory.
    is_directory: bool,
    maps: IdMappings,
}

pub(crate) fn copy(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let mut mounted = Vec::new();
    let copied = copy_all(call, &mut mounted);
    for layer in mounted {
        if let Err(error) = call.store.unmount(layer.as_str(), Unmounting::Once) {
            let error = text(error);
            note(
                call,
                format_args!("error unmounting layer {layer}: {error}"),
            )?;
        }
    }
    copied.map(|()| 0)
}

fn copy_all(call: &mut Call<'_, '_>, mounted: &mut Vec<LayerId>) -> Result<(), Failure> {
    let owner = match call.flags.text("chown") {
        "" => None,
        text => Some(text.parse::<Owner>().map_err(Failure::value)?),
    };
    let Some((to, sources)) = call.operands.split_last() else {
        return Ok(());
    };
    let snapshot = call.store.snapshot()?;
    let target = end(call, &snapshot, to, mounted)?;
    for from in sources {
        let source = end(call, &snapshot, from, mounted)?;
        copy_one(&source, &target, owner).map_err(|source| {
            Failure::value(Copying {
                from: from.clone(),
                to: to.clone(),
                source,
            })
        })?;
    }
    Ok(())
}

/// Mounts the layer that a text names, if it names one.
fn end(
    call: &Call<'_, '_>,
    snapshot: &Snapshot,
    text: &str,
    mounted: &mut Vec<LayerId>,
) -> Result<End, Failure> {
    let is_directory = text.ends_with('/');
    let Some((layer, path)) = text.split_once(':') else {
        return Ok(End {
            root: Dir::open_ambient("/").map_err(Failure::value)?,
            path: call.environment.absolute(text),
            is_directory,
            maps: IdMappings::IDENTITY,
        });
    };
    let layer = snapshot.layer(layer)?;
    let mut request = MountRequest::new().label(layer.mount_label());
    if snapshot.additional_store_of_layer(layer.id()).is_some() {
        request = request.option("ro");
    }
    let place = call.store.mount(layer.id(), &request)?;
    mounted.push(layer.id().clone());
    Ok(End {
        root: Dir::open_ambient(place).map_err(Failure::value)?,
        path: PathBuf::from(path),
        is_directory,
        maps: snapshot.shown_id_maps(&layer),
    })
}

fn copy_one(source: &End, target: &End, owner: Option<Owner>) -> Result<(), CopyError> {
    // Opened as a path only: opening a pipe or a device has effects.
    let found = source
        .root
        .open_in_root(&source.path, OpenOptions::path_only())?;
    match stat_file(&found)?.file_type() {
        FileType::Dir => copy_tree(source, target, owner),
        FileType::File => copy_file(source, target, owner),
        _ => Err(CopyError::Kind {
            path: source.path.display().to_string(),
        }),
    }
}

/// Copies a file to a path, or into a directory if the path ends in a slash (Go:
/// `CopyFileWithTar`).
fn copy_file(source: &End, target: &End, owner: Option<Owner>) -> Result<(), CopyError> {
    let mut path = target.path.clone();
    if target.is_directory {
        path.push(source.path.file_name().unwrap_or_default());
    }
    let mut file = source
        .root
        .open_in_root(&source.path, OpenOptions::read())?;
    let header = file_header(source, &file, &path, owner)?;
    let parent = path.parent().unwrap_or(Path::new(""));
    make_directories(target, parent, owner)?;
    let mut unpacker = unpacker(target, Replace::SameKind)?;
    unpacker
        .entry(&header, &mut file)
        .and_then(|()| unpacker.finish())
        .map_err(|source| failed(target, source))?;
    Ok(())
}

fn file_header(
    source: &End,
    file: &File,
    path: &Path,
    owner: Option<Owner>,
) -> Result<Header, CopyError> {
    let stat = stat_file(file)?;
    let owner = match owner {
        Some(owner) => owner,
        None => inside(source, stat.uid, stat.gid)?,
    };
    let mut header = Header::new(EntryKind::Regular, path.as_os_str().as_bytes());
    header.mode = i64::from(stat.mode & 0o7777);
    header.size = i64::try_from(stat.size).unwrap_or(i64::MAX);
    header.mtime = TarTime {
        seconds: stat.mtime.seconds,
        nanoseconds: stat.mtime.nanoseconds,
    };
    set_owner(&mut header, owner);
    Ok(header)
}

fn set_owner(header: &mut Header, owner: Owner) {
    (header.uid, header.gid) = (owner.uid.into(), owner.gid.into());
}

/// Copies the content of a directory into another one, which is created if it is missing (Go:
/// `CopyWithTar`).
fn copy_tree(source: &End, target: &End, owner: Option<Owner>) -> Result<(), CopyError> {
    let tree = source.root.resolve_dir_in_root(&source.path)?;
    make_directories(target, &target.path, owner)?;
    let mut unpacker = unpacker(target, Replace::Any)?;
    let options = PackOptions::new().with_id_maps(source.maps.clone());
    let read = |pipe| unpack(pipe, &mut unpacker, target, owner);
    while_packing(&tree, &options, read).map_err(|error| match error {
        Interrupted::Pipe(error) => CopyError::Pipe(error),
        Interrupted::Pack(source) => CopyError::Pack {
            path: tree.path().display().to_string(),
            source,
        },
        Interrupted::Read(error) => error,
    })?;
    unpacker.finish().map_err(|source| failed(target, source))?;
    Ok(())
}

/// Unpacks a stream below the path of the target.
fn unpack(
    stream: impl std::io::Read,
    unpacker: &mut Unpacker,
    target: &End,
    owner: Option<Owner>,
) -> Result<(), CopyError> {
    let failed = |source| failed(target, source);
    let mut reader = Reader::new(stream);
    while let Some(mut entry) = reader.next_entry()? {
        let mut header = entry.header().clone();
        header.name = below(&target.path, &header.name);
        if header.kind == EntryKind::HardLink {
            header.link_name = below(&target.path, &header.link_name);
        }
        if let Some(owner) = owner {
            set_owner(&mut header, owner);
        }
        unpacker.begin(&header).map_err(failed)?;
        while let Some(chunk) = entry.next_chunk()? {
            unpacker
                .write_at(chunk.offset, chunk.data)
                .map_err(failed)?;
        }
        unpacker.end().map_err(failed)?;
    }
    Ok(())
}

/// The name of an entry below a path of the target.
fn below(path: &Path, name: &[u8]) -> Vec<u8> {
    path.join(OsStr::from_bytes(name))
        .into_os_string()
        .into_encoded_bytes()
}

fn unpacker(target: &End, replace: Replace) -> Result<Unpacker, CopyError> {
    let mut options = UnpackOptions::new();
    options.id_maps = target.maps.clone();
    options.replace = replace;
    // A file with the name of a whiteout is an ordinary file here.
    options.whiteouts = Whiteouts::Keep;
    Ok(Unpacker::new(&target.root, options)?)
}

fn failed(target: &End, source: UnpackError) -> CopyError {
    CopyError::Unpack {
        path: target.root.path().display().to_string(),
        source,
    }
}

/// Creates a directory with its parents; new ones belong to the given owner, or to root of the
/// layer.
fn make_directories(target: &End, path: &Path, owner: Option<Owner>) -> Result<(), CopyError> {
    let wanted = owner.unwrap_or(Owner { uid: 0, gid: 0 });
    let outside = outside(target, wanted)?;
    let is_own = owner.is_none() && target.maps.is_identity();
    let relative: PathBuf = path
        .components()
        .filter(|component| !matches!(component, Component::RootDir))
        .collect();
    target
        .root
        .create_dir_all_in_root(&relative, NEW_DIR_MODE, &mut |made| {
            if is_own {
                return Ok(());
            }
            set_file_owner(made, Some(outside.uid), Some(outside.gid))
        })?;
    Ok(())
}

/// An owner on disk as the layer sees it.
fn inside(end: &End, uid: u32, gid: u32) -> Result<Owner, CopyError> {
    use layerhold_idmap::HostOwner;
    let owner = end.maps.to_container(HostOwner::new(uid, gid));
    let owner = owner.map_err(|_| CopyError::Unmapped {
        path: end.path.display().to_string(),
    })?;
    Ok(Owner {
        uid: owner.uid.get(),
        gid: owner.gid.get(),
    })
}

/// An owner in the layer as it is on disk.
fn outside(end: &End, owner: Owner) -> Result<Owner, CopyError> {
    use layerhold_idmap::ContainerOwner;
    let Owner { uid, gid } = owner;
    let host = end.maps.to_host(ContainerOwner::new(uid, gid));
    let host = host.map_err(|_| CopyError::TargetUnmapped { uid, gid })?;
    Ok(Owner {
        uid: host.uid.get(),
        gid: host.gid.get(),
    })
}
