//! `layerhold build`, `commit` and `import`.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use layerhold_oci::{BuiltImage, ImageBuilder, LayerSource};
use serde_json::json;

use super::args::{Build, Commit, Configuration, Import, LayerArgument};
use super::call::Call;
use super::load::{TAR_FROM_TERMINAL, warn_of_depth};
use crate::failure::Failure;

pub(super) fn build(call: &mut Call<'_, '_>, args: Build, scratch: PathBuf) -> Result<(), Failure> {
    if args.base.is_none() && args.layers.0.is_empty() {
        return Err(Failure::Flags(
            "cannot build an image of nothing: give --dir, --file, --layer or --base",
        ));
    }
    let mut input = Some(std::mem::replace(
        &mut call.streams.input,
        Box::new(io::empty()),
    ));
    let mut builder = match args.base {
        Some(base) => ImageBuilder::from_image(base),
        None => ImageBuilder::new(),
    };
    for layer in args.layers.0 {
        builder = builder.layer(match layer {
            LayerArgument::Directory { path, target } => LayerSource::directory(path).below(target),
            LayerArgument::File { path, target } => LayerSource::file(path, target),
            LayerArgument::Archive(path) => archive(path, &mut input)?,
        });
    }
    for name in args.name {
        builder = builder.name(name);
    }
    finish(call, builder, args.configuration, args.squash, scratch)
}

pub(super) fn commit(
    call: &mut Call<'_, '_>,
    args: Commit,
    scratch: PathBuf,
) -> Result<(), Failure> {
    let mut builder = ImageBuilder::from_container(args.container);
    if let Some(name) = args.name {
        builder = builder.name(name);
    }
    finish(call, builder, args.configuration, args.squash, scratch)
}

pub(super) fn import(
    call: &mut Call<'_, '_>,
    args: Import,
    scratch: PathBuf,
) -> Result<(), Failure> {
    let mut input = Some(std::mem::replace(
        &mut call.streams.input,
        Box::new(io::empty()),
    ));
    let layer = match Path::new(&args.source).is_dir() {
        true => LayerSource::directory(args.source),
        false => archive(args.source, &mut input)?,
    };
    let mut builder = ImageBuilder::new().layer(layer);
    if let Some(name) = args.name {
        builder = builder.name(name);
    }
    finish(call, builder, args.configuration, false, scratch)
}

type Input = Option<Box<dyn Read + Send>>;

/// A tar in a file, or on standard input, which can be read once.
fn archive(path: PathBuf, input: &mut Input) -> Result<LayerSource<'static>, Failure> {
    if path.as_os_str() != "-" {
        return Ok(LayerSource::archive(path));
    }
    if io::stdin().is_terminal() {
        return Err(Failure::Flags(TAR_FROM_TERMINAL));
    }
    match input.take() {
        Some(input) => Ok(LayerSource::reader(NotEmpty {
            input,
            is_empty: true,
        })),
        None => Err(Failure::Flags(
            "cannot read two layers from standard input: give a file for one of them",
        )),
    }
}

/// Input that has to have something. A program that fails leaves a pipe empty, which would become
/// an empty layer.
struct NotEmpty {
    input: Box<dyn Read + Send>,
    is_empty: bool,
}

impl Read for NotEmpty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        if length == 0 && self.is_empty && !buffer.is_empty() {
            return Err(io::Error::other(EmptyInput));
        }
        self.is_empty &= length == 0;
        Ok(length)
    }
}

/// Why standard input is no tar.
#[derive(Debug, thiserror::Error)]
#[error(
    "standard input is empty, without even the end of a tar: the program that writes it may have failed"
)]
struct EmptyInput;

/// Why words cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {text:?} as words: it begins with `[`, and is not a JSON array of texts")]
struct NoWords {
    text: String,
    source: serde_json::Error,
}

/// The words of a command: each text is one, unless the only text is a JSON array.
fn words(texts: Vec<String>) -> Result<Vec<String>, NoWords> {
    match texts.as_slice() {
        [text] if text.starts_with('[') => serde_json::from_str(text).map_err(|source| NoWords {
            text: text.clone(),
            source,
        }),
        _ => Ok(texts),
    }
}

fn configured<'a>(
    mut builder: ImageBuilder<'a>,
    wanted: Configuration,
) -> Result<ImageBuilder<'a>, NoWords> {
    if !wanted.entrypoint.is_empty() {
        builder = builder.entrypoint(words(wanted.entrypoint)?);
    }
    if !wanted.cmd.is_empty() {
        builder = builder.command(words(wanted.cmd)?);
    }
    for pair in wanted.env {
        builder = builder.env(pair.name, pair.value);
    }
    for pair in wanted.label {
        builder = builder.label(pair.name, pair.value);
    }
    if let Some(user) = wanted.user {
        builder = builder.user(user);
    }
    if let Some(directory) = wanted.workdir {
        builder = builder.working_directory(directory);
    }
    for port in wanted.expose {
        builder = builder.port(port);
    }
    for volume in wanted.volume {
        builder = builder.volume(volume);
    }
    if let Some(signal) = wanted.stop_signal {
        builder = builder.stop_signal(signal);
    }
    if let Some(platform) = wanted.platform {
        builder = builder.platform(platform);
    }
    if let Some(author) = wanted.author {
        builder = builder.author(author);
    }
    if let Some(message) = wanted.message {
        builder = builder.comment(message);
    }
    if let Some(time) = wanted.created {
        builder = builder.created(time.0);
    }
    if let Some(time) = wanted.timestamp {
        builder = builder.timestamp(time.0);
    }
    Ok(builder)
}

/// Builds the image and prints its ID.
fn finish(
    call: &mut Call<'_, '_>,
    builder: ImageBuilder<'_>,
    configuration: Configuration,
    squash: bool,
    scratch: PathBuf,
) -> Result<(), Failure> {
    let mut builder = configured(builder, configuration)
        .map_err(Failure::value)?
        .scratch(scratch);
    if squash {
        builder = builder.squash();
    }
    let built = builder.build_with(call.store, &call.progress);
    call.progress.clear();
    let built = built.map_err(Failure::value)?;
    warn_of_depth(call, built.id.as_str())?;
    if call.is_json() {
        return call.json(&as_json(&built));
    }
    call.line(&built.id)
}

fn as_json(built: &BuiltImage) -> serde_json::Value {
    let layers: Vec<&str> = built.layers.iter().map(|layer| layer.as_str()).collect();
    json!({
        "id": built.id.as_str(),
        "names": built.names,
        "digest": built.digest.as_str(),
        "layers": layers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_input_is_an_error_and_its_end_is_not() {
        let read = |input: &'static [u8]| {
            let mut reader = NotEmpty {
                input: Box::new(input),
                is_empty: true,
            };
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        };
        assert_eq!(read(b"tar").unwrap(), b"tar");
        assert!(read(b"").unwrap_err().to_string().contains("is empty"));
    }

    #[test]
    fn words_are_given_one_by_one_or_as_json() {
        let check = |texts: &[&str], expected: &[&str]| {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(words(texts).unwrap(), expected);
        };
        check(&["a b"], &["a b"]);
        check(&["a", "[b"], &["a", "[b"]);
        check(&["[\"a\", \"b\"]"], &["a", "b"]);
        check(&["[]"], &[]);
        for text in ["[", "[1]", "[\"a\"] x"] {
            assert_eq!(words(vec![text.to_owned()]).unwrap_err().text, text);
        }
    }
}
