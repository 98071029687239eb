//! Through a registry with TLS and a password, in both directions, beside podman, buildah and
//! skopeo.

use layerhold_archive::Codec;
use layerhold_oci::layerhold_image_policy::Policy;
use layerhold_oci::layerhold_registry::Login;
use layerhold_oci::{PullOptions, PushOptions, Quiet, Registries, pull, push};
use layerhold_testkit::registry::{PASSWORD, Registry, USER};
use layerhold_testkit::{Buildah, Podman, Skopeo, Tool, require_docker_registry};
use serde_json::Value;

use crate::peer_load::Twin;
use crate::support::{records, simple_layout};

/// A store of ours, one of a peer, and a registry that wants to know who asks.
struct Scene {
    twin: Twin,
    registry: Registry,
}

impl Scene {
    /// With the image `localhost/app:1` in our store.
    fn new(peer: &str) -> Option<Self> {
        let twin = Twin::new(peer)?;
        require_docker_registry()?;
        let layout = simple_layout(twin.place.path("layout"), Codec::Gzip, "localhost/app:1");
        twin.place.load(&layout).unwrap();
        let registry = Registry::setup().with_tls().with_password().start();
        Some(Scene { twin, registry })
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.address())
    }

    fn registries(&self) -> Registries {
        Registries::new(Policy::insecure_accept_anything())
            .with_certificates(self.registry.certificates())
            .with_login(Login::password(USER, PASSWORD))
    }

    fn push(&self, name: &str) -> String {
        let options = PushOptions::default().scratch(self.twin.place.base());
        let store = &self.twin.place.store;
        let pushed = push(store, &self.registries(), "app:1", name, &options, &Quiet).unwrap();
        pushed.digest.to_string()
    }

    /// Pulls into our store, and returns the ID and the digest.
    fn pull(&self, name: &str) -> (String, String) {
        let options = PullOptions::default().scratch(self.twin.place.base());
        let store = &self.twin.place.store;
        let pulled = pull(store, &self.registries(), name, &options, &Quiet).unwrap();
        (pulled.id.to_string(), pulled.digest.to_string())
    }

    /// The options of podman and buildah, and of skopeo behind `--src-` or `--dest-`.
    fn access(&self, prefix: &str) -> Vec<String> {
        let certificates = self.registry.certificates().display().to_string();
        vec![
            format!("--{prefix}cert-dir={certificates}"),
            format!("--{prefix}creds={USER}:{PASSWORD}"),
        ]
    }

    /// Checks that the peer has our image, and that what it pushed is again ours.
    #[track_caller]
    fn check(&self, pushed: &str, back: &str) {
        let ours = self.twin.place.only_image();
        let theirs = records(self.twin.go.root(), "images");
        let theirs: Vec<&Value> = theirs.iter().map(|image| &image["id"]).collect();
        assert_eq!(theirs, [ours.id().as_str()]);
        assert_eq!(self.pull(pushed).0, ours.id().to_string());
        let (id, digest) = self.pull(back);
        assert_eq!(id, ours.id().to_string());
        let repository = back.split_once('/').unwrap().1;
        let (repository, tag) = repository.split_once(':').unwrap();
        assert_eq!(self.registry.tagged(repository, tag), Some(digest));
    }
}

/// A program pulls what we pushed, and pushes it again; `transport` is in front of the name there.
#[track_caller]
fn takes_part(scene: &Scene, program: &Tool, transport: &str) {
    let (name, back) = (scene.name("team/app:1"), scene.name("back/app:1"));
    scene.push(&name);
    let run = |words: &[&str]| {
        let mut all: Vec<String> = vec![words[0].to_owned(), "-q".to_owned()];
        all.extend(scene.access(""));
        all.extend(words[1..].iter().map(|word| (*word).to_owned()));
        program.run(all).assert_success();
    };
    run(&["pull", &name]);
    run(&["push", &name, &format!("{transport}{back}")]);
    scene.check(&name, &back);
}

#[test]
fn root_peer_docker_registry_podman_takes_part_with_tls_and_password() {
    let Some(scene) = Scene::new("podman") else {
        return;
    };
    takes_part(&scene, &Podman::beside(&scene.twin.go), "");
}

#[test]
fn root_peer_docker_registry_buildah_takes_part_with_tls_and_password() {
    let Some(scene) = Scene::new("buildah") else {
        return;
    };
    takes_part(&scene, &Buildah::beside(&scene.twin.go), "docker://");
}

#[test]
fn root_peer_docker_registry_skopeo_takes_part_with_tls_and_password() {
    let Some(scene) = Scene::new("skopeo") else {
        return;
    };
    let skopeo = Skopeo::beside(&scene.twin.go);
    let (name, back) = (scene.name("team/app:1"), scene.name("back/app:1"));
    let digest = scene.push(&name);
    let stored = skopeo.reference(&name);
    let run = |prefix: &str, from: &str, to: &str| {
        let mut all = vec!["copy".to_owned(), "-q".to_owned()];
        all.extend(scene.access(prefix));
        all.extend([from.to_owned(), to.to_owned()]);
        skopeo.run(all).assert_success();
    };
    run("src-", &format!("docker://{name}"), &stored);
    run("dest-", &stored, &format!("docker://{back}"));
    scene.check(&name, &back);
    let mut inspect = vec!["inspect".to_owned(), "--format={{.Digest}}".to_owned()];
    inspect.extend(scene.access(""));
    inspect.push(format!("docker://{name}"));
    let shown = skopeo.run(inspect);
    shown.assert_success();
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), digest);
}

#[test]
fn root_peer_docker_registry_without_password_or_certificate_nothing_is_pulled_or_pushed() {
    let Some(scene) = Scene::new("skopeo") else {
        return;
    };
    let name = scene.name("team/app:1");
    scene.push(&name);
    let policy = Policy::insecure_accept_anything;
    let trusting = || Registries::new(policy()).with_certificates(scene.registry.certificates());
    let options = PullOptions::default().scratch(scene.twin.place.base());
    let pushing = PushOptions::default().scratch(scene.twin.place.base());
    for (registries, expected) in [
        (trusting(), "log in to"),
        (
            trusting().with_login(Login::password(USER, "wrong")),
            "wrong user name",
        ),
        (
            Registries::new(policy()).with_login(Login::password(USER, PASSWORD)),
            "no trusted connection",
        ),
    ] {
        let other = crate::support::Place::new();
        let error = pull(&other.store, &registries, &name, &options, &Quiet).unwrap_err();
        let said = crate::support::chain(&error);
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains(PASSWORD), "{said}");
        other.assert_empty();
        let store = &scene.twin.place.store;
        let error = push(store, &registries, "app:1", &name, &pushing, &Quiet).unwrap_err();
        let said = crate::support::chain(&error);
        assert!(said.contains(expected), "{said}");
    }
}
