//! Pushing to a registry.

use std::sync::Mutex;

use layerhold_archive::{Codec, Level};
use layerhold_oci::layerhold_image_policy::Policy;
use layerhold_oci::layerhold_registries_conf::{FileKind, RegistriesConf};
use layerhold_oci::{
    Change, Event, ManifestFormat, PullOptions, PushCompression, PushError, PushOptions, Quiet,
    Registries, pull, push, push_index,
};
use layerhold_testkit::registry::Registry;
use layerhold_testkit::{require_docker_registry, require_root};
use serde_json::{Value, json};

use crate::support::{
    DOCKER_MANIFEST, INDEX, Layout, MANIFEST, Place, config, named, sha256, simple_layout,
    two_layers,
};

struct Scene {
    place: Place,
    registry: Registry,
}

impl Scene {
    fn new() -> Option<Self> {
        require_root()?;
        require_docker_registry()?;
        Some(Scene {
            place: Place::new(),
            registry: Registry::start(),
        })
    }

    /// With an image called `localhost/app:1` in the store.
    fn with_image(codec: Codec) -> Option<Self> {
        let scene = Self::new()?;
        let layout = simple_layout(scene.place.path("layout"), codec, "localhost/app:1");
        scene.place.load(&layout).unwrap();
        Some(scene)
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.address())
    }

    fn options(&self) -> PushOptions {
        PushOptions::default().scratch(self.place.base())
    }

    /// The manifest that a tag names.
    fn manifest(&self, repository: &str, tag: &str) -> Value {
        let digest = self.registry.tagged(repository, tag).unwrap();
        serde_json::from_slice(&self.registry.blob(&digest)).unwrap()
    }
}

fn registries() -> Registries {
    Registries::new(Policy::insecure_accept_anything()).verifying_tls(false)
}

#[test]
fn root_peer_docker_registry_what_was_pushed_is_pulled_as_the_same_image() {
    for (compression, end) in [
        (PushCompression::Keep, "+gzip"),
        (PushCompression::Gzip, "+gzip"),
        (PushCompression::Zstd, "+zstd"),
        (PushCompression::None, ""),
    ] {
        let Some(scene) = Scene::with_image(Codec::Gzip) else {
            return;
        };
        let options = scene.options().compression(compression, Some(Level(2)));
        let name = scene.name("team/app:1");
        let store = &scene.place.store;
        let pushed = push(store, &registries(), "app:1", &name, &options, &Quiet).unwrap();
        assert_eq!((pushed.sent, pushed.reused), (2, 0));
        assert_eq!(pushed.reference.to_string(), name);
        let tagged = scene.registry.tagged("team/app", "1").unwrap();
        assert_eq!(pushed.digest.to_string(), tagged);
        let manifest = scene.manifest("team/app", "1");
        assert_eq!(manifest["mediaType"], MANIFEST);
        for layer in manifest["layers"].as_array().unwrap() {
            let expected = format!("application/vnd.oci.image.layer.v1.tar{end}");
            assert_eq!(layer["mediaType"], expected);
            let blob = scene.registry.blob(layer["digest"].as_str().unwrap());
            assert_eq!(layer["size"], json!(blob.len()));
        }
        let other = Place::new();
        let options = PullOptions::default().scratch(other.base());
        let pulled = pull(&other.store, &registries(), &name, &options, &Quiet).unwrap();
        assert_eq!(pulled.id, *scene.place.only_image().id());
        assert_eq!(pulled.digest, pushed.digest);
        // Nothing is sent twice.
        let before = scene.registry.requests().len();
        let options = scene.options().compression(compression, Some(Level(2)));
        let again = push(store, &registries(), "app:1", &name, &options, &Quiet).unwrap();
        assert_eq!((again.sent, again.reused), (0, 2));
        let requests = scene.registry.requests();
        assert!(
            !requests[before..].iter().any(|line| line.contains("POST")),
            "{requests:#?}"
        );
    }
}

