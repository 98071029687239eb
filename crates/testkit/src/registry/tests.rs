use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::*;
use crate::image::{Image, Layer};
use crate::ran::{Ran, run};
use crate::{ChildSpec, Tree, child_role, require_docker_registry, require_peer};

fn image() -> Image {
    let layers = [Layer::files(120, 100), Layer::file(200_000)];
    layers.into_iter().fold(Image::new(), Image::layer)
}

fn skopeo<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Ran {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests"]);
    for word in words {
        command.arg(word.as_ref());
    }
    run(&mut command)
}

fn layout(place: &Path) -> String {
    format!("oci:{}:latest", place.display())
}

#[test]
fn peer_skopeo_copies_there_and_back() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let (place, registry) = (scratch(), Registry::start());
    let made = image().make(&place.path().join("made"));
    let there = format!("docker://{}/some/app:one", registry.address());
    let from = layout(made.directory());
    skopeo([&from, &there, "--dest-tls-verify=false"]).assert_success();

    assert_eq!(registry.repositories(), ["some/app"]);
    assert_eq!(registry.tags("some/app"), ["one"]);
    let digest = &made.descriptor().digest;
    assert_eq!(registry.tagged("some/app", "one").as_ref(), Some(digest));
    assert_eq!(registry.manifests("some/app"), made.documents());
    assert_eq!(registry.layers("some/app"), made.blobs());
    assert_eq!(registry.uploads("some/app"), Vec::<String>::new());
    let config = &made.manifests()[0].config.digest;
    let file = std::fs::read(made.blob_file(config)).unwrap();
    assert_eq!(registry.blob(config), file);
    let put = "\"PUT /v2/some/app/manifests/one HTTP/1.1\" 201";
    assert!(registry.requests().iter().any(|line| line.contains(put)));

    let back = place.path().join("back");
    skopeo([&there, &layout(&back), "--src-tls-verify=false"]).assert_success();
    let blobs = |place: &Path| Tree::of(&place.join("blobs")).paths().len();
    assert_eq!(blobs(&back), blobs(made.directory()));
}

#[test]
fn peer_an_image_put_into_the_storage_can_be_copied_out() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let platforms = ["linux/amd64", "linux/arm64/v8"];
    let registry = Registry::start();
    for image in [
        image(),
        image().platforms(platforms),
        image().docker(),
        image().docker().platforms(platforms),
    ] {
        let place = scratch();
        let made = image.make(&place.path().join("made"));
        registry.add(&made, "app", "t");
        let there = format!("docker://{}/app:t", registry.address());
        let copy = place.path().join("copy");
        let to = format!("dir:{}", copy.display());
        skopeo([&there, &to, "--all", "--src-tls-verify=false"]).assert_success();
        let manifest = std::fs::read(copy.join("manifest.json")).unwrap();
        assert_eq!(manifest, registry.blob(&made.descriptor().digest));
    }
    let all = registry.blobs();
    let known = [registry.layers("app"), registry.manifests("app")].concat();
    assert_eq!(all.len(), known.len());
    assert!(known.iter().all(|digest| all.contains(digest)));
}

#[test]
fn peer_tls_and_password_are_demanded() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let (place, registry) = (
        scratch(),
        Registry::setup().with_tls().with_password().start(),
    );
    let made = image().make(&place.path().join("made"));
    registry.add(&made, "app", "t");
    let to = format!("dir:{}", place.path().join("copy").display());
    let certificates = format!("--src-cert-dir={}", registry.certificates().display());
    let login = format!("--src-creds={USER}:{PASSWORD}");
    for address in [registry.address(), registry.named_address()] {
        let from = format!("docker://{address}/app:t");
        let failure = |words: &[&str]| skopeo([&[from.as_str(), &to], words].concat()).failure();
        assert!(failure(&[]).contains("x509"));
        assert!(failure(&[&certificates]).contains("authentication required"));
        let wrong = format!("--src-creds={USER}:wrong");
        assert!(failure(&[&certificates, &wrong]).contains("authentication required"));
        skopeo([&from, &to, &certificates, &login]).assert_success();
    }
}

#[test]
fn peer_client_certificates_are_demanded() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let (place, registry) = (
        scratch(),
        Registry::setup().with_client_certificates().start(),
    );
    let made = image().make(&place.path().join("made"));
    registry.add(&made, "app", "t");
    let from = format!("docker://{}/app:t", registry.address());
    let to = format!("dir:{}", place.path().join("copy").display());
    let with = format!("--src-cert-dir={}", registry.certificates().display());
    skopeo([&from, &to, &with]).assert_success();
    let only_ca = place.path().join("only-ca");
    std::fs::create_dir(&only_ca).unwrap();
    std::fs::copy(
        registry.certificates().join("ca.crt"),
        only_ca.join("ca.crt"),
    )
    .unwrap();
    let without = format!("--src-cert-dir={}", only_ca.display());
    let failure = skopeo([&from, &to, &without]).failure();
    assert!(failure.contains("certificate"), "{failure}");
}

#[test]
fn peer_registries_end_with_their_handles() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let registry = Registry::start();
    let address = registry.address();
    let storage = registry.storage().to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    drop(registry);
    let refused = TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(!storage.exists());
}

/// The child that starts a registry and is killed.
#[test]
fn child_entry() {
    let Some(role) = child_role() else { return };
    let registry = Registry::start();
    role.say(&registry.address());
    role.listen();
}

#[test]
fn peer_registries_end_with_the_process_of_the_test() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let place = scratch();
    let directory = format!("LAYERHOLD_TEST_DIR={}", place.path().display());
    let mut child = ChildSpec::new("registry::tests::child_entry", "registry")
        .through(["env", &directory])
        .spawn();
    let address = child.hear().unwrap();
    assert!(TcpStream::connect(&address).is_ok());
    child.kill();
    // The kernel tells the registry soon after.
    let late = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(&address).is_ok() {
        assert!(Instant::now() < late, "the registry lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}
