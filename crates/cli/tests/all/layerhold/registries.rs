//! `tags` and `inspect --remote`: with a registry, and beside skopeo.

use std::fs;

use layerhold_testkit::image::{Image, Layer};
use layerhold_testkit::registry::{PASSWORD, Registry, Setup, USER};
use layerhold_testkit::{require_docker_registry, require_peer, scratch};
use serde_json::{Value, json};

use super::login::{User, note};
use crate::support::LAYERHOLD;

/// A registry with an image under two tags.
fn filled(setup: Setup) -> Registry {
    let (registry, place) = (setup.start(), scratch());
    let image = Image::new()
        .layer(Layer::files(3, 100))
        .layer(Layer::files(2, 10));
    let made = image.make(place.path());
    registry.add(&made, "team/app", "one");
    registry.add(&made, "team/app", "two");
    registry
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The tags of an answer, sorted: Debian's registry has the order of its directory, which each
/// filesystem decides for itself.
fn tags_in(answer: &Value) -> Vec<&str> {
    let tags = answer["Tags"].as_array().unwrap();
    let mut tags: Vec<&str> = tags.iter().map(|tag| tag.as_str().unwrap()).collect();
    tags.sort_unstable();
    tags
}

#[test]
fn peer_registry_skopeo_prints_the_same_fields() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let Some(()) = require_peer("skopeo") else {
        return;
    };
    let registry = filled(Setup::default().with_tls().with_password());
    let user = User::new();
    let certificates = registry.certificates();
    let creds = format!("{USER}:{PASSWORD}");
    let reach = [
        "--cert-dir",
        certificates.to_str().unwrap(),
        "--creds",
        &creds,
    ];
    let image = format!("docker://{}/team/app:two", registry.address());
    let repository = format!("docker://{}/team/app", registry.address());
    let run = |program: &str, words: &[&str]| user.run(program, &[words, &reach].concat());
    let ours = parsed(&run(LAYERHOLD, &["--format", "json", "tags", &repository]).text());
    assert_eq!(
        ours,
        parsed(&run("skopeo", &["list-tags", &repository]).text())
    );
    assert_eq!(tags_in(&ours), ["one", "two"]);
    let mut lines = run(LAYERHOLD, &["tags", &repository]).lines();
    lines.sort();
    assert_eq!(lines, ["one", "two"]);

    let inspect = |more: &[&str]| {
        run(
            LAYERHOLD,
            &[&["inspect", "--remote", &image], more].concat(),
        )
    };
    let theirs = |more: &[&str]| run("skopeo", &[&["inspect", &image], more].concat());
    let described = parsed(&inspect(&["--format", "json"]).text());
    // Debian's skopeo is older than LayersData.
    for (field, value) in parsed(&theirs(&[]).text()).as_object().unwrap() {
        assert_eq!(&described[field], value, "{field}");
    }
    let sizes = described["LayersData"].as_array().unwrap();
    assert_eq!(sizes.len(), 2);
    assert_eq!(sizes[0]["Digest"], described["Layers"][0]);
    assert_eq!(inspect(&["--raw"]).stdout, theirs(&["--raw"]).stdout);
    assert_eq!(
        inspect(&["--raw", "--config"]).stdout,
        theirs(&["--raw", "--config"]).stdout
    );
    let config = parsed(&inspect(&["--config"]).text());
    assert_eq!(config["architecture"], described["Architecture"]);
    let text = inspect(&[]).text();
    let digest = described["Digest"].as_str().unwrap();
    assert!(
        text.contains(&format!("digest          {digest}\n")),
        "{text}"
    );
    assert!(text.contains("in 2 layers"), "{text}");
    let other = inspect(&["--platform", "linux/none"]);
    assert_eq!(other.code, Some(0), "a single image is for every platform");

    let missing = format!("docker://{}/team/none:1", registry.address());
    let ran = run(LAYERHOLD, &["inspect", "--remote", &missing]);
    assert!(note(&ran).contains("no such"), "{}", note(&ran));
    assert_eq!(ran.code, Some(1));
    let ran = user.run(LAYERHOLD, &["tags", "--cert-dir", reach[1], &repository]);
    assert!(note(&ran).contains("log in to"), "{}", note(&ran));
}

#[test]
fn peer_registry_names_go_through_the_configuration() {
    let Some(()) = require_docker_registry() else {
        return;
    };
    let (registry, user) = (filled(Setup::default()), User::new());
    let host = registry.address();
    // A closed port has no registry.
    let conf = format!(
        "unqualified-search-registries = ['127.0.0.1:9', 'a.example']\n\
         [[registry]]\nprefix = 'a.example'\nlocation = '{host}/team'\ninsecure = true\n\
         [[registry]]\nlocation = 'b.example'\nblocked = true\n\
         [[registry]]\nlocation = 'c.example/team'\n\
         [[registry.mirror]]\nlocation = '{host}/team'\ninsecure = true\n"
    );
    fs::write(user.path("registries.conf"), conf).unwrap();
    let run = |words: &[&str]| user.run(LAYERHOLD, words);
    let image = run(&["inspect", "--remote", "a.example/app:one"]).text();
    assert!(
        image.contains("name            a.example/app:one\n"),
        "{image}"
    );
    assert!(
        image.contains(&format!("from            {host}/team/app:one\n")),
        "{image}"
    );
    // The mirror is asked first.
    let mirrored = run(&["inspect", "--remote", "c.example/team/app:one"]).text();
    assert!(
        mirrored.contains("name            c.example/team/app:one\n"),
        "{mirrored}"
    );
    let blocked = run(&["tags", "b.example/app"]);
    assert!(
        note(&blocked).contains("is blocked in"),
        "{}",
        note(&blocked)
    );
    assert_eq!(blocked.code, Some(1));
    // The first registry for short names does not answer, the second does.
    let tags = run(&["--format", "json", "tags", "app"]);
    let tags = parsed(&tags.text());
    assert_eq!(tags["Repository"], json!("a.example/app"));
    assert_eq!(tags_in(&tags), ["one", "two"]);
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let user = User::new();
    for (words, code, said) in [
        (
            &["tags", "a.example/app:1"][..],
            1,
            "without a tag or digest",
        ),
        (&["tags", "app"], 1, "unqualified-search-registries"),
        (
            &["inspect", "--remote", "a.example/a", "a.example/b"],
            1,
            "give one",
        ),
        (&["inspect", "--raw", "app"], 2, "--remote"),
        (
            &["inspect", "--remote", "--platform", "linux", "a.example/a"],
            2,
            "linux",
        ),
        (
            &["inspect", "--remote", "--creds", "ann", "a.example/a"],
            1,
            "--creds USER:PASSWORD",
        ),
    ] {
        let ran = user.run(LAYERHOLD, words);
        let err = note(&ran);
        assert_eq!(ran.code, Some(code), "{words:?}: {err}");
        assert!(err.contains(said), "{words:?}: {err}");
    }
}
