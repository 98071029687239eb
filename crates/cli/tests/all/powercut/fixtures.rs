//! Images and layers that the workers bring in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use layerhold_testkit::TarBuilder;

use crate::differential::random::Random;
use crate::support::digest;

/// Images for each worker.
const IMAGES: usize = 3;
/// Layers that a worker can import.
const LAYERS: usize = 8;

/// Everything that workers bring in, as files.
pub(super) struct Fixtures {
    pub(super) workers: Vec<Supply>,
    /// What no worker brings in before the cut.
    pub(super) next: Image,
    layers: BTreeMap<String, Vec<String>>,
}

/// What one worker brings in.
pub(super) struct Supply {
    pub(super) images: Vec<Image>,
    pub(super) layers: Vec<Tar>,
}

/// An archive with an image of three layers, the first of which all images of a worker share.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) path: PathBuf,
    layers: Vec<String>,
}

/// A layer's tar.
pub(super) struct Tar {
    pub(super) digest: String,
    pub(super) path: PathBuf,
}

impl Fixtures {
    pub(super) fn make(dir: &Path, workers: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let workers: Vec<_> = (0..workers)
            .map(|worker| Supply::make(dir, worker, &mut random))
            .collect();
        let base = layer(&mut random, "next");
        let next = Image::make(dir, "next", &base, &mut random);
        let images = workers.iter().flat_map(|one| &one.images).chain([&next]);
        let layers = images.map(|image| (image.id.clone(), image.layers.clone()));
        let layers = layers.collect();
        Fixtures {
            workers,
            next,
            layers,
        }
    }

    /// The digests of the layers of an image.
    pub(super) fn layers_of(&self, id: &str) -> Vec<String> {
        self.layers.get(id).cloned().unwrap_or_default()
    }
}

impl Supply {
    fn make(dir: &Path, worker: usize, random: &mut Random) -> Self {
        let base = layer(random, &format!("base{worker}"));
        let images =
            (0..IMAGES).map(|n| Image::make(dir, &format!("w{worker}-{n}"), &base, random));
        let images = images.collect();
        let layers = (0..LAYERS).map(|n| {
            let bytes = layer(random, &format!("layer{worker}-{n}"));
            let path = dir.join(format!("layer{worker}-{n}.tar"));
            fs::write(&path, &bytes).unwrap();
            let digest = digest(&bytes);
            Tar { digest, path }
        });
        let layers = layers.collect();
        Supply { images, layers }
    }

    /// The digests of all that it brings in.
    pub(super) fn digests(&self) -> impl Iterator<Item = &String> {
        let of_images = self.images.iter().flat_map(|image| &image.layers);
        of_images.chain(self.layers.iter().map(|layer| &layer.digest))
    }
}

impl Image {
    fn make(dir: &Path, name: &str, base: &[u8], random: &mut Random) -> Self {
        let layers = [
            base.to_vec(),
            layer(random, &format!("{name}-1")),
            layer(random, &format!("{name}-2")),
        ];
        let digests: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let config = serde_json::json!({
            "created": "2024-01-02T03:04:05Z",
            "architecture": "amd64",
            "os": "linux",
            "author": name,
            "rootfs": { "type": "layers", "diff_ids": digests },
        })
        .to_string();
        let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}.tar")).collect();
        let manifest = serde_json::json!([
            { "Config": "c.json", "RepoTags": null, "Layers": names }
        ]);
        let mut archive = TarBuilder::new();
        for (name, layer) in names.iter().zip(layers) {
            archive = archive.file(name, 0o644, layer);
        }
        let id = digest(config.as_bytes());
        let archive = archive
            .file("c.json", 0o644, config)
            .file("manifest.json", 0o644, manifest.to_string())
            .finish();
        let path = dir.join(format!("{name}.image.tar"));
        fs::write(&path, archive).unwrap();
        Image {
            id: id.trim_start_matches("sha256:").to_owned(),
            path,
            layers: digests,
        }
    }
}

/// Small files and a larger one, in directories, with links.
fn layer(random: &mut Random, name: &str) -> Vec<u8> {
    let mut tar = TarBuilder::new().file("name", 0o644, name);
    for dir in ["etc", "usr"] {
        tar = tar.dir(dir, 0o755);
        for n in 0..6 {
            let size = random.below(6000);
            tar = tar.file(format!("{dir}/file{n}"), 0o644, random.text(size));
        }
    }
    let size = 60_000 + random.below(150_000);
    tar.file(format!("usr/{name}"), 0o755, random.text(size))
        .symlink("usr/link", name)
        .finish()
}
