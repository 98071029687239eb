//! What we pull from a registry is recorded as podman and skopeo record it.

use std::fs;

use layerhold::BigDataItem;
use layerhold_oci::layerhold_image_policy::{Policy, Signature, SigstoreSignature};
use layerhold_oci::layerhold_registries_conf::RegistriesD;
use layerhold_oci::{
    Platform, PullOptions, PushCompression, PushError, PushOptions, Quiet, Registries, pull, push,
};
use layerhold_testkit::image::{Compression, Image, Layer};
use layerhold_testkit::registry::Registry;
use layerhold_testkit::{Podman, Skopeo, require_docker_registry};
use serde_json::Value;

use crate::peer_load::Twin;

fn two_layers() -> Image {
    Image::new()
        .layer(Layer::files(20, 3000))
        .layer(Layer::files(7, 900))
}

fn registries() -> Registries {
    Registries::new(Policy::insecure_accept_anything()).verifying_tls(false)
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
    let registries = registries();
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

/// Signatures in a directory are kept as skopeo keeps them, and go out again with a push.
#[test]
fn root_peer_docker_registry_skopeo_keeps_signatures_as_we_do() {
    let (Some(twin), Some(())) = (Twin::new("skopeo"), require_docker_registry()) else {
        return;
    };
    let registry = Registry::start();
    let made = two_layers().make(&twin.place.path("made"));
    registry.add(&made, "team/app", "1");
    let name = by_tag(&registry, "");
    let digest = made.descriptor().digest.replace(':', "=");
    let (read, written) = (twin.place.path("read"), twin.place.path("written"));
    let directory = read.join(format!("team/app@{digest}"));
    fs::create_dir_all(&directory).unwrap();
    // Nothing but the first byte tells that these are OpenPGP messages.
    let signatures = [&b"\x90first"[..], b"\x90and the second"];
    for (number, signature) in (1..).zip(signatures) {
        fs::write(directory.join(format!("signature-{number}")), signature).unwrap();
    }
    let yaml = format!(
        "default-docker:\n  lookaside: file://{}\n  lookaside-staging: file://{}\n",
        read.display(),
        written.display()
    );
    let registries_d = twin.place.path("registries.d");
    fs::create_dir(&registries_d).unwrap();
    fs::write(registries_d.join("default.yaml"), &yaml).unwrap();

    let skopeo = Skopeo::beside(&twin.go);
    let target = skopeo.reference(&name);
    skopeo
        .run([
            "--registries.d",
            registries_d.to_str().unwrap(),
            "copy",
            "-q",
            "--src-tls-verify=false",
            &format!("docker://{name}"),
            &target,
        ])
        .assert_success();
    let mut conf = RegistriesD::default();
    conf.add("default.yaml", yaml.as_bytes()).unwrap();
    let registries = registries().with_signatures(conf);
    let options = PullOptions::default().scratch(twin.place.base());
    let store = &twin.place.store;
    let pulled = pull(store, &registries, &name, &options, &Quiet).unwrap();
    twin.assert_same();

    // The push to another repository finds the layers there, so the manifest stays as it is.
    let other = format!("{}/other/app:2", registry.address());
    let pushing = PushOptions::default().scratch(twin.place.base());
    push(store, &registries, &name, &other, &pushing, &Quiet).unwrap();
    let directory = written.join(format!("other/app@{digest}"));
    for (number, signature) in (1..).zip(signatures) {
        let file = directory.join(format!("signature-{number}"));
        assert_eq!(fs::read(file).unwrap(), signature);
    }
    // Another compression makes another manifest, for which they do not hold.
    let zstd = pushing.clone().compression(PushCompression::Zstd, None);
    let error = push(store, &registries, &name, &other, &zstd, &Quiet).unwrap_err();
    assert!(matches!(error, PushError::Signed { .. }), "{error:?}");
    let zstd = zstd.remove_signatures();
    let pushed = push(store, &registries, &name, &other, &zstd, &Quiet).unwrap();
    assert_ne!(pushed.digest, pulled.digest);
    let directory = pushed.digest.to_string().replace(':', "=");
    assert!(!written.join(format!("other/app@{directory}")).exists());
}

/// Sigstore's signatures are in the registry, under a tag made of the digest.
#[test]
fn root_peer_docker_registry_attached_signatures_are_kept_and_go_out_again() {
    let (Some(twin), Some(())) = (Twin::new("skopeo"), require_docker_registry()) else {
        return;
    };
    let registry = Registry::start();
    let made = two_layers().make(&twin.place.path("made"));
    registry.add(&made, "team/app", "1");
    let name = by_tag(&registry, "");
    let store = &twin.place.store;
    let mut conf = RegistriesD::default();
    conf.add(
        "a.yaml",
        b"default-docker:\n  use-sigstore-attachments: true\n",
    )
    .unwrap();
    let registries = registries().with_signatures(conf);
    let options = PullOptions::default().scratch(twin.place.base());
    pull(store, &registries, &name, &options, &Quiet).unwrap();
    let signature = Signature::Sigstore(SigstoreSignature::new(
        SigstoreSignature::MIME_TYPE,
        *b"{\"critical\":{}}",
        [(SigstoreSignature::SIGNATURE.to_owned(), "c2ln".to_owned())].into(),
    ));
    // As a store has them.
    let image = twin.place.only_image();
    let digest = made.descriptor().digest.clone();
    let blob = signature.to_blob();
    let item = format!("signature-{}", digest.split_once(':').unwrap().1);
    let id = image.id().clone();
    store
        .set_image_data(&id, BigDataItem::new(item.clone(), blob.clone()))
        .unwrap();
    let metadata = format!("{{\"signatures-sizes\":{{\"{digest}\":[{}]}}}}", blob.len());
    store.set_metadata(&id, &metadata).unwrap();

    let other = format!("{}/other/app:2", registry.address());
    let pushing = PushOptions::default().scratch(twin.place.base());
    for _ in 0..2 {
        push(store, &registries, &name, &other, &pushing, &Quiet).unwrap();
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let attached = registry.tagged("other/app", &tag).unwrap();
        let attached: Value = serde_json::from_slice(&registry.blob(&attached)).unwrap();
        assert_eq!(
            attached["layers"].as_array().unwrap().len(),
            1,
            "{attached}"
        );
    }
    let back = crate::support::Place::new();
    let options = PullOptions::default().scratch(back.base());
    let pulled = pull(&back.store, &registries, &other, &options, &Quiet).unwrap();
    assert_eq!(
        back.store.image_data(pulled.id.as_str(), &item).unwrap(),
        blob
    );
}
