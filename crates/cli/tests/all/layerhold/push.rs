//! `push`: to a registry, and beside podman and skopeo.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use layerhold_testkit::fault_proxy::{FaultProxy, Kind, Personality, RetryAfter};
use layerhold_testkit::image::{Image, Layer};
use layerhold_testkit::registry::{PASSWORD, Setup, USER};
use layerhold_testkit::{Podman, require_peer, run};
use serde_json::{Value, json};

use super::login::note;
use super::pull::Scene;
use crate::support::Place;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The manifest of an image, by skopeo.
fn manifest(scene: &Scene, tag: &str) -> Value {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false"]);
    parsed(&run(skopeo.arg(format!("docker://{}", scene.name(tag)))).text())
}

#[test]
fn peer_registry_podman_root_pulls_what_was_pushed() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let setup = Setup::default().with_tls().with_password();
    let Some(scene) = Scene::new(setup, &Image::new()) else {
        return;
    };
    let archive = scene.place.archive(&["a.example/app:1"]);
    scene.place.text(["load".as_ref(), archive.as_os_str()]);
    let (name, certificates) = (scene.name("mine"), scene.registry.certificates());
    let creds = format!("{USER}:{PASSWORD}");
    let reach = [
        "--cert-dir",
        certificates.to_str().unwrap(),
        "--creds",
        &creds,
    ];
    let push = ["push", "--digest-file", "digest", "a.example/app:1", &name];
    let pushed = scene.run(&[&push[..], &reach].concat());
    let digest = fs::read_to_string(scene.place.path("digest")).unwrap();
    assert_eq!(pushed.text(), format!("{digest}\n"));
    assert!(note(&pushed).contains("2 layers sent"), "{}", note(&pushed));
    assert!(!note(&pushed).contains(PASSWORD));

    let podman = Podman::below(&scene.place.path("theirs"), "vfs");
    let pulled = podman.run([&["pull", "-q"][..], &reach, &[&name]].concat());
    let id = pulled.text();
    let inspected = podman.run(["image", "inspect", "--format", "{{.Digest}}", id.trim()]);
    assert_eq!(inspected.text().trim(), digest);

    let again = scene.run(&[&push[..], &reach, &["--quiet"]].concat());
    assert_eq!((again.text(), note(&again)), (String::new(), String::new()));
}

#[test]
fn peer_registry_skopeo_root_sees_the_format_that_was_asked_for() {
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let Some(scene) = Scene::new(Setup::default(), &Image::new()) else {
        return;
    };
    let archive = scene.place.archive(&["a.example/app:1"]);
    scene.place.text(["load".as_ref(), archive.as_os_str()]);
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let oci = "application/vnd.oci.image.manifest.v1+json";
    for (tag, options, media_type, layer) in [
        ("a", &["--format", "oci"][..], oci, "layer.v1.tar+gzip"),
        ("b", &["--format", "v2s2"], docker, "diff.tar.gzip"),
        (
            "c",
            &["--compression-format", "zstd", "--format", "oci"],
            oci,
            "tar+zstd",
        ),
        (
            "d",
            &["--compression", "none", "--manifest-format", "oci"],
            oci,
            "layer.v1.tar",
        ),
        (
            "e",
            &[
                "--compression",
                "gzip",
                "--compression-level",
                "9",
                "--format",
                "docker",
            ],
            docker,
            "diff.tar.gzip",
        ),
    ] {
        let name = scene.name(tag);
        let push = ["push", "-q", "--tls-verify=false", "a.example/app:1", &name];
        scene.run(&[&push[..], options].concat()).assert_success();
        let manifest = manifest(&scene, tag);
        assert_eq!(manifest["mediaType"], media_type, "{tag}");
        let found = manifest["layers"][0]["mediaType"].as_str().unwrap();
        assert!(found.ends_with(layer), "{tag}: {found}");
    }
}

