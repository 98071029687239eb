//! A registry behind a proxy that misbehaves, and stores that pull from it and push to it.

use std::time::Duration;

use layerhold_oci::layerhold_image_policy::Policy;
use layerhold_oci::layerhold_registry::{ClientOptions, Login, Problem, Retries};
use layerhold_oci::{
    PullError, PullOptions, PulledImage, PushError, PushOptions, Pushed, Quiet, Registries, pull,
    push,
};
use layerhold_testkit::fault_proxy::{FaultProxy, Kind, Record, Rule};
use layerhold_testkit::image::{Image, Layer, MadeImage};
use layerhold_testkit::registry::{PASSWORD, Registry, USER};
use layerhold_testkit::{TempDir, require_docker_registry, require_root, scratch};
use serde_json::Value;

use crate::support::{Place, image_data, records, timeless_layers};

/// The layer that is large enough for faults in the middle.
pub(crate) const LARGE: usize = 1;

/// Three layers, of which only the second has more than 100,000 bytes.
pub(crate) fn three_layers() -> Image {
    Image::new()
        .layer(Layer::files(20, 3000))
        .layer(Layer::file(300_000).entropy(100))
        .layer(Layer::files(7, 900))
}

/// A registry that has [`three_layers`] as `app:1`.
pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) made: MadeImage,
    _dir: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Option<Self> {
        Self::with(&three_layers())
    }

    pub(crate) fn with(image: &Image) -> Option<Self> {
        require_root()?;
        require_docker_registry()?;
        let dir = scratch();
        let made = image.make(&dir.path().join("made"));
        let registry = Registry::start();
        registry.add(&made, "app", "1");
        Some(Scene {
            registry,
            made,
            _dir: dir,
        })
    }

    pub(crate) fn proxy(&self, rules: impl IntoIterator<Item = Rule>) -> FaultProxy {
        let proxy = FaultProxy::before(&self.registry.address());
        let proxy = rules
            .into_iter()
            .fold(proxy, |proxy, rule| proxy.with(rule));
        proxy.start()
    }

    /// The bytes of the manifest and of all blobs.
    pub(crate) fn size(&self) -> u64 {
        let manifest = &self.made.manifests()[0];
        let layers = manifest.layers.iter().map(|layer| &layer.descriptor);
        let all = layers.chain([&manifest.config, &manifest.descriptor]);
        all.map(|one| one.size).sum()
    }

    /// Checks that a pull from a proxy brought the whole image, recorded as any other pull of it.
    #[track_caller]
    pub(crate) fn assert_pulled(&self, place: &Place, pulled: &PulledImage) {
        let name = &pulled.names[0];
        assert_eq!(pulled.digest.as_str(), self.made.descriptor().digest);
        assert_eq!((pulled.imported, pulled.reused), (3, 0));
        let plain = Place::new();
        let direct = format!("{}/app:1", self.registry.address());
        let options = PullOptions::default().scratch(plain.base()).names([name]);
        pull(&plain.store, &registries(), &direct, &options, &Quiet).unwrap();
        let (ours, expected) = (place.path("root"), plain.path("root"));
        assert_eq!(records(&ours, "images"), records(&expected, "images"));
        assert_eq!(timeless_layers(&ours), timeless_layers(&expected));
        assert!(image_data(&ours) == image_data(&expected), "data items");
    }

    /// Checks that the tag names an image that is whole, and the one of the store.
    #[track_caller]
    pub(crate) fn assert_pushed(&self, from: &Place, pushed: &Pushed) {
        let repository = pushed.reference.repository();
        let tag = pushed.reference.tag().unwrap();
        let tagged = self.registry.tagged(repository, tag).unwrap();
        assert_eq!(pushed.digest.to_string(), tagged);
        let place = Place::new();
        let name = format!("{}/{repository}:{tag}", self.registry.address());
        let options = PullOptions::default().scratch(place.base());
        let pulled = pull(&place.store, &registries(), &name, &options, &Quiet).unwrap();
        assert_eq!(pulled.id, *from.only_image().id());
        assert_eq!(pulled.digest, pushed.digest);
    }

    /// The bytes of the blobs that a tag names.
    pub(crate) fn blobs_of(&self, repository: &str, tag: &str) -> u64 {
        let digest = self.registry.tagged(repository, tag).unwrap();
        let manifest: Value = serde_json::from_slice(&self.registry.blob(&digest)).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        let all = layers.chain([&manifest["config"]]);
        all.map(|one| one["size"].as_u64().unwrap()).sum()
    }

    /// A store with the image as `localhost/app:1`, which is loaded and not pulled.
    pub(crate) fn place_with_image(&self) -> Place {
        let place = Place::new();
        let options = place.options().names(["localhost/app:1"]);
        let loaded = layerhold_oci::load(&place.store, self.made.directory(), &options, &Quiet);
        assert_eq!(loaded.unwrap().len(), 1);
        place
    }
}

