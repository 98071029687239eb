//! What we record of an image is what skopeo and podman record of it.

use std::fs;
use std::path::Path;

use layerhold_archive::Codec;
use layerhold_oci::{Quiet, load};
use layerhold_testkit::{GoStore, Podman, Skopeo, Tree, require_peer, require_root};

use crate::support::{
    DockerArchive, Layout, Place, annotated, entries, image_data, named, on_platform, pack,
    simple_layout, tar, timeless_layers, two_layers,
};

/// A place with a store of ours at `root` and, for the peer, one at `go/root`.
pub(crate) struct Twin {
    pub(crate) place: Place,
    pub(crate) go: GoStore,
}

impl Twin {
    pub(crate) fn new(peer: &str) -> Option<Self> {
        require_root()?;
        require_peer(peer)?;
        let place = Place::new();
        let go = GoStore::below(&place.path("go"), "vfs");
        Some(Twin { place, go })
    }

    /// Checks that both stores have the same records, data, trees and tar-split files.
    #[track_caller]
    pub(crate) fn assert_same(&self) {
        let ours = self.place.path("root");
        let theirs = self.go.root();
        let images = |root: &Path| fs::read_to_string(root.join("vfs-images/images.json")).unwrap();
        assert_eq!(images(&ours), images(theirs), "images.json");
        assert_eq!(
            timeless_layers(&ours),
            timeless_layers(theirs),
            "layers.json"
        );
        assert!(image_data(&ours) == image_data(theirs), "data items");
        let names = |root: &Path| -> Vec<String> {
            let names = entries(&root.join("vfs-layers")).into_iter();
            names
                .filter(|name| name.ends_with(".tar-split.gz"))
                .collect()
        };
        assert_eq!(names(&ours), names(theirs), "tar-split files");
        let tree = |root: &Path| Tree::of(&root.join("vfs/dir")).without_directory_times();
        // The directory of each layer has a date of its own in either store.
        let differences = tree(&ours).differences(&tree(theirs));
        assert_eq!(differences, Vec::<String>::new(), "trees");
    }

    /// Loads with skopeo as `name`, and with us under the same name.
    #[track_caller]
    fn copy_with_skopeo(&self, source: &Path, reference: &str, name: &str) {
        let skopeo = Skopeo::beside(&self.go);
        let target = skopeo.reference(name);
        skopeo
            .run(["copy", "-q", reference, &target])
            .assert_success();
        let options = self.place.options().names([name]);
        load(&self.place.store, source, &options, &Quiet).unwrap();
    }
}

fn oci(path: &Path) -> String {
    format!("oci:{}", path.display())
}

#[test]
fn root_peer_skopeo_records_a_layout_as_we_do() {
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let Some(twin) = Twin::new("skopeo") else {
            return;
        };
        let source = simple_layout(twin.place.path("layout"), codec, "app");
        twin.copy_with_skopeo(&source, &oci(&source), "example.com/app:1");
        twin.assert_same();
    }
}

#[test]
fn root_peer_skopeo_records_an_index_as_we_do() {
    let Some(twin) = Twin::new("skopeo") else {
        return;
    };
    let layout = Layout::new(twin.place.path("layout"));
    let other = layout.image(&[tar("a", "other")], Codec::Gzip);
    let ours = layout.image(&two_layers(), Codec::Gzip);
    let host = layerhold_oci::Platform::host().architecture;
    let index = layout.index(&[on_platform(other, "mips"), on_platform(ours, &host)]);
    let source = layout.finish(&[index]);
    twin.copy_with_skopeo(&source, &oci(&source), "example.com/multi:1");
    twin.assert_same();
}

#[test]
fn root_peer_skopeo_records_equal_and_empty_layers_as_we_do() {
    let Some(twin) = Twin::new("skopeo") else {
        return;
    };
    let layout = Layout::new(twin.place.path("layout"));
    let same = tar("same", "x");
    let empty = layerhold_testkit::TarBuilder::new().finish();
    let image = layout.image(&[same.clone(), empty.clone(), same, empty], Codec::Gzip);
    let source = layout.finish(&[image]);
    twin.copy_with_skopeo(&source, &oci(&source), "example.com/app:1");
    twin.assert_same();
}

