//! `pull`: from a registry, and beside podman.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use layerhold_testkit::fault_proxy::{FaultProxy, Kind, Personality};
use layerhold_testkit::image::{Image, Layer, MadeImage};
use layerhold_testkit::registry::{PASSWORD, Registry, Setup, USER};
use layerhold_testkit::{Podman, Ran, require_docker_registry, require_peer, require_root, run};
use serde_json::Value;

use super::login::note;
use crate::support::{LAYERHOLD, Place, at_a_terminal};

const TRUSTING: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;

/// A store, and a registry with an image under the names `team/app:one` and `team/app:two`.
pub(super) struct Scene {
    pub(super) place: Place,
    pub(super) registry: Registry,
    pub(super) made: MadeImage,
}

impl Scene {
    pub(super) fn new(setup: Setup, image: &Image) -> Option<Self> {
        require_root()?;
        require_docker_registry()?;
        let (place, registry) = (Place::new(), setup.start());
        let made = image.make(&place.path("made"));
        registry.add(&made, "team/app", "one");
        registry.add(&made, "team/app", "two");
        fs::create_dir_all(place.path("home/.config/containers")).unwrap();
        fs::write(place.path("home/.config/containers/policy.json"), TRUSTING).unwrap();
        fs::write(place.path("registries.conf"), "").unwrap();
        Some(Self {
            place,
            registry,
            made,
        })
    }

    pub(super) fn name(&self, tag: &str) -> String {
        format!("{}/team/app:{tag}", self.registry.address())
    }

    /// `layerhold` with the configuration of this scene alone.
    pub(super) fn command(&self) -> Command {
        let mut command = self.place.command();
        command.env("HOME", self.place.path("home"));
        command.env("REGISTRY_AUTH_FILE", self.place.path("auth.json"));
        command.env(
            "CONTAINERS_REGISTRIES_CONF",
            self.place.path("registries.conf"),
        );
        command.env_remove("XDG_RUNTIME_DIR");
        command.env_remove("XDG_CONFIG_HOME");
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Ran {
        run(self.command().args(words))
    }

    /// The ID of the image, as the store has it.
    fn id(&self) -> String {
        let images = self.run(&["--format", "json", "images"]).text();
        let value: Value = serde_json::from_str(&images).unwrap();
        value[0]["id"].as_str().unwrap().to_owned()
    }
}

fn small() -> Image {
    Image::new()
        .layer(Layer::files(3, 100))
        .layer(Layer::files(2, 10))
}

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn peer_registry_podman_root_finds_what_was_pulled() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let setup = Setup::default().with_tls().with_password();
    let Some(scene) = Scene::new(setup, &small()) else {
        return;
    };
    let (name, certificates) = (scene.name("one"), scene.registry.certificates());
    let certificates = certificates.to_str().unwrap();
    let pull =
        |more: &[&str]| scene.run(&[&["pull", "--cert-dir", certificates][..], more].concat());

    let wrong = format!("{USER}:guess-it");
    let refused = pull(&["--creds", &wrong, &name]);
    assert_eq!((refused.code, refused.stdout.len()), (Some(1), 0));
    assert!(!note(&refused).contains("guess-it"), "{}", note(&refused));

    let creds = format!("{USER}:{PASSWORD}");
    let first = pull(&["--creds", &creds, &format!("docker://{name}")]);
    let id = scene.id();
    assert_eq!(first.text(), format!("{id}\n"));
    assert!(note(&first).contains("2 new layers"), "{}", note(&first));
    assert!(!note(&first).contains(PASSWORD));

    // With what a login stored, and without a word.
    let login = [
        "login",
        "--cert-dir",
        certificates,
        "-u",
        USER,
        "-p",
        PASSWORD,
    ];
    scene
        .run(&[&login[..], &[&scene.registry.address()]].concat())
        .assert_success();
    let digest = &scene.made.descriptor().digest;
    let by_digest = format!("{}/team/app@{digest}", scene.registry.address());
    let again = pull(&["--quiet", &by_digest, &scene.name("two")]);
    assert_eq!(
        (again.text(), note(&again)),
        (format!("{id}\n{id}\n"), String::new())
    );