/// Short pauses.
pub(crate) fn client() -> ClientOptions {
    let pauses = (Duration::from_millis(1), Duration::from_secs(3));
    let retries = Retries::default().with_pauses(pauses.0, pauses.1);
    ClientOptions::default().retries(retries)
}

pub(crate) fn registries() -> Registries {
    Registries::new(Policy::insecure_accept_anything())
        .verifying_tls(false)
        .with_client(client())
}

/// For servers that fall silent: each silence costs half a second. A busy machine is silent for
/// that long too, so the others wait as long as they do by default.
pub(crate) fn impatient() -> Registries {
    registries().with_client(client().idle_timeout(Duration::from_millis(500)))
}

pub(crate) fn login() -> Login {
    Login::password(USER, PASSWORD)
}

/// Pulls `app:1` through a proxy.
pub(crate) fn pull_from(
    place: &Place,
    registries: &Registries,
    proxy: &FaultProxy,
) -> Result<PulledImage, PullError> {
    pull_named(place, registries, &format!("{}/app:1", proxy.address()))
}

pub(crate) fn pull_named(
    place: &Place,
    registries: &Registries,
    name: &str,
) -> Result<PulledImage, PullError> {
    let options = PullOptions::default().scratch(place.base());
    pull(&place.store, registries, name, &options, &Quiet)
}

/// Pushes the image through a proxy as `pushed:1`.
pub(crate) fn push_to(
    place: &Place,
    registries: &Registries,
    proxy: &FaultProxy,
) -> Result<Pushed, PushError> {
    let name = format!("{}/pushed:1", proxy.address());
    let options = PushOptions::default().scratch(place.base());
    push(&place.store, registries, "app:1", &name, &options, &Quiet)
}

/// The bytes of manifests and blobs that came.
pub(crate) fn contents_sent(proxy: &FaultProxy) -> u64 {
    let all = proxy.requests().into_iter();
    all.chain(proxy.requests_elsewhere())
        .filter(|record| matches!(record.kind, Kind::Blob | Kind::Manifest))
        .filter(|record| (200..300).contains(&record.status))
        .map(|record| record.sent)
        .sum()
}

/// Checks that no request shows credentials.
#[track_caller]
pub(crate) fn assert_no_credentials(requests: &[Record]) {
    for record in requests {
        assert_eq!(record.header("Authorization"), None, "{record:#?}");
        assert_eq!(record.header("Cookie"), None, "{record:#?}");
        let text = format!("{record:?}");
        assert!(!text.contains("open:sesame"), "{text}");
    }
}

/// Short names of problems, with what is told of them.
pub(crate) fn kind_of(problem: Option<&Problem>) -> String {
    match problem {
        None => "none".to_owned(),
        Some(problem) => match problem.answer() {
            Some(answer) => format!("{} {}", variant(problem), answer.status),
            None => variant(problem),
        },
    }
}

fn variant(problem: &Problem) -> String {
    let text = format!("{problem:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}
