//! `layerhold push`.

use std::io::Write;
use std::path::{Path, PathBuf};

use layerhold_archive::Level;
use layerhold_image_policy::Policy;
use layerhold_oci::{
    ManifestFormat, PushCompression, PushOptions, Pushed, Registries, find_image, push, push_index,
};
use layerhold_sys::OutputFile;
use serde_json::json;

use super::args::{ManifestChoice, Push, PushCodec};
use super::call::Call;
use super::find::known_name;
use super::pull::event;
use super::remote::{check_transport, for_transfer, without_transport};
use super::transfer::{self, Direction, Limit};
use super::units::count;
use crate::environment::Environment;
use crate::failure::Failure;

/// Why an image is not pushed.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("cannot tell where to push {image}: it has no name; give a destination")]
    NoName { image: String },
    #[error("cannot tell where to push {image}: it has the names {}; give one as the destination", names.join(", "))]
    SeveralNames { image: String, names: Vec<String> },
    #[error(
        "cannot push {name} by its own name, which is one of this machine; give a destination, as in {example}"
    )]
    LocalName { name: String, example: String },
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        Failure::value(error)
    }
}

pub(super) fn run(
    call: &mut Call<'_, '_>,
    args: &Push,
    format: Option<ManifestChoice>,
    environment: &Environment,
    scratch: PathBuf,
) -> Result<(), Failure> {
    let (images, destination) = operands(call, &args.images)?;
    let (access, patience) = (&args.access, &args.patience);
    // The policy says which images come in.
    let policy = Policy::reject();
    let registries = for_transfer(access, patience, policy, environment, call.streams)?;
    let options = options(args, format, scratch);
    let limit = Limit::starting(patience.timeout);
    let pushed = send(call, &images, &destination, &registries, &options, limit)?;
    if let Some(path) = &args.digest_file {
        write_digest(&environment.directory.join(path), &pushed)?;
    }
    tell(call, &args.images, &pushed)
}

/// The images, and where they go.
fn operands(call: &Call<'_, '_>, given: &[String]) -> Result<(Vec<String>, String), Failure> {
    match given {
        [image] => Ok((vec![image.clone()], own_name(call, image)?)),
        [images @ .., destination] => {
            check_transport(destination)?;
            let name = without_transport(destination);
            Ok((images.to_vec(), name.to_owned()))
        }
        // The parser of the command line wants one at least.
        [] => Ok((Vec::new(), String::new())),
    }
}

/// The name that an image is pushed by if there is no other.
fn own_name(call: &Call<'_, '_>, text: &str) -> Result<String, Failure> {
    let snapshot = call.store.snapshot()?;
    let image = find_image(&snapshot, text)?;
    let name = match (known_name(&image, text), image.names()) {
        (Some(name), _) => name,
        (None, [name]) => name.clone(),
        (None, names) => {
            let (image, names) = (text.to_owned(), names.to_vec());
            return Err(match names.is_empty() {
                true => PushError::NoName { image }.into(),
                false => PushError::SeveralNames { image, names }.into(),
            });
        }
    };
    match name.strip_prefix("localhost/") {
        Some(rest) => {
            let example = format!("quay.io/NAME/{rest}");
            Err(PushError::LocalName { name, example }.into())
        }
        None => Ok(name),
    }
}

fn options(args: &Push, format: Option<ManifestChoice>, scratch: PathBuf) -> PushOptions {
    let compression = match args.compression {
        None => PushCompression::Keep,
        Some(PushCodec::Gzip) => PushCompression::Gzip,
        Some(PushCodec::Zstd) => PushCompression::Zstd,
        Some(PushCodec::None) => PushCompression::None,
    };
    let mut options = PushOptions::default()
        .compression(compression, args.compression_level.map(Level))
        .connections(args.connections.into())
        .scratch(scratch);
    if let Some(format) = args.manifest_format.or(format) {
        options = options.format(match format {
            ManifestChoice::Oci => ManifestFormat::Oci,
            ManifestChoice::Docker => ManifestFormat::Docker,
        });
    }
    if args.preserve_digests {
        options = options.preserve_digests();
    }
    match args.remove_signatures {
        true => options.remove_signatures(),
        false => options,
    }
}

fn send(
    call: &mut Call<'_, '_>,
    images: &[String],
    destination: &str,
    registries: &Registries,
    options: &PushOptions,
    limit: Option<Limit>,
) -> Result<Pushed, Failure> {
    transfer::run(
        call,
        Direction::Push,
        limit,
        |store, progress| match images {
            [image] => push(store, registries, image, destination, options, progress),
            images => push_index(store, registries, images, destination, options, progress),
        },
    )
}

/// Writes the digest as podman does, without a newline.
fn write_digest(path: &Path, pushed: &Pushed) -> Result<(), Failure> {
    let unwritable = |source| Failure::File {
        path: path.display().to_string(),
        source,
    };
    let mut file = OutputFile::create(path).map_err(unwritable)?;
    let digest = pushed.digest.as_str();
    file.write_all(digest.as_bytes()).map_err(unwritable)?;
    file.publish().map_err(unwritable)
}

fn tell(call: &mut Call<'_, '_>, given: &[String], pushed: &Pushed) -> Result<(), Failure> {
    let (reference, digest) = (pushed.reference.to_string(), pushed.digest.as_str());
    if call.is_json() {
        let value = json!({
            "event": "pushed",
            "image": given.first(),
            "destination": reference,
            "digest": digest,
            "layers": { "sent": pushed.sent, "reused": pushed.reused },
        });
        return event(call, &value);
    }
    if call.is_quiet {
        return Ok(());
    }
    let new = count(pushed.sent, "layer");
    let known = pushed.reused;
    call.note(format_args!("{reference}: {new} sent, {known} known there"))?;
    call.line(digest)
}
