//! `build`, `commit` and `import`, and what other tools make of their images.

use std::fs;
use std::process::{Command, Stdio};

use layerhold_testkit::{Buildah, Podman, Skopeo, TarBuilder, require_peer, require_root, run};
use serde_json::{Value, json};

use crate::support::Place;

/// The static program that images are made of.
const BUSYBOX: &str = "/bin/busybox";

/// A store beside a tree that can run.
fn with_tree(driver: &'static str) -> Option<Place> {
    require_root()?;
    require_peer("busybox")?;
    let place = Place::with_driver(driver);
    fs::create_dir_all(place.path("tree/bin")).unwrap();
    fs::copy(BUSYBOX, place.path("tree/bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", place.path("tree/bin/sh")).unwrap();
    std::os::unix::fs::symlink("busybox", place.path("tree/bin/cat")).unwrap();
    fs::create_dir(place.path("site")).unwrap();
    fs::write(place.path("site/index"), "hello").unwrap();
    fs::write(place.path("motd"), "welcome").unwrap();
    let tar = TarBuilder::new().file("from-tar", 0o644, "tar").finish();
    fs::write(place.path("layer.tar"), tar).unwrap();
    Some(place)
}

/// The arguments of an image with everything.
const EVERYTHING: [&str; 46] = [
    "build",
    "--name",
    "app:1",
    "-n",
    "example.com/app",
    "--dir",
    "tree",
    "--layer",
    "layer.tar",
    "--dir",
    "site:/srv/www",
    "--file",
    "motd:/etc/motd",
    "--entrypoint",
    "/bin/sh",
    "--entrypoint",
    "-c",
    "--cmd",
    "[\"cat /srv/www/index\"]",
    "--env",
    "A=b=c",
    "-e",
    "EMPTY=",
    "--label",
    "l=v",
    "--user",
    "0:0",
    "--workdir",
    "/srv",
    "--expose",
    "80",
    "--expose",
    "53/udp",
    "--volume",
    "/data",
    "--stop-signal",
    "SIGINT",
    "--platform",
    "linux/amd64",
    "--author",
    "me",
    "-m",
    "why",
    "--timestamp",
    "1700000000",
    "--quiet",
];

fn id(text: &str) -> String {
    let id = text.trim_end();
    assert!(
        id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{text:?}"
    );
    id.to_owned()
}

/// The configuration of an image, as in the store.
fn configuration(place: &Place, id: &str) -> Value {
    let name = format!("sha256:{id}");
    let data = place.containers_storage(["get-image-data", id, &name]);
    serde_json::from_str(&data.text()).unwrap()
}

#[test]
fn root_an_image_is_built_from_all_kinds_of_sources() {
    let Some(place) = with_tree("vfs") else {
        return;
    };
    let image = id(&place.text(EVERYTHING));
    let made = configuration(&place, &image);
    assert_eq!(
        made["config"],
        json!({
            "User": "0:0",
            "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
            "Env": ["A=b=c", "EMPTY="],
            "Entrypoint": ["/bin/sh", "-c"],
            "Cmd": ["cat /srv/www/index"],
            "Volumes": { "/data": {} },
            "WorkingDir": "/srv",
            "Labels": { "l": "v" },
            "StopSignal": "SIGINT",
        })
    );
    assert_eq!(
        [
            &made["author"],
            &made["created"],
            &made["os"],
            &made["architecture"]
        ],
        [
            &json!("me"),
            &json!("2023-11-14T22:13:20Z"),
            &json!("linux"),
            &json!("amd64")
        ]
    );
    let history = place.json(["history", "app:1"]);
    let by: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["createdBy"].as_str().unwrap())
        .collect();
    assert_eq!(
        by,
        [
            "layerhold: file /etc/motd",
            "layerhold: directory /srv/www",
            "layerhold: archive",
            "layerhold: directory"
        ]
    );
    assert_eq!(history[0]["comment"], json!("why"));
    let again = place.json(EVERYTHING);
    assert_eq!(
        again["id"],
        json!(image),
        "the same contents make the same image"
    );
    assert_eq!(
        again["names"],
        json!(["localhost/app:1", "example.com/app:latest"])
    );
    assert_eq!(again["layers"].as_array().unwrap().len(), 4);
    let script = "cat {}/srv/www/index {}/etc/motd {}/from-tar";
    assert_eq!(
        place.text(["mount", "app:1", "--", "sh", "-c", script]),
        "hellowelcometar"
    );
    // On top of it, with what is not said kept.
    let above = id(&place.text([
        "build",
        "--base",
        "app:1",
        "--env",
        "A=x",
        "--timestamp",
        "1",
    ]));
    let made = configuration(&place, &above);
    assert_eq!(made["config"]["Env"], json!(["A=x", "EMPTY="]));
    assert_eq!(made["config"]["Entrypoint"], json!(["/bin/sh", "-c"]));
    assert_eq!(made["rootfs"]["diff_ids"].as_array().unwrap().len(), 4);
    let squashed = place.json(["build", "--base", "app:1", "--squash", "--name", "flat"]);
    assert_eq!(squashed["layers"].as_array().unwrap().len(), 1);
    assert_eq!(
        place.text(["mount", "flat", "--", "sh", "-c", script]),
        "hellowelcometar"
    );
}