    let podman = Podman::beside(&scene.place.go());
    let format = "{{.Id}} {{.Digest}}";
    for name in [&name, &scene.name("two"), &by_digest] {
        let theirs = podman.run(["image", "inspect", "--format", format, name]);
        assert_eq!(theirs.text(), format!("{id} {digest}\n"), "{name}");
    }
}

#[test]
fn peer_registry_root_events_are_objects() {
    let Some(scene) = Scene::new(Setup::default(), &small()) else {
        return;
    };
    let pull = ["--format", "json", "pull", "--tls-verify=false"];
    let (name, missing) = (scene.name("one"), scene.name("none"));
    let events = objects(&scene.run(&[&pull[..], &[&name]].concat()).text());
    let kinds = |kind: &str| events.iter().filter(|it| it["event"] == kind).count();
    for (kind, count) in [
        ("trying", 1),
        ("wanted", 2),
        ("finished", 2),
        ("committing", 1),
    ] {
        assert_eq!(kinds(kind), count, "{kind}");
    }
    let last = events.last().unwrap();
    assert_eq!(last["event"], "pulled");
    assert_eq!(last["id"], scene.id());
    assert_eq!(last["names"], serde_json::json!([name]));
    assert_eq!(last["digest"], scene.made.descriptor().digest);
    assert_eq!(
        last["layers"],
        serde_json::json!({ "fetched": 2, "reused": 0 })
    );

    // The others come nevertheless.
    let both = scene.run(&[&pull[..], &["--quiet", &missing, &name]].concat());
    assert_eq!(both.code, Some(1));
    let events = objects(&String::from_utf8(both.stdout).unwrap());
    assert_eq!(events[0]["event"], "failed");
    assert_eq!(events[0]["image"], missing);
    assert!(
        events[0]["reason"]
            .as_str()
            .unwrap()
            .contains("no such manifest")
    );
    assert_eq!(
        events[1]["layers"],
        serde_json::json!({ "fetched": 0, "reused": 2 })
    );
    assert_eq!(events.len(), 2);
}

#[test]
fn peer_registry_root_the_store_may_be_enough() {
    let Some(scene) = Scene::new(Setup::default(), &small()) else {
        return;
    };
    let name = scene.name("one");
    let pull = |policy: &str, more: &[&str]| {
        let words = ["pull", "-q", "--retry=0", "--policy", policy];
        scene.run(&[&words[..], more].concat())
    };
    assert_eq!(pull("never", &[&name]).code, Some(1));
    pull("missing", &["--tls-verify=false", &name]).assert_success();
    let id = format!("{}\n", scene.id());
    // Without `--tls-verify=false` the registry is of no use.
    for (policy, printed) in [("never", &id), ("missing", &id), ("newer", &id)] {
        assert_eq!(&pull(policy, &[&name]).text(), printed, "{policy}");
    }
    assert_eq!(pull("always", &[&name]).code, Some(1));
}

#[test]
fn peer_registry_root_short_names_and_policies_are_those_of_the_files() {
    let Some(scene) = Scene::new(Setup::default(), &small()) else {
        return;
    };
    let host = scene.registry.address();
    let conf = format!(
        "unqualified-search-registries = ['127.0.0.1:9', '{host}']\nshort-name-mode = 'permissive'\n\
         [[registry]]\nlocation = '{host}'\ninsecure = true\n"
    );
    fs::write(scene.place.path("registries.conf"), conf).unwrap();
    let pulled = scene.run(&["pull", "--retry=0", "team/app:one"]);
    assert_eq!(pulled.text(), format!("{}\n", scene.id()));
    let renamed = scene.run(&["pull", "-q", "--retry=0", "--name", "mine", "team/app:one"]);
    renamed.assert_success();
    assert!(
        scene
            .run(&["images"])
            .text()
            .contains("localhost/mine:latest")
    );

    fs::write(
        scene.place.path("strict.json"),
        r#"{"default":[{"type":"reject"}]}"#,
    )
    .unwrap();
    let strict = scene.run(&["pull", "--signature-policy", "strict.json", "team/app:two"]);
    assert_eq!(strict.code, Some(1));
    assert!(!scene.run(&["images"]).text().contains("app:two"));
}

