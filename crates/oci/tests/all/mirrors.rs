//! Mirrors, several candidates of a short name, and layers at foreign addresses.

use std::time::Duration;

use layerhold_oci::layerhold_registries_conf::{FileKind, RegistriesConf};
use layerhold_oci::{PullError, Registries};
use layerhold_testkit::fault_proxy::{FaultProxy, Kind, Personality, Rule, Tokens};
use layerhold_testkit::image::{Image, Layer};
use serde_json::json;

use crate::faulty::{
    LARGE, Scene, assert_no_credentials, client, kind_of, login, pull_from, pull_named, registries,
};
use crate::support::{DOCKER_CONFIG, DOCKER_MANIFEST, Place, chain, image_data, sha256};

fn with_conf(text: &str) -> Registries {
    let mut conf = RegistriesConf::default();
    conf.add("registries.conf", FileKind::Main, text).unwrap();
    registries().with_conf(conf)
}

/// The registry `registry.test`, which is at `location`, with mirrors before it.
fn with_mirrors(location: &FaultProxy, mirrors: &[&FaultProxy]) -> Registries {
    let mut text = format!(
        "[[registry]]\nprefix = \"registry.test\"\nlocation = \"{}\"\n",
        location.address()
    );
    for mirror in mirrors {
        let address = mirror.address();
        text += &format!("[[registry.mirror]]\nlocation = \"{address}\"\n");
    }
    with_conf(&text)
}

const NAME: &str = "registry.test/app:1";

#[test]
fn root_peer_docker_registry_mirrors_are_asked_in_order_and_leave_no_trace() {
    let Some(scene) = Scene::new() else { return };
    let missing = || scene.proxy([Personality::ServerError(404).on(Kind::Manifest)]);
    let good = || scene.proxy([]);
    let (first, second, third, location) = (missing(), good(), good(), good());
    let registries = with_mirrors(&location, &[&first, &second, &third]);
    let place = Place::new();
    let pulled = pull_named(&place, &registries, NAME).unwrap();
    assert_eq!(pulled.reference.to_string(), NAME);
    assert_eq!(
        pulled.source.to_string(),
        format!("{}/app:1", second.address())
    );
    assert_eq!(pulled.names, [NAME]);
    scene.assert_pulled(&place, &pulled);
    assert!(!first.requests().is_empty());
    assert_eq!((third.requests(), location.requests()), (vec![], vec![]));
    let image = place.only_image();
    let records = format!("{:?}", image_data(&place.path("root")));
    assert_eq!(image.names(), [NAME]);
    assert!(!records.contains(&second.address()));
}

#[test]
fn root_peer_docker_registry_a_mirror_may_fail_in_any_way() {
    let Some(scene) = Scene::new() else { return };
    let on_manifest = |personality: Personality| personality.on(Kind::Manifest);
    for (rule, why) in [
        (
            on_manifest(Personality::ServerError(404)),
            "ManifestUnknown 404",
        ),
        (on_manifest(Personality::ServerError(403)), "Denied 403"),
        (on_manifest(Personality::ServerError(500)), "Refused 500"),
        (on_manifest(Personality::RedirectLoop), "Redirect"),
        (Personality::ServerError(401).into(), "LoginRequired 401"),
        (Personality::ServerError(503).into(), "Refused 503"),
        (Personality::EndlessHeaders.into(), "Protocol"),
        (Personality::EndlessBody(200).into(), "TooLarge"),
        (Personality::WrongDigestHeader.into(), "BadAnswer"),
        (
            Personality::Tokens(Tokens::lasting(9).with_login()).into(),
            "LoginRequired 401",
        ),
    ] {
        let shown = format!("{rule:?}");
        let mirror = scene.proxy([rule]);
        let (place, location) = (Place::new(), scene.proxy([]));
        let registries = with_mirrors(&location, &[&mirror]);
        let pulled = pull_named(&place, &registries, NAME).unwrap();
        assert_eq!(pulled.source.registry(), location.address(), "{shown}");
        scene.assert_pulled(&place, &pulled);
        // If the location fails too, the reasons of both are told.
        let nowhere = scene.proxy([on_manifest(Personality::ServerError(404))]);
        let registries = with_mirrors(&nowhere, &[&mirror]);
        let error = pull_named(&Place::new(), &registries, NAME).unwrap_err();
        let PullError::NoSource {
            reference,
            mirrors,
            source,
        } = &error
        else {
            panic!("{shown}: {error:?}");
        };
        assert_eq!(reference.to_string(), NAME);
        let told: Vec<_> = mirrors
            .iter()
            .map(|(mirror, error)| (mirror.registry(), kind_of(error.problem())))
            .collect();
        assert_eq!(told, [(&*mirror.address(), why.to_owned())], "{shown}");
        assert_eq!(kind_of(source.problem()), "ManifestUnknown 404");
        assert!(error.is_not_found());
    }
}