#[test]
fn root_a_container_becomes_an_image() {
    for driver in ["vfs", "overlay"] {
        let Some(place) = with_tree(driver) else {
            return;
        };
        place.text(["build", "--name", "app:1", "--dir", "tree", "--dir", "site"]);
        place.text(["create", "app:1", "--name", "box"]);
        let change = "cd {} && rm index && echo new > new";
        place.text(["mount", "box", "--", "sh", "-c", change]);
        let image = id(&place.text([
            "commit", "box", "app:2", "--cmd", "/bin/sh", "-m", "changed",
        ]));
        assert_eq!(
            configuration(&place, &image)["config"]["Cmd"],
            json!(["/bin/sh"])
        );
        assert_eq!(
            place.text(["diff", "app:2"]),
            "D /index\nA /new\n",
            "{driver}"
        );
        let flat = place.json(["commit", "box", "--squash"]);
        assert_eq!(flat["layers"].as_array().unwrap().len(), 1);
        assert_eq!(flat["names"], json!([]));
        let flat = flat["id"].as_str().unwrap();
        assert!(!place.text(["diff", flat]).contains("index"), "{driver}");
        let ran = place.run(["commit", "nosuch"]);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.code, Some(1));
        assert!(err.contains("nosuch") && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn root_a_tree_and_a_tar_become_images() {
    let Some(place) = with_tree("vfs") else {
        return;
    };
    let tree = id(&place.text(["import", "tree", "tree:1", "--entrypoint", "/bin/sh"]));
    assert_eq!(
        configuration(&place, &tree)["config"]["Entrypoint"],
        json!(["/bin/sh"])
    );
    place.text(["create", "tree:1", "--name", "box"]);
    place.text(["export", "box", "-o", "whole.tar"]);
    let tar = place.json(["import", "whole.tar", "tar:1"]);
    assert_eq!(tar["names"], json!(["localhost/tar:1"]));
    let mut piped = place.command();
    let file = fs::File::open(place.path("whole.tar")).unwrap();
    let child = piped
        .args(["--format", "json", "import", "-", "piped"])
        .stdin(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let piped: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(piped["layers"], tar["layers"]);
    assert_eq!(
        place.text(["mount", "piped", "--", "{}/bin/busybox", "echo", "runs"]),
        "runs\n"
    );
}

#[test]
fn root_what_cannot_be_built_is_said_in_one_line_and_leaves_nothing() {
    let Some(place) = with_tree("vfs") else {
        return;
    };
    fs::write(place.path("junk"), "junk").unwrap();
    for (words, code, said) in [
        (&["build", "--dir", "nosuch"][..], 1, "nosuch"),
        (&["build", "--layer", "junk"], 1, "layer 0"),
        (&["build", "--base", "nosuch"], 1, "nosuch"),
        (
            &["build", "--dir", "tree", "--name", "Bad\n"],
            1,
            "\"Bad\\n\" is not an image name",
        ),
        (
            &["build", "--dir", "tree", "--entrypoint", "[1]"],
            1,
            "is not a JSON array of texts",
        ),
        (
            &["build", "--dir", "tree", "--workdir", "relative"],
            1,
            "relative",
        ),
        (&["build", "--dir", "tree", "--expose", "x"], 1, "x"),
        (
            &["build", "--layer", "-", "--layer", "-"],
            1,
            "two layers from standard input",
        ),
        (&["build", "--squash"], 1, "an image of nothing"),
        (&["import", "nosuch"], 1, "nosuch"),
        (&["import", "junk", "x"], 1, "layer 0"),
        (&["build", "--env", "x"], 2, "NAME=VALUE"),
        (&["build", "--created", "soon"], 2, "seconds since 1970"),
        (&["build", "--platform", "x"], 2, "not a platform"),
        (&["build", "--file", "motd"], 2, "FILE:/TARGET"),
    ] {
        let ran = place.run(words);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(
            (ran.code, &ran.stdout[..]),
            (Some(code), &b""[..]),
            "{words:?}: {err}"
        );
        assert!(err.contains(said), "{words:?}: {err}");
        assert!(code == 2 || err.lines().count() == 1, "{words:?}: {err}");
        assert!(!err.contains("panicked"), "{words:?}: {err}");
    }
    for list in ["images", "layers"] {
        assert_eq!(place.json([list]), json!([]), "{list}");
    }
}

#[test]
fn root_building_creates_the_store() {
    for words in [&["build", "--dir", "tree"][..], &["import", "tree"]] {
        let Some(place) = with_tree("vfs") else {
            return;
        };
        fs::remove_dir(place.path("root")).unwrap();
        place.text(words);
        assert_eq!(place.json(["images"]).as_array().unwrap().len(), 1);
    }
}

#[test]
fn root_peer_podman_buildah_and_skopeo_use_what_was_made() {
    for peer in ["podman", "buildah", "skopeo"] {
        let Some(()) = require_peer(peer) else { return };
    }
    for driver in ["vfs", "overlay"] {
        let Some(place) = with_tree(driver) else {
            return;
        };
        let (podman, buildah) = (Podman::beside(&place.go()), Buildah::beside(&place.go()));
        let skopeo = Skopeo::beside(&place.go());
        let built = id(&place.text(EVERYTHING));
        place.text(["create", "app:1", "--name", "box"]);
        place.text([
            "mount",
            "box",
            "--",
            "sh",
            "-c",
            "echo committed > {}/srv/www/index",
        ]);
        let committed = id(&place.text(["commit", "box", "committed"]));
        let flat = id(&place.text(["commit", "box", "flat", "--squash"]));
        place.text(["export", "box", "-o", "whole.tar"]);
        let sh = ["--entrypoint", "/bin/sh", "--entrypoint", "-c"];
        let import = [&["import", "whole.tar", "imported"][..], &sh].concat();
        let imported = id(&place.text(import));
        let images = podman.run([
            "images",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Repository}}",
        ]);
        let mut listed = images.lines();
        listed.sort();
        let mut expected = vec![
            format!("sha256:{built} example.com/app"),
            format!("sha256:{built} localhost/app"),
            format!("sha256:{committed} localhost/committed"),
            format!("sha256:{imported} localhost/imported"),
            format!("sha256:{flat} localhost/flat"),
        ];
        expected.sort();
        assert_eq!(listed, expected, "{driver}");
        for (name, shown) in [
            ("localhost/app:1", "hello"),
            ("localhost/committed", "committed"),
            ("localhost/imported", "committed"),
            ("localhost/flat", "committed"),
        ] {
            let mounted = podman.run(["image", "mount", name]).text();
            let index = format!("{}/srv/www/index", mounted.trim_end());
            assert_eq!(fs::read_to_string(index).unwrap().trim_end(), shown);
            podman.run(["image", "unmount", name]).assert_success();
            let container = buildah.run(["from", name]).lines().remove(0);
            let words = [
                "run",
                "--isolation",
                "chroot",
                &container,
                "--",
                "cat",
                "/srv/www/index",
            ];
            assert_eq!(
                buildah.run(words).text().trim_end(),
                shown,
                "{driver} {name}"
            );
            buildah.run(["rm", &container]).assert_success();
            // Out, and back into this store and into an empty one.
            let layout = format!("oci:{}:x", place.path("layout").display());
            let from = skopeo.reference(name);
            skopeo.run(["copy", "-q", &from, &layout]).assert_success();
            skopeo
                .run(["copy", "-q", &layout, &skopeo.reference("localhost/back")])
                .assert_success();
            let loaded = place.json(["load", "layout", "--name", "loaded"]);
            assert_eq!(loaded[0]["layers"]["imported"], json!(0), "{driver} {name}");
            let saved = place.path("saved.tar");
            fs::remove_file(&saved).unwrap_or_default();
            let saved = saved.to_str().unwrap();
            podman
                .run(["save", "-q", "--format", "oci-archive", "-o", saved, name])
                .assert_success();
            let loaded = place.json(["load", saved, "--name", "loaded"]);
            assert_eq!(loaded[0]["layers"]["imported"], json!(0), "{driver} {name}");
            let own = place.path("own.tar");
            place.text(["save", name, "-o", own.to_str().unwrap()]);
            let loaded = place.json(["load", own.to_str().unwrap(), "--name", "loaded"]);
            assert_eq!(loaded[0]["layers"]["imported"], json!(0), "{driver} {name}");
            let other = Place::with_driver(driver);
            let loaded = other.json(["load".as_ref(), own.as_os_str()]);
            assert_eq!(
                loaded[0]["id"],
                place.json(["inspect", name])[0]["record"]["id"]
            );
            fs::remove_dir_all(place.path("layout")).unwrap();
        }
        let seen = podman.run([
            "image",
            "inspect",
            "--format",
            "{{.Config.Entrypoint}}{{.Config.Cmd}}",
            "app:1",
        ]);
        assert_eq!(seen.lines(), ["[/bin/sh -c][cat /srv/www/index]"]);
        let ids = |list: &str| place.json([list]).as_array().unwrap().len();
        podman.run(["rmi", "-f", "-a"]).assert_success();
        assert_eq!((ids("images"), ids("layers")), (0, 0), "{driver}");
    }
}

#[test]
fn root_a_signal_undoes_a_build() {
    let Some(place) = with_tree("vfs") else {
        return;
    };
    let mut command = place.command();
    let mut child = command
        .args(["build", "--dir", "tree", "--layer", "-", "--name", "x"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The input is read once signals are watched.
    let tar = TarBuilder::new()
        .file("file", 0o644, "y".repeat(3_000_000))
        .finish();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), &tar[..2_000_000]).unwrap();
    run(Command::new("kill").args(["-s", "INT", &child.id().to_string()])).assert_success();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    for list in ["images", "layers"] {
        assert_eq!(place.json([list]), json!([]), "{list}");
    }
    assert_eq!(place.json(["gc", "--dry-run"])["areas"], json!([]));
}

#[test]
fn root_an_empty_pipe_is_no_layer() {
    let place = Place::new();
    for words in [&["build", "--layer", "-"][..], &["import", "-"]] {
        let ran = place.run(words);
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(err.contains("standard input is empty"), "{words:?}: {err}");
        assert_eq!(ran.code, Some(1), "{words:?}");
    }
    assert_eq!(place.json(["images"]), json!([]));
}
