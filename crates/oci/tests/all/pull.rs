//! Pulling from a registry.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use layerhold_archive::Codec;
use layerhold_oci::layerhold_image_policy::Policy;
use layerhold_oci::{Event, PullError, PullOptions, PulledImage, Quiet, Registries, pull};
use layerhold_testkit::image::{Image, Layer, MadeImage};
use layerhold_testkit::registry::Registry;
use layerhold_testkit::{require_docker_registry, require_root, run};

use crate::support::{Layout, Place, two_layers};

/// A registry with one image, and a store.
struct Scene {
    place: Place,
    registry: Registry,
    made: MadeImage,
}

impl Scene {
    fn new(image: &Image) -> Option<Self> {
        require_root()?;
        require_docker_registry()?;
        let place = Place::new();
        let made = image.make(&place.path("made"));
        let registry = Registry::start();
        registry.add(&made, "app", "1");
        Some(Scene {
            place,
            registry,
            made,
        })
    }

    fn name(&self) -> String {
        format!("{}/app:1", self.registry.address())
    }

    /// Pushes a layout with skopeo, and returns the name of the image.
    fn push(&self, layout: &Path, tag: &str) -> String {
        let name = format!("{}/pushed:{tag}", self.registry.address());
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["copy", "-q", "--dest-tls-verify=false"]);
        skopeo.arg(format!("oci:{}", layout.display()));
        skopeo.arg(format!("docker://{name}"));
        run(&mut skopeo).assert_success();
        name
    }

    fn options(&self) -> PullOptions {
        PullOptions::default().scratch(self.place.base())
    }
}

fn registries() -> Registries {
    Registries::new(Policy::insecure_accept_anything()).verifying_tls(false)
}

fn ten_layers() -> Image {
    (0..10).fold(Image::new(), |image, n| {
        image.layer(Layer::files(10 + n, 5000))
    })
}

#[test]
fn root_peer_docker_registry_layers_that_are_there_are_not_fetched() {
    let Some(scene) = Scene::new(&ten_layers()) else {
        return;
    };
    let pulled = pull(
        &scene.place.store,
        &registries(),
        &scene.name(),
        &scene.options().connections(3),
        &Quiet,
    )
    .unwrap();
    assert_eq!((pulled.imported, pulled.reused), (10, 0));
    let more = ten_layers().layer(Layer::file(70_000));
    let more = more.make(&scene.place.path("more"));
    scene.registry.add(&more, "app", "2");
    let before = scene.registry.requests().len();
    let name = format!("{}/app:2", scene.registry.address());
    let pulled = pull(
        &scene.place.store,
        &registries(),
        &name,
        &scene.options(),
        &Quiet,
    )
    .unwrap();
    assert_eq!((pulled.imported, pulled.reused), (1, 10));
    let requests = scene.registry.requests();
    let blobs = requests[before..]
        .iter()
        .filter(|line| line.contains("/blobs/"));
    // One layer and the configuration.
    assert_eq!(blobs.count(), 2, "{requests:#?}");
}

#[test]
fn root_peer_docker_registry_every_layer_is_announced_and_accounted_for() {
    let Some(scene) = Scene::new(&ten_layers()) else {
        return;
    };
    let sizes = Mutex::new([(0, 0, 0); 10]);
    let count = |event: Event<'_>| {
        let mut sizes = sizes.lock().unwrap();
        match event {
            Event::LayerWanted { index, size, .. } => sizes[index].0 += size,
            Event::LayerAdvanced { index, bytes } => sizes[index].1 += bytes,
            Event::LayerFetched { index, bytes } => sizes[index].2 += bytes,
            _ => {}
        }
    };
    let options = scene.options();
    pull(
        &scene.place.store,
        &registries(),
        &scene.name(),
        &options,
        &count,
    )
    .unwrap();
    let layers = scene.made.layers();
    for (layer, (wanted, advanced, fetched)) in layers.iter().zip(sizes.into_inner().unwrap()) {
        assert_eq!(
            (wanted, advanced),
            (layer.descriptor.size, layer.descriptor.size)
        );
        assert!(fetched <= wanted);
    }
}

#[test]
fn root_peer_docker_registry_what_is_not_there_is_said() {
    let Some(scene) = Scene::new(&Image::new().layer(Layer::file(10))) else {
        return;
    };
    let address = scene.registry.address();
    for name in [format!("{address}/app:2"), format!("{address}/other:1")] {
        let error = pull(
            &scene.place.store,
            &registries(),
            &name,
            &scene.options(),
            &Quiet,
        )
        .unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert!(matches!(error, PullError::Registry(_)));
    }
    scene.place.assert_empty();
}

#[test]
fn root_peer_docker_registry_a_policy_refuses_before_anything_is_fetched() {
    let Some(scene) = Scene::new(&Image::new().layer(Layer::file(10))) else {
        return;
    };
    let registries = Registries::new(Policy::reject()).verifying_tls(false);
    let before = scene.registry.requests().len();
    let error = pull(
        &scene.place.store,
        &registries,
        &scene.name(),
        &scene.options(),
        &Quiet,
    )
    .unwrap_err();
    assert!(matches!(error, PullError::Refused(_)), "{error:?}");
    let requests = scene.registry.requests();
    assert!(
        !requests[before..]
            .iter()
            .any(|line| line.contains("/blobs/")),
        "{requests:#?}"
    );
    scene.place.assert_empty();
}

/// The same contents upon another layer come from the store, and are recorded as if they had been
/// fetched.
#[test]
fn root_peer_docker_registry_contents_of_other_images_are_not_fetched() {
    let Some(scene) = Scene::new(&Image::new().layer(Layer::file(9))) else {
        return;
    };
    let layers = two_layers();
    let mut names = Vec::new();
    for (tag, layers) in [("both", layers.as_slice()), ("upper", &layers[1..])] {
        let layout = Layout::new(scene.place.path(tag));
        let image = layout.image(layers, Codec::Gzip);
        let layout = layout.finish(&[image]);
        names.push(scene.push(&layout, tag));
    }
    let (options, store) = (scene.options(), &scene.place.store);
    let both = pull(store, &registries(), &names[0], &options, &Quiet).unwrap();
    let before = scene.registry.requests().len();
    let upper = pull(store, &registries(), &names[1], &options, &Quiet).unwrap();
    assert_eq!((both.reused, upper.imported, upper.reused), (0, 0, 1));
    let requests = scene.registry.requests();
    let blobs = requests[before..]
        .iter()
        .filter(|line| line.contains("/blobs/"));
    assert_eq!(blobs.count(), 1, "{requests:#?}");
    let snapshot = store.snapshot().unwrap();
    let top = |image: &PulledImage| {
        let image = snapshot.image(image.id.as_str()).unwrap();
        let layer = snapshot.layer(image.top_layer().unwrap().as_str()).unwrap();
        (
            layer.id().clone(),
            layer.compressed_digest(),
            layer.compressed_size(),
            layer.diff_id(),
        )
    };
    let (known, copied) = (top(&both), top(&upper));
    assert_ne!(known.0, copied.0);
    assert_eq!((known.1, known.2, known.3), (copied.1, copied.2, copied.3));
}
