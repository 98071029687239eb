//! Names of images, and how they were made.

use layerhold_testkit::{Podman, require_peer};
use serde_json::{Value, json};

use crate::support::Place;

fn stderr(ran: &layerhold_testkit::Ran) -> String {
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

/// A store with two images, `localhost/app:1` and `localhost/other:1`, and their IDs.
fn two_images() -> (Place, String, String) {
    let place = Place::new();
    let id = |loaded: Value| loaded[0]["id"].as_str().unwrap().to_owned();
    let app = place.archive(&["app:1"]);
    let app = id(place.json(["load".as_ref(), app.as_os_str()]));
    let other = place.archive_with(&["other:1"], &json!({ "author": "x" }));
    let other = id(place.json(["load".as_ref(), other.as_os_str()]));
    assert_ne!(app, other);
    (place, app, other)
}

fn names(place: &Place, id: &str) -> Vec<String> {
    let images = place.json(["images"]);
    let images = images.as_array().unwrap();
    let image = images
        .iter()
        .find(|image| image["id"] == json!(id))
        .unwrap();
    serde_json::from_value(image["names"].clone()).unwrap()
}

#[test]
fn root_an_image_gets_names_which_move_from_other_images() {
    let (place, app, other) = two_images();
    let text = place.text(["tag", "app:1", "x", "y/z:2", "example.com/a", "localhost/x"]);
    assert_eq!(
        text,
        "localhost/x:latest\nlocalhost/y/z:2\nexample.com/a:latest\n"
    );
    let text = place.text(["tag", &app[..12], "other:1"]);
    assert_eq!(
        text,
        format!("localhost/other:1 (moved from image {})\n", &other[..12])
    );
    assert_eq!(names(&place, &other), [""; 0]);
    assert_eq!(
        place.json(["tag", &other, "other:1", "new"]),
        json!({
            "id": other,
            "names": ["localhost/other:1", "localhost/new:latest"],
            "moved": [{ "name": "localhost/other:1", "from": app }],
        })
    );
    assert_eq!(
        names(&place, &app),
        [
            "localhost/x:latest",
            "localhost/y/z:2",
            "example.com/a:latest",
            "localhost/app:1"
        ]
    );
}

#[test]
fn root_names_are_removed_and_the_image_stays() {
    let (place, app, _) = two_images();
    place.text(["tag", "app:1", "x", "docker.io/library/y", "z"]);
    assert_eq!(
        place.text(["untag", "app:1", "x", "x", "y"]),
        "name localhost/x:latest\nname docker.io/library/y:latest\n"
    );
    assert_eq!(
        place.json(["untag", "z", "z"]),
        json!({ "id": app, "removed": ["localhost/z:latest"], "names": ["localhost/app:1"] })
    );
    let ran = place.run(["untag", "app:1"]);
    assert_eq!(ran.text(), "name localhost/app:1\n");
    let short = &app[..12];
    assert_eq!(
        stderr(&ran),
        format!(
            "layerhold: image {short} has no name now: `tag {short} NAME` gives it one, `rm {short}` removes it\n"
        )
    );
    assert_eq!(names(&place, &app), [""; 0]);
    assert_eq!(place.json(["untag", &app])["removed"], json!([]));
}

#[test]
fn root_bad_names_change_nothing() {
    let (place, app, _) = two_images();
    let digest = format!("x@sha256:{}", "0".repeat(64));
    for (words, said) in [
        (
            ["tag", "app:1", "good", "Bad"],
            "\"Bad\" is not an image name",
        ),
        (
            ["tag", "app:1", "good", "a\nb"],
            "\"a\\nb\" is not an image name",
        ),
        (["tag", "app:1", "good", &digest], "a digest is not a tag"),
        (
            ["tag", "app:1", "good", "[::1]/x"],
            "is not an image name: its registry",
        ),
        (
            ["tag", "nosuch", "good", "x"],
            "layerhold: nosuch: image not known",
        ),
        (
            ["untag", "app:1", "app:1", "nosuch"],
            "cannot remove the name \"nosuch\"",
        ),
        (
            ["untag", "app:1", "app:1", "other:1"],
            "cannot remove the name \"other:1\"",
        ),
    ] {
        let ran = place.run(words);
        let said_instead = stderr(&ran);
        assert_eq!(
            (ran.code, &ran.stdout[..]),
            (Some(1), &b""[..]),
            "{words:?}"
        );
        assert!(said_instead.contains(said), "{words:?}: {said_instead}");
        assert_eq!(said_instead.lines().count(), 1, "{said_instead}");
        assert_eq!(names(&place, &app), ["localhost/app:1"], "{words:?}");
    }
    assert_eq!(place.run(["tag", "app:1"]).code, Some(2));
}

/// The history of an image of two layers, with a step that made none.
fn history() -> Value {
    json!({ "history": [
        { "created": "2024-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop)  ADD file:0123456789abcdef in / ", "author": "me" },
        { "created": "2024-01-02T03:04:05Z", "created_by": "CMD [\"sh\"]", "empty_layer": true },
        { "created": "2024-01-02T03:04:05Z", "created_by": "make\n\u{1b}[2J", "comment": "last" },
    ]})
}

#[test]
fn root_the_history_shows_steps_and_their_layers() {
    let place = Place::new();
    let archive = place.archive_with(&["app:1"], &history());
    place.text(["load".as_ref(), archive.as_os_str()]);
    let layers = place.json(["layers"]);
    let (base, top) = (&layers[0], &layers[1]);
    assert_eq!(
        place.json(["history", "app:1"]),
        json!([
            {
                "layer": top["id"],
                "created": "2024-01-02T03:04:05Z",
                "createdBy": "make\n\u{1b}[2J",
                "size": top["diffSize"],
                "comment": "last",
                "author": "",
                "emptyLayer": false,
            },
            {
                "layer": null,
                "created": "2024-01-02T03:04:05Z",
                "createdBy": "CMD [\"sh\"]",
                "size": 0,
                "comment": "",
                "author": "",
                "emptyLayer": true,
            },
            {
                "layer": base["id"],
                "created": "2024-01-01T00:00:00Z",
                "createdBy": "/bin/sh -c #(nop)  ADD file:0123456789abcdef in / ",
                "size": base["diffSize"],
                "comment": "",
                "author": "me",
                "emptyLayer": false,
            },
        ])
    );
    let text = place.text(["history", "app:1"]);
    let lines: Vec<&str> = text.lines().collect();
    let id = |layer: &Value| layer["id"].as_str().unwrap().to_owned();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("LAYER         CREATED"), "{text}");
    assert!(
        lines[1].starts_with(&format!("{}  ", &id(top)[..12])),
        "{text}"
    );
    // White space is one space in the shortened text.
    assert!(lines[1].contains("  make \\x1b[2J  "), "{text}");
    assert!(lines[1].ends_with("  last"), "{text}");
    assert!(
        lines[2].starts_with("             ") && lines[2].ends_with("  0 B"),
        "{text}"
    );
    assert!(
        lines[3].contains("/bin/sh -c #(nop) ADD file:0123456789abcdef …"),
        "{text}"
    );
    let text = place.text(["history", "--no-trunc", "app:1"]);
    assert!(text.contains(&id(base)), "{text}");
    assert!(
        text.contains("#(nop)  ADD file:0123456789abcdef in / "),
        "{text}"
    );
    assert!(text.contains("make\\n\\x1b[2J"), "{text}");
}