#[test]
fn peer_registry_root_a_signal_leaves_nothing() {
    let image = Image::new().layer(Layer::file(2_000_000).entropy(100));
    let Some(scene) = Scene::new(Setup::default(), &image) else {
        return;
    };
    let proxy = FaultProxy::before(&scene.registry.address())
        .with(Personality::Stall(1_000_000))
        .start();
    let name = format!("{}/team/app:one", proxy.address());
    let mut command = scene.command();
    command.args(["--format", "json", "pull", "--tls-verify=false", &name]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    assert!(lines.any(|line| line.contains("\"bytes\"")));
    let pid = child.id().to_string();
    run(Command::new("kill").args(["-INT", &pid])).assert_success();
    assert!(lines.any(|line| line.contains("\"failed\"")));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("unfinished work was undone"), "{said}");
    assert_eq!(
        scene.run(&["--format", "json", "layers"]).text().trim(),
        "[]"
    );
    assert_eq!(scene.run(&["gc"]).text(), "");
}

/// Gives one command the variables of another.
fn copy_variables(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Pulls a short name at a terminal. The cache of aliases of root is in a mount namespace of its
/// own, and ends up in the file `cache`.
fn choose(scene: &Scene, answer: &str) -> Ran {
    let script = scene.place.path("choose.sh");
    let command = scene.command();
    let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    let text = format!(
        "mount -t tmpfs none /var/cache && {LAYERHOLD} {} pull --retry=0 team/app:one\n\
         code=$?\ncp /var/cache/containers/short-name-aliases.conf cache\nexit $code\n",
        args.join(" ")
    );
    fs::write(&script, text).unwrap();
    let mut shell = at_a_terminal("unshare -m sh choose.sh", &format!("echo {answer}"));
    copy_variables(&command, &mut shell);
    run(shell.current_dir(scene.place.path("")))
}

#[test]
fn peer_registry_peer_script_root_a_person_chooses_what_a_short_name_is() {
    let Some(()) = require_peer("script") else {
        return;
    };
    let Some(scene) = Scene::new(Setup::default(), &small()) else {
        return;
    };
    let host = scene.registry.address();
    let conf = format!(
        "unqualified-search-registries = ['127.0.0.1:9', '{host}']\nshort-name-mode = 'enforcing'\n\
         [[registry]]\nlocation = '{host}'\ninsecure = true\n"
    );
    fs::write(scene.place.path("registries.conf"), conf).unwrap();
    for answer in ["3", "0", "b", ""] {
        let refused = choose(&scene, answer);
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.code, Some(1), "{answer:?}: {said}");
        assert!(!scene.place.path("cache").exists(), "{answer:?}");
    }
    let chosen = choose(&scene, "2");
    let said = String::from_utf8_lossy(&chosen.stdout).into_owned();
    assert_eq!(chosen.code, Some(0), "{said}");
    for line in [
        "  1  127.0.0.1:9/team/app:one".to_owned(),
        format!("  2  {host}/team/app:one"),
        "Which of these is \"team/app:one\"? Answer with its number: ".to_owned(),
        scene.id(),
    ] {
        assert!(said.contains(&line), "{line}: {said}");
    }
    // The next time there is no question.
    let kept = fs::read_to_string(scene.place.path("cache")).unwrap();
    assert_eq!(
        kept,
        format!("[aliases]\n  \"team/app\" = \"{host}/team/app\"\n")
    );
    // Without a terminal there is no answer either.
    let ran = scene.run(&["pull", "--retry=0", "team/app:one"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        note(&ran).contains("127.0.0.1:9/team/app:one"),
        "{}",
        note(&ran)
    );
}

#[test]
fn peer_registry_root_requests_are_repeated_as_often_as_was_said() {
    let Some(scene) = Scene::new(Setup::default(), &small()) else {
        return;
    };
    let pull = |more: &[&str]| {
        let busy = Personality::ServerError(503).on(Kind::Manifest).first(2);
        let proxy = FaultProxy::before(&scene.registry.address())
            .with(busy)
            .start();
        let name = format!("{}/team/app:one", proxy.address());
        let ran = scene.run(&[&["pull", "-q", "--tls-verify=false", &name][..], more].concat());
        let asked = proxy.requests().into_iter();
        let asked = asked
            .filter(|request| request.kind == Kind::Manifest)
            .count();
        (ran.code, asked, note(&ran))
    };
    for (retry, code, asked) in [("0", 1, 1), ("1", 1, 2), ("2", 0, 3), ("9", 0, 3)] {
        let (was, times, said) = pull(&["--retry", retry, "--retry-delay", "1ms"]);
        assert_eq!((was, times), (Some(code), asked), "{retry}: {said}");
    }
    // A pause of an hour is longer than all may take.
    let (code, asked, said) = pull(&["--retry-delay", "1h", "--timeout", "1s"]);
    assert_eq!((code, asked), (Some(1), 1), "{said}");
    assert!(said.contains("--timeout"), "{said}");
}

#[test]
fn peer_registry_root_without_a_policy_nothing_comes_in() {
    let Some(scene) = Scene::new(Setup::default(), &small()) else {
        return;
    };
    fs::remove_file(scene.place.path("home/.config/containers/policy.json")).unwrap();
    let command = scene.command();
    let mut hidden = Command::new("unshare");
    hidden.args(["-m", "sh", "-ec"]).arg(
        "for dir in /etc/containers /usr/share/containers; do \
         [ ! -d $dir ] || mount -t tmpfs none $dir; done; exec \"$0\" \"$@\"",
    );
    hidden.arg(command.get_program()).args(command.get_args());
    copy_variables(&command, &mut hidden);
    if let Some(directory) = command.get_current_dir() {
        hidden.current_dir(directory);
    }
    let name = scene.name("one");
    let ran = run(hidden.args(["pull", "--retry=0", "--tls-verify=false", &name]));
    assert_eq!(ran.code, Some(1));
    for part in ["policy.json", "insecureAcceptAnything"] {
        assert!(note(&ran).contains(part), "{}", note(&ran));
    }
    let images = scene.run(&["--format", "json", "images"]).text();
    assert_eq!(images.trim(), "[]");
}

#[test]
fn what_cannot_be_pulled_is_refused() {
    let place = Place::new();
    for (words, code, said) in [
        (&["--all-platforms", "a.b/c"][..], 1, "--platform"),
        (&["--name", "x", "a.b/c", "a.b/d"], 1, "one by one"),
        (
            &["--signature-policy", "none.json", "a.b/c"],
            1,
            "none.json",
        ),
        (&["--policy", "never", "oci:a"], 1, "`load`"),
        (&["--policy", "never", "a.b/c"], 1, "--policy never"),
        (&["--timeout", "1d", "a.b/c"], 2, "10m"),
        (&["--connections", "0", "a.b/c"], 2, "0"),
        (&["--platform", "linux", "a.b/c"], 2, "linux"),
        (&["--format", "oci", "a.b/c"], 2, "`push`"),
    ] {
        let ran = place.run([&["pull"], words].concat());
        let err = note(&ran);
        assert_eq!(ran.code, Some(code), "{words:?}: {err}");
        assert!(err.contains(said), "{words:?}: {err}");
    }
}
