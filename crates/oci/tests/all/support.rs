//! Stores, images made by hand, and what a store recorded.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layerhold::{Image, Store, StoreOptions, SyncMode};
use layerhold_archive::{Codec, compressor};
use layerhold_oci::{LoadError, LoadOptions, LoadedImage, Quiet, load};
use layerhold_testkit::{TarBuilder, TempDir, scratch};
use serde_json::{Value, json};
use sha2::Digest as _;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const CREATED: &str = "2024-01-02T03:04:05.6Z";

/// A directory with a store in it, and room for more.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = scratch();
        let store = open(&dir.path().join("root"), &dir.path().join("runroot"));
        Place { dir, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn base(&self) -> &Path {
        self.dir.path()
    }

    /// The image of a store that has one.
    #[track_caller]
    pub(crate) fn only_image(&self) -> Arc<Image> {
        let snapshot = self.store.snapshot().unwrap();
        let mut images = snapshot.images();
        let image = images.next().unwrap();
        assert!(images.next().is_none());
        image
    }

    pub(crate) fn load(&self, source: &Path) -> Result<Vec<LoadedImage>, LoadError> {
        load(&self.store, source, &self.options(), &Quiet)
    }

    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions::new().scratch(self.dir.path())
    }

    /// Checks that nothing is left of a load that failed.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        let view = self.store.snapshot().unwrap();
        assert_eq!(view.layers().count(), 0, "layers");
        assert_eq!(view.images().count(), 0, "images");
        let root = self.path("root");
        assert_eq!(entries(&root.join("vfs/dir")), Vec::<String>::new());
        assert_eq!(entries(&root.join("vfs-layers/tmp")), Vec::<String>::new());
        assert_eq!(entries(&root.join("vfs/tempdirs")), Vec::<String>::new());
    }
}

pub(crate) fn open(graph: &Path, run: &Path) -> Store {
    let options = StoreOptions::new(graph, run)
        .with_driver("vfs")
        .with_sync(SyncMode::None);
    Store::open(options).unwrap()
}

/// The names in a directory, sorted; none when it is not there.
pub(crate) fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = match fs::read_dir(dir) {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect(),
        Err(_) => Vec::new(),
    };
    names.sort();
    names
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

pub(crate) fn hex_of(digest: &str) -> &str {
    digest.split_once(':').unwrap().1
}