#[test]
fn root_an_image_without_history_or_configuration_shows_its_layers() {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.text(["load".as_ref(), archive.as_os_str()]);
    let layers = place.json(["layers"]);
    let shown = place.json(["history", "app:1"]);
    assert_eq!(shown[0]["layer"], layers[1]["id"]);
    assert_eq!(shown[1]["layer"], layers[0]["id"]);
    assert_eq!(shown[0]["created"], json!(null));
    let layer = layers[1]["id"].as_str().unwrap();
    let made = place.containers_storage(["create-image", "--name", "bare", layer]);
    made.assert_success();
    assert_eq!(place.json(["history", "bare"]), shown);
    let empty = place.containers_storage(["create-image", "--name", "empty", ""]);
    empty.assert_success();
    assert_eq!(place.json(["history", "empty"]), json!([]));
}

#[test]
fn root_peer_podman_agrees_about_names_and_history() {
    let Some(()) = require_peer("podman") else {
        return;
    };
    let (ours, theirs) = (Place::new(), Place::new());
    let podman = |place: &Place| Podman::beside(&place.go());
    for place in [&ours, &theirs] {
        for (name, more) in [("app:1", history()), ("other:1", json!({}))] {
            let archive = place.archive_with(&[name], &more);
            place.text(["load".as_ref(), archive.as_os_str()]);
        }
    }
    let steps: [&[&str]; 4] = [
        &["tag", "app:1", "x", "y/z", "example.com/a:2"],
        &["tag", "app:1", "other:1"],
        &["untag", "app:1", "y/z", "other:1"],
        &["untag", "app:1", "app:1"],
    ];
    for step in steps {
        ours.run(step).assert_success();
        podman(&theirs).run(step).assert_success();
        let names = |place: &Place| {
            let listed =
                podman(place).run(["images", "--format", "{{.Id}} {{.Repository}}:{{.Tag}}"]);
            let mut lines = listed.lines();
            lines.sort();
            lines
        };
        assert_eq!(names(&ours), names(&theirs), "{step:?}");
    }
    let history = podman(&ours)
        .run(["history", "--format", "json", "x"])
        .text();
    let history: Value = serde_json::from_str(&history).unwrap();
    let own = ours.json(["history", "x"]);
    for (own, theirs) in own
        .as_array()
        .unwrap()
        .iter()
        .zip(history.as_array().unwrap())
    {
        assert_eq!(own["createdBy"], theirs["CreatedBy"]);
        assert_eq!(own["size"], theirs["size"]);
        assert_eq!(
            own["comment"],
            theirs.get("comment").cloned().unwrap_or(json!(""))
        );
        assert_eq!(own["created"], theirs["created"]);
    }
    assert_eq!(
        own.as_array().unwrap().len(),
        history.as_array().unwrap().len()
    );
}
