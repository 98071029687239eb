//! What we pull from a registry is recorded as podman and skopeo record it.

use layerhold_oci::layerhold_image_policy::Policy;
use layerhold_oci::{Platform, PullOptions, Quiet, Registries, pull};
use layerhold_testkit::image::{Compression, Image, Layer};
use layerhold_testkit::registry::Registry;
use layerhold_testkit::{Podman, require_docker_registry};

use crate::peer_load::Twin;

fn two_layers() -> Image {
    Image::new()
        .layer(Layer::files(20, 3000))
        .layer(Layer::files(7, 900))
}

/// Pulls with podman and with us, and compares all that the stores keep.
#[track_caller]
fn check(image: &Image, reference: impl Fn(&Registry, &str) -> String) {
    let (Some(twin), Some(())) = (Twin::new("podman"), require_docker_registry()) else {
        return;
    };
    let registry = Registry::start();
    let made = image.make(&twin.place.path("made"));
    registry.add(&made, "team/app", "1");
    let name = reference(&registry, &made.descriptor().digest);
    let podman = Podman::beside(&twin.go);
    podman
        .run(["pull", "-q", "--tls-verify=false", &name])
        .assert_success();
    let registries = Registries::new(Policy::insecure_accept_anything()).verifying_tls(false);
    let options = PullOptions::default().scratch(twin.place.base());
    let pulled = pull(&twin.place.store, &registries, &name, &options, &Quiet).unwrap();
    assert_eq!(pulled.reused, 0);
    assert_eq!(pulled.imported, made.layers().len());
    twin.assert_same();
    // The second pull fetches nothing.
    let again = pull(&twin.place.store, &registries, &name, &options, &Quiet).unwrap();
    assert_eq!((again.imported, again.reused), (0, pulled.imported));
    podman
        .run(["pull", "-q", "--tls-verify=false", &name])
        .assert_success();
    twin.assert_same();
}

fn by_tag(registry: &Registry, _digest: &str) -> String {
    format!("{}/team/app:1", registry.address())
}

fn by_digest(registry: &Registry, digest: &str) -> String {
    format!("{}/team/app@{digest}", registry.address())
}

#[test]
fn root_peer_docker_registry_podman_records_what_is_pulled_as_we_do() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        check(&two_layers().compression(compression), by_tag);
    }
    check(&two_layers(), by_digest);
    check(&two_layers().docker(), by_tag);
}

#[test]
fn root_peer_docker_registry_podman_records_an_index_as_we_do() {
    let host = Platform::host();
    for image in [two_layers(), two_layers().docker()] {
        let image = image.platforms([
            "linux/mips".to_owned(),
            format!("linux/{}", host.architecture),
        ]);
        check(&image, by_tag);
        check(&image, by_digest);
    }
}