#[test]
fn root_peer_docker_registry_mirrors_do_not_get_the_credentials_of_the_registry() {
    let Some(scene) = Scene::new() else { return };
    let tokens = || Rule::from(Personality::Tokens(Tokens::lasting(99).with_login()));
    let mirror = scene.proxy([tokens()]);
    let location = scene.proxy([tokens()]);
    let registries = with_mirrors(&location, &[&mirror]).with_login(login());
    // The location is another registry than the one that was asked for, too.
    let error = pull_named(&Place::new(), &registries, NAME).unwrap_err();
    assert!(matches!(error, PullError::NoSource { .. }), "{error:?}");
    for proxy in [&mirror, &location] {
        assert_no_credentials(&proxy.requests());
        assert_no_credentials(&proxy.token_requests());
    }
    // The registry itself, with a mirror, gets them.
    let text = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        location.address(),
        mirror.address()
    );
    let registries = with_conf(&text).with_login(login());
    let place = Place::new();
    let pulled = pull_from(&place, &registries, &location).unwrap();
    scene.assert_pulled(&place, &pulled);
    assert_no_credentials(&mirror.requests());
    assert_no_credentials(&mirror.token_requests());
}

#[test]
fn root_peer_docker_registry_a_short_name_comes_from_the_first_registry_that_has_it_whole() {
    let Some(scene) = Scene::new() else { return };
    let layer = &scene.made.layers()[LARGE].descriptor;
    // A layer of the first one cannot be fetched.
    let broken = scene.proxy([
        Personality::RangesIgnored.into(),
        Personality::Stall(layer.size - 1).into(),
    ]);
    let good = scene.proxy([]);
    let registries = with_conf(&format!(
        "unqualified-search-registries = [\"{}\", \"{}\"]\nshort-name-mode = \"disabled\"\n",
        broken.address(),
        good.address()
    ));
    let place = Place::new();
    let short = client().idle_timeout(Duration::from_millis(500));
    let registries = registries.with_client(short);
    let pulled = pull_named(&place, &registries, "app:1").unwrap();
    assert_eq!(pulled.reference.registry(), good.address());
    scene.assert_pulled(&place, &pulled);
}

/// An image of one layer that its registry does not have, at `urls`.
fn foreign(scene: &Scene, urls: &[String]) {
    let config = scene.made.manifests()[0].config.clone();
    let layers: Vec<_> = scene
        .made
        .layers()
        .iter()
        .map(|layer| {
            let one = &layer.descriptor;
            json!({
                "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                "digest": one.digest,
                "size": one.size,
                "urls": urls.iter().map(|url| format!("{url}/{}", one.digest)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {
            "mediaType": DOCKER_CONFIG,
            "digest": config.digest,
            "size": config.size,
        },
        "layers": layers,
    });
    let bytes = manifest.to_string().into_bytes();
    let digest = sha256(&bytes);
    let file = scene.registry.blob_file(&digest);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let manifests = scene
        .registry
        .storage()
        .join("docker/registry/v2/repositories/app/_manifests");
    let revision = manifests.join("revisions").join(digest.replace(':', "/"));
    let tag = manifests.join("tags/1/current");
    for place in [revision, tag] {
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("link"), &digest).unwrap();
    }
}

#[test]
fn root_peer_docker_registry_foreign_addresses_get_no_credentials() {
    let Some(scene) = Scene::with(&Image::new().layer(Layer::file(9))) else {
        return;
    };
    let place = Place::new();
    let proxy = scene.proxy([Personality::Tokens(Tokens::lasting(99).with_login()).into()]);
    // The first address has nothing.
    let elsewhere = proxy.address_elsewhere();
    let urls = ["none", "app"].map(|name| format!("http://{elsewhere}/v2/{name}/blobs"));
    foreign(&scene, &urls);
    let registries = registries().with_login(login());
    let pulled = pull_from(&place, &registries, &proxy);
    let pulled = pulled.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(pulled.imported, 1);
    let requests = proxy.requests_elsewhere();
    assert_eq!(requests.len(), 2, "{requests:#?}");
    assert_no_credentials(&requests);
    // None has it: the registry is not asked instead.
    let nowhere = Place::new();
    foreign(&scene, &urls[..1]);
    let error = pull_from(&nowhere, &registries, &proxy).unwrap_err();
    assert!(
        matches!(error, PullError::Fetch { index: 0, .. }),
        "{error:?}"
    );
    assert_eq!(kind_of(error.problem()), "BlobUnknown 404");
    nowhere.assert_empty();
}