#[test]
fn root_peer_skopeo_records_a_second_copy_as_we_do() {
    let Some(twin) = Twin::new("skopeo") else {
        return;
    };
    let gzip = simple_layout(twin.place.path("gzip"), Codec::Gzip, "app");
    let plain = simple_layout(twin.place.path("plain"), Codec::Plain, "app");
    twin.copy_with_skopeo(&gzip, &oci(&gzip), "example.com/app:1");
    twin.copy_with_skopeo(&gzip, &oci(&gzip), "example.com/app:2");
    twin.assert_same();
    // The same image with other blobs gets another manifest beside the first.
    twin.copy_with_skopeo(&plain, &oci(&plain), "example.com/app:3");
    twin.assert_same();
}

#[test]
fn root_peer_skopeo_records_a_docker_archive_as_we_do() {
    for codec in [Codec::Plain, Codec::Gzip] {
        let Some(twin) = Twin::new("skopeo") else {
            return;
        };
        let path = twin.place.path("archive.tar");
        let archive = DockerArchive::new().image(&["app:1"], &two_layers(), codec);
        fs::write(&path, archive.finish()).unwrap();
        let reference = format!("docker-archive:{}", path.display());
        twin.copy_with_skopeo(&path, &reference, "example.com/app:1");
        twin.assert_same();
    }
}

/// Loads with podman and with us, and compares everything, names included.
#[track_caller]
fn check_podman(write: impl Fn(&Path) -> Vec<u8>) {
    let Some(twin) = Twin::new("podman") else {
        return;
    };
    let path = twin.place.path("archive");
    fs::write(&path, write(&twin.place.path("work"))).unwrap();
    let podman = Podman::beside(&twin.go);
    podman
        .run([
            "load".as_ref(),
            "-q".as_ref(),
            "-i".as_ref(),
            path.as_os_str(),
        ])
        .assert_success();
    twin.place.load(&path).unwrap();
    twin.assert_same();
}

#[test]
fn root_peer_podman_loads_oci_archives_under_the_names_that_we_give() {
    for (reference, containerd) in [
        (Some("1.0"), None),
        (Some("example.com/team/app:1.0"), None),
        (Some("team/app"), None),
        (Some("1.0"), Some("docker.io/library/app:1.0")),
        (None, None),
    ] {
        check_podman(|work| {
            let layout = Layout::new(work.to_owned());
            let mut image = layout.image(&two_layers(), Codec::Gzip);
            if let Some(name) = reference {
                image = named(image, name);
            }
            if let Some(name) = containerd {
                image = annotated(image, "io.containerd.image.name", name);
            }
            pack(&layout.finish(&[image]))
        });
    }
}

#[test]
fn root_peer_podman_loads_an_index_as_we_do() {
    check_podman(|work| {
        let layout = Layout::new(work.to_owned());
        let other = layout.image(&[tar("a", "other")], Codec::Gzip);
        let ours = layout.image(&two_layers(), Codec::Gzip);
        let host = layerhold_oci::Platform::host().architecture;
        let index = layout.index(&[on_platform(other, "mips"), on_platform(ours, &host)]);
        pack(&layout.finish(&[named(index, "example.com/multi:1")]))
    });
}

#[test]
fn root_peer_podman_loads_docker_archives_as_we_do() {
    for tags in [
        &["busybox:latest"][..],
        &["example.com/x:1", "foo/bar:2"],
        &[],
    ] {
        check_podman(|_| {
            DockerArchive::new()
                .image(tags, &two_layers(), Codec::Plain)
                .finish()
        });
    }
    check_podman(|_| {
        DockerArchive::new()
            .image(&["one:1"], &two_layers(), Codec::Gzip)
            .image(
                &["two:1"],
                &[two_layers().remove(0), tar("x", "y")],
                Codec::Gzip,
            )
            .finish()
    });
}

/// The manifest is named by another kind of digest; the store knows it by sha256.
#[test]
fn root_peer_podman_records_a_manifest_that_is_named_by_sha512_as_we_do() {
    use sha2::Digest as _;
    check_podman(|work| {
        let layout = Layout::new(work.to_owned());
        let mut image = layout.image(&two_layers(), Codec::Gzip);
        let sha256 = crate::support::digest(&image).to_owned();
        let bytes = fs::read(layout.blob_path(&sha256)).unwrap();
        let sha512 = format!("sha512:{}", hex::encode(sha2::Sha512::digest(&bytes)));
        fs::create_dir(layout.dir.join("blobs/sha512")).unwrap();
        fs::write(layout.blob_path(&sha512), bytes).unwrap();
        image["digest"] = serde_json::json!(sha512);
        pack(&layout.finish(&[named(image, "example.com/app:1")]))
    });
}