pub(crate) fn compress(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut writer = compressor(codec, Vec::new()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// A tar with one file.
pub(crate) fn tar(name: &str, content: &str) -> Vec<u8> {
    TarBuilder::new().file(name, 0o644, content).finish()
}

/// Two layers: the second replaces and removes what the first brought.
pub(crate) fn two_layers() -> Vec<Vec<u8>> {
    let base = TarBuilder::new()
        .dir("etc", 0o755)
        .file("etc/keep", 0o600, "kept\n")
        .file("etc/gone", 0o644, "gone\n")
        .symlink("link", "etc/keep")
        .hard_link("etc/hard", "etc/keep")
        .finish();
    let upper = TarBuilder::new()
        .file("etc/.wh.gone", 0o644, "")
        .file("new", 0o755, "n".repeat(100_000))
        .finish();
    vec![base, upper]
}

pub(crate) fn config(layers: &[Vec<u8>], architecture: &str) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
    let history: Vec<Value> = layers
        .iter()
        .map(|_| json!({ "created_by": "test" }))
        .collect();
    let config = json!({
        "created": CREATED,
        "architecture": architecture,
        "os": "linux",
        "config": { "Cmd": ["/new"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    });
    config.to_string().into_bytes()
}

/// An OCI layout made by hand.
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(dir: PathBuf) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        Layout { dir }
    }

    pub(crate) fn blob_path(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs").join(digest.replace(':', "/"))
    }

    /// Adds a blob and returns its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sha256(bytes);
        fs::write(self.blob_path(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    pub(crate) fn layer(&self, codec: Codec, layer: &[u8]) -> Value {
        let suffix = match codec {
            Codec::Gzip => "+gzip",
            Codec::Zstd => "+zstd",
            _ => "",
        };
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        self.blob(&media_type, &compress(codec, layer))
    }

    /// Adds an image and returns the descriptor of its manifest.
    pub(crate) fn image(&self, layers: &[Vec<u8>], codec: Codec) -> Value {
        let blobs = layers
            .iter()
            .map(|layer| self.layer(codec, layer))
            .collect();
        self.image_of(&config(layers, "amd64"), blobs)
    }

    pub(crate) fn image_of(&self, config: &[u8], layers: Vec<Value>) -> Value {
        let config = self.blob(OCI_CONFIG, config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": layers,
        });
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    /// Adds an index and returns its descriptor.
    pub(crate) fn index(&self, manifests: &[Value]) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        self.blob(INDEX, index.to_string().as_bytes())
    }

    /// Writes the top index.
    pub(crate) fn finish(self, manifests: &[Value]) -> PathBuf {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.dir.join("index.json"), index.to_string()).unwrap();
        self.dir
    }
}

/// Gives a descriptor an annotation.
pub(crate) fn annotated(mut descriptor: Value, key: &str, value: &str) -> Value {
    descriptor["annotations"][key] = json!(value);
    descriptor
}

pub(crate) fn named(descriptor: Value, name: &str) -> Value {
    annotated(descriptor, REF_NAME, name)
}

pub(crate) fn on_platform(mut descriptor: Value, architecture: &str) -> Value {
    descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
    descriptor
}

pub(crate) fn digest(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().unwrap()
}

/// A layout with one image.
pub(crate) fn simple_layout(dir: PathBuf, codec: Codec, name: &str) -> PathBuf {
    let layout = Layout::new(dir);
    let image = layout.image(&two_layers(), codec);
    layout.finish(&[named(image, name)])
}

/// Packs a directory as `tar -C DIR -c .` does.
pub(crate) fn pack(dir: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", dir).unwrap();
    builder.into_inner().unwrap()
}

/// A docker archive made by hand.
pub(crate) struct DockerArchive {
    tar: TarBuilder,
    manifest: Vec<Value>,
}

impl DockerArchive {
    pub(crate) fn new() -> Self {
        DockerArchive {
            tar: TarBuilder::new(),
            manifest: Vec::new(),
        }
    }

    /// Adds an image, its layers under names of their own as docker writes them.
    pub(crate) fn image(mut self, tags: &[&str], layers: &[Vec<u8>], codec: Codec) -> Self {
        let config = config(layers, "amd64");
        let config_name = format!("{}.json", hex_of(&sha256(&config)));
        let mut names = Vec::new();
        for layer in layers {
            let name = format!("{}/layer.tar", hex_of(&sha256(layer)));
            self.tar = self.tar.file(&name, 0o644, compress(codec, layer));
            names.push(name);
        }
        self.tar = self.tar.file(&config_name, 0o644, config);
        let tags = (!tags.is_empty()).then_some(tags);
        self.manifest
            .push(json!({ "Config": config_name, "RepoTags": tags, "Layers": names }));
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let manifest = Value::from(self.manifest).to_string();
        self.tar.file("manifest.json", 0o644, manifest).finish()
    }
}

/// The records of one kind (`layers`, `images`) as they are on the disk.
pub(crate) fn records(root: &Path, kind: &str) -> Vec<Value> {
    let path = root.join(format!("vfs-{kind}/{kind}.json"));
    let bytes = fs::read(path).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The layer records without what differs between any two runs. The order of fields stays.
pub(crate) fn timeless_layers(root: &Path) -> Vec<String> {
    let mut layers = records(root, "layers");
    for layer in &mut layers {
        let created = layer.as_object_mut().unwrap().shift_remove("created");
        assert!(created.is_some(), "a layer without a date");
    }
    layers.iter().map(ToString::to_string).collect()
}

/// Everything in the data directories of images: path below `vfs-images`, and contents.
pub(crate) fn image_data(root: &Path) -> Vec<(String, Vec<u8>)> {
    let images = root.join("vfs-images");
    let mut found = Vec::new();
    for id in entries(&images) {
        for item in entries(&images.join(&id)) {
            let bytes = fs::read(images.join(&id).join(&item)).unwrap();
            found.push((format!("{id}/{item}"), bytes));
        }
    }
    found
}

/// The texts of an error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