#[test]
fn peer_registry_skopeo_root_several_images_become_one() {
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let image = Image::new()
        .layer(Layer::files(2, 10))
        .platforms(["linux/amd64", "linux/arm64/v8"]);
    let Some(scene) = Scene::new(Setup::default(), &image) else {
        return;
    };
    let one = scene.name("one");
    for (arch, name) in [("amd64", "first"), ("arm64", "second")] {
        let pull = [
            "pull",
            "-q",
            "--tls-verify=false",
            "--arch",
            arch,
            "-n",
            name,
            &one,
        ];
        scene.run(&pull).assert_success();
    }
    let name = scene.name("both");
    let push = [
        "--format",
        "json",
        "push",
        "--tls-verify=false",
        "first",
        "second",
        &name,
    ];
    let text = scene.run(&push).text();
    let pushed = parsed(text.lines().last().unwrap());
    assert_eq!(pushed["event"], "pushed");
    assert_eq!(pushed["destination"], name);
    let index = manifest(&scene, "both");
    let platforms: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["platform"]["architecture"])
        .collect();
    assert_eq!(platforms, [&json!("amd64"), &json!("arm64")]);
}

#[test]
fn peer_registry_root_digests_are_kept_if_they_have_to_be() {
    let Some(scene) = Scene::new(Setup::default(), &Image::new().layer(Layer::files(3, 100)))
    else {
        return;
    };
    let name = scene.name("one");
    let reach = ["-q", "--tls-verify=false"];
    scene
        .run(&[&["pull"][..], &reach, &[&name]].concat())
        .assert_success();
    let push = |tag: &str, more: &[&str]| {
        let target = scene.name(tag);
        let words = ["push", "--preserve-digests", "--digest-file", "digest"];
        scene.run(&[&words[..], &reach, more, &[&name, &target]].concat())
    };
    push("kept", &[]).assert_success();
    let digest = fs::read_to_string(scene.place.path("digest")).unwrap();
    assert_eq!(digest, scene.made.descriptor().digest);
    fs::remove_file(scene.place.path("digest")).unwrap();
    let changed = push("changed", &["--compression", "zstd"]);
    assert_eq!(changed.code, Some(1));
    assert!(note(&changed).contains(&digest), "{}", note(&changed));
    assert!(!scene.place.path("digest").exists());
    assert_eq!(scene.registry.tags("team/app"), ["kept", "one", "two"]);
}

#[test]
fn peer_registry_root_a_signal_during_a_push_leaves_no_tag() {
    let Some(scene) = Scene::new(Setup::default(), &Image::new()) else {
        return;
    };
    let archive = scene.place.archive(&["a.example/app:1"]);
    scene.place.text(["load".as_ref(), archive.as_os_str()]);
    let busy = Personality::TooManyRequests(RetryAfter::Seconds(20)).on(Kind::Upload);
    let proxy = FaultProxy::before(&scene.registry.address())
        .with(busy)
        .start();
    let name = format!("{}/other/app:1", proxy.address());
    let mut command = scene.command();
    command.args(["push", "--tls-verify=false", "a.example/app:1", &name]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let is_sending = || {
        let requests = proxy.requests();
        requests.iter().any(|request| request.kind == Kind::Upload)
    };
    while !is_sending() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = child.id().to_string();
    run(Command::new("kill").args(["-TERM", &pid])).assert_success();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{said}");
    assert_eq!(scene.registry.tags("other/app"), Vec::<String>::new());
    assert_eq!(scene.run(&["gc"]).text(), "");
}

#[test]
fn what_cannot_be_pushed_is_refused() {
    let place = Place::new();
    let archive = place.archive(&["a.example/app:1", "localhost/mine:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    let images = place.json(["images"]);
    let id = images[0]["id"].as_str().unwrap();
    for (words, code, said) in [
        (&["none"][..], 1, "none"),
        (&["mine:1"], 1, "give a destination"),
        (&[id], 1, "localhost/mine:1, a.example/app:1"),
        (&["mine:1", "oci:there"], 1, "`save`"),
        (&["mine:1", "a.b/C"], 1, "a.b/C"),
        (
            &["mine:1", "a.b/c", "--compression-level", "3"],
            2,
            "--compression",
        ),
        (&["mine:1", "a.b/c", "--format", "v2s1"], 2, "v2s1"),
        (&[], 2, "IMAGE"),
    ] {
        let ran = place.run([&["push"], words].concat());
        let err = note(&ran);
        assert_eq!(ran.code, Some(code), "{words:?}: {err}");
        assert!(err.contains(said), "{words:?}: {err}");
    }
}