#[test]
fn root_peer_docker_registry_a_pulled_image_goes_out_with_its_digest() {
    let Some(scene) = Scene::with_image(Codec::Gzip) else {
        return;
    };
    let (store, registries) = (&scene.place.store, registries());
    let first = scene.name("first:1");
    push(
        store,
        &registries,
        "app:1",
        &first,
        &scene.options(),
        &Quiet,
    )
    .unwrap();
    let other = Place::new();
    let options = PullOptions::default().scratch(other.base());
    let pulled = pull(&other.store, &registries, &first, &options, &Quiet).unwrap();
    // The layers are taken over from the repository that they were pulled from.
    let options = scene.options().preserve_digests();
    let second = scene.name("second:1");
    let pushed = push(&other.store, &registries, &first, &second, &options, &Quiet).unwrap();
    assert_eq!((pushed.sent, pushed.reused), (0, 2));
    assert_eq!(pushed.digest, pulled.digest);
    assert_eq!(scene.registry.layers("second").len(), 3);
    // Another registry lacks them.
    let elsewhere = Registry::start();
    let name = format!("{}/second:1", elsewhere.address());
    let error = push(&other.store, &registries, &first, &name, &options, &Quiet);
    match error {
        // Compressed again with the same library, they may be the same.
        Ok(pushed) => assert_eq!(pushed.digest, pulled.digest),
        Err(error) => assert!(
            matches!(
                error,
                PushError::WouldChange {
                    why: Change::Layer { layer: 0 },
                    ..
                }
            ),
            "{error:?}"
        ),
    }
    let options = scene.options().preserve_digests();
    let options = options.compression(PushCompression::Zstd, None);
    let error = push(&other.store, &registries, &first, &name, &options, &Quiet).unwrap_err();
    assert!(
        matches!(
            error,
            PushError::WouldChange {
                why: Change::Layer { layer: 0 },
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn root_peer_docker_registry_manifests_have_the_format_that_was_asked_for() {
    let Some(scene) = Scene::with_image(Codec::Gzip) else {
        return;
    };
    let (store, registries) = (&scene.place.store, registries());
    let options = scene.options().format(ManifestFormat::Docker);
    let name = scene.name("app:docker");
    push(store, &registries, "app:1", &name, &options, &Quiet).unwrap();
    let manifest = scene.manifest("app", "docker");
    assert_eq!(manifest["mediaType"], DOCKER_MANIFEST);
    // As docker's, it is kept when it comes back.
    let other = Place::new();
    let pulling = PullOptions::default().scratch(other.base());
    pull(&other.store, &registries, &name, &pulling, &Quiet).unwrap();
    let back = scene.name("back:1");
    push(
        &other.store,
        &registries,
        &name,
        &back,
        &scene.options(),
        &Quiet,
    )
    .unwrap();
    assert_eq!(scene.manifest("back", "1"), manifest);
    let options = options.compression(PushCompression::Zstd, None);
    let error = push(store, &registries, "app:1", &name, &options, &Quiet).unwrap_err();
    assert!(
        matches!(error, PushError::Format { layer: 0, .. }),
        "{error:?}"
    );
    // A docker manifest becomes OCI's for zstd, if nothing else was asked for.
    let options = scene.options().compression(PushCompression::Zstd, None);
    push(&other.store, &registries, &name, &back, &options, &Quiet).unwrap();
    assert_eq!(scene.manifest("back", "1")["mediaType"], MANIFEST);
}

#[test]
fn root_peer_docker_registry_images_for_several_platforms_are_one_index() {
    let Some(scene) = Scene::new() else { return };
    let layout = Layout::new(scene.place.path("layout"));
    let layers = two_layers();
    let configs = ["amd64", "arm64"].map(|architecture| {
        let described: Vec<Value> = layers
            .iter()
            .map(|layer| layout.layer(Codec::Gzip, layer))
            .collect();
        let image = layout.image_of(&config(&layers, architecture), described);
        named(image, &format!("localhost/{architecture}:1"))
    });
    let source = layout.finish(&configs);
    scene.place.load(&source).unwrap();
    let (store, registries, options) = (&scene.place.store, registries(), scene.options());
    let name = scene.name("multi:1");
    let images = ["amd64:1", "arm64:1"];
    let pushed = push_index(store, &registries, &images, &name, &options, &Quiet).unwrap();
    assert_eq!((pushed.sent, pushed.reused), (2, 2));
    let index = scene.manifest("multi", "1");
    assert_eq!(index["mediaType"], INDEX);
    let expected: Vec<Value> = ["amd64", "arm64"]
        .iter()
        .map(|architecture| json!({ "architecture": architecture, "os": "linux" }))
        .collect();
    let manifests = index["manifests"].as_array().unwrap();
    let platforms: Vec<Value> = manifests
        .iter()
        .map(|one| one["platform"].clone())
        .collect();
    assert_eq!(platforms, expected);
    for (platform, image) in ["linux/amd64", "linux/arm64"].iter().zip(images) {
        let other = Place::new();
        let pulling = PullOptions::default()
            .scratch(other.base())
            .platform(platform.parse().unwrap());
        let pulled = pull(&other.store, &registries, &name, &pulling, &Quiet).unwrap();
        let snapshot = store.snapshot().unwrap();
        let original = layerhold_oci::find_image(&snapshot, image).unwrap();
        assert_eq!(pulled.id, *original.id());
    }
    let twice = ["amd64:1", "amd64:1"];
    let error = push_index(store, &registries, &twice, &name, &options, &Quiet).unwrap_err();
    assert!(matches!(error, PushError::SamePlatform { .. }), "{error:?}");
    let none: [&str; 0] = [];
    let error = push_index(store, &registries, &none, &name, &options, &Quiet).unwrap_err();
    assert!(matches!(error, PushError::Nothing), "{error:?}");
}

#[test]
fn root_peer_docker_registry_every_byte_that_is_sent_is_told() {
    let Some(scene) = Scene::with_image(Codec::Gzip) else {
        return;
    };
    let sums = Mutex::new([(0, 0); 2]);
    let count = |event: Event<'_>| {
        let mut sums = sums.lock().unwrap();
        match event {
            Event::LayerSending { index, size, .. } => sums[index].0 += size,
            Event::LayerSent { index, bytes } => sums[index].1 += bytes,
            _ => {}
        }
    };
    let (store, name) = (&scene.place.store, scene.name("app:1"));
    push(
        store,
        &registries(),
        "app:1",
        &name,
        &scene.options(),
        &count,
    )
    .unwrap();
    let manifest = scene.manifest("app", "1");
    for (layer, (size, sent)) in manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .zip(sums.into_inner().unwrap())
    {
        assert_eq!((layer["size"].as_u64(), size), (Some(sent), sent));
    }
}

#[test]
fn root_peer_docker_registry_destinations_that_cannot_be_are_refused() {
    let Some(scene) = Scene::with_image(Codec::Gzip) else {
        return;
    };
    let (store, options) = (&scene.place.store, scene.options());
    let with_digest = scene.name(&format!("app@{}", sha256(b"x")));
    let error = push(
        store,
        &registries(),
        "app:1",
        &with_digest,
        &options,
        &Quiet,
    )
    .unwrap_err();
    assert!(
        matches!(error, PushError::DigestAsDestination { .. }),
        "{error:?}"
    );
    let error = push(store, &registries(), "app:1", "A B", &options, &Quiet).unwrap_err();
    assert!(matches!(error, PushError::Destination(_)), "{error:?}");
    let error = push(
        store,
        &registries(),
        "none:1",
        &scene.name("a"),
        &options,
        &Quiet,
    );
    assert!(error.unwrap_err().is_not_found());
    let mut conf = RegistriesConf::default();
    let text = format!(
        "[[registry]]\nlocation = \"{}\"\nblocked = true",
        scene.registry.address()
    );
    conf.add("registries.conf", FileKind::Main, &text).unwrap();
    let blocked = registries().with_conf(conf);
    let error = push(store, &blocked, "app:1", &scene.name("a"), &options, &Quiet).unwrap_err();
    assert!(matches!(error, PushError::Blocked { .. }), "{error:?}");
    assert_eq!(scene.registry.repositories(), Vec::<String>::new());
}
