//! Writes blobs under their digests.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::content::Layer;
use super::documents::layer_type;
use super::{Compression, Descriptor, Format, MadeLayer};

/// The blob directory of an OCI layout.
#[derive(Debug)]
pub(super) struct Blobs {
    directory: PathBuf,
    compression: Compression,
    pub(super) format: Format,
}

impl Blobs {
    pub(super) fn create(layout: &Path, compression: Compression, format: Format) -> Self {
        let directory = layout.join("blobs/sha256");
        std::fs::create_dir_all(&directory).expect("the directory is writable");
        Self {
            directory,
            compression,
            format,
        }
    }

    /// Makes a layer and keeps it compressed.
    pub(super) fn layer(&self, layer: &Layer, seed: u64, index: usize) -> MadeLayer {
        let (tar, packed) = (self.directory.join("tar"), self.directory.join("packed"));
        let mut out = BufWriter::with_capacity(1 << 20, create(&tar));
        let written = layer.write(&mut out, seed, index);
        written
            .and_then(|()| out.flush())
            .expect("the directory is writable");
        let diff_id = sha256(&tar);
        let digest = match compressor(self.compression) {
            None => {
                std::fs::rename(&tar, &packed).expect("both are in one directory");
                diff_id.clone()
            }
            Some(words) => {
                compress(words, &tar, &packed);
                std::fs::remove_file(&tar).expect("it was just made");
                sha256(&packed)
            }
        };
        let media_type = layer_type(self.format, self.compression);
        MadeLayer {
            descriptor: self.keep(&packed, &digest, media_type),
            diff_id,
        }
    }

    /// Keeps a document.
    pub(super) fn document(&self, text: &str, media_type: &str) -> Descriptor {
        let file = self.directory.join("document");
        std::fs::write(&file, text).expect("the directory is writable");
        let digest = sha256(&file);
        self.keep(&file, &digest, media_type)
    }

    fn keep(&self, file: &Path, digest: &str, media_type: &str) -> Descriptor {
        let size = file.metadata().expect("it was just made").len();
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        std::fs::rename(file, self.directory.join(hex)).expect("both are in one directory");
        Descriptor {
            media_type: media_type.into(),
            digest: digest.into(),
            size,
        }
    }
}

/// The command that compresses its input. Neither puts a time or a name into its output.
fn compressor(compression: Compression) -> Option<&'static [&'static str]> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(&["gzip", "-n", "-1"]),
        Compression::Zstd => Some(&["zstd", "-q", "-1"]),
    }
}

fn compress(words: &[&str], from: &Path, to: &Path) {
    let status = Command::new(words[0])
        .args(&words[1..])
        .stdin(open(from))
        .stdout(Stdio::from(create(to)))
        .status();
    let status = status.unwrap_or_else(|error| panic!("cannot start {}: {error}", words[0]));
    assert!(status.success(), "{}: {status}", words[0]);
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").stdin(open(file)).output();
    let output = output.expect("sha256sum of coreutils is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let hex = text.split(' ').next().unwrap_or_default();
    assert_eq!(hex.len(), 64, "sha256sum printed {text}");
    format!("sha256:{hex}")
}

fn open(file: &Path) -> File {
    File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn create(file: &Path) -> File {
    File::create(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
