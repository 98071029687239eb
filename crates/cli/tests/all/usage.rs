//! `layerhold du`, `tree` and `inspect`: what things take, and what stands on what.

use serde_json::{Value, json};

use crate::support::Place;

/// A store with an image called `localhost/app:1`, one that shares its lower layer, and a
/// container.
fn loaded() -> Place {
    let place = Place::new();
    let archive = place.archive(&["app:1"]);
    place.json(["load".as_ref(), archive.as_os_str()]);
    let layers = place.json(["layers"]);
    let base = text(&layers[0]["id"]);
    place
        .containers_storage(["create-image", "-n", "other", &base])
        .assert_success();
    place.text(["create", "app:1", "--name", "box"]);
    place
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

// What the files of the archive's layers have: `a`, `dir/b`, `link`; then `c` in place of `a`.
const BASE: u64 = 5 + 5000 + 5;
const UPPER: u64 = BASE - 5 + 5;

#[test]
fn root_du_tells_unique_and_shared_bytes_apart() {
    let place = loaded();
    let report = place.json(["du"]);
    let app = &report["images"][0];
    assert_eq!(app["names"], json!(["localhost/app:1"]));
    assert_eq!(app["unique"]["bytes"], json!(UPPER));
    assert_eq!(app["shared"]["bytes"], json!(BASE));
    assert_eq!(app["containers"], json!(1));
    let data = app["data"].as_u64().unwrap();
    assert_eq!(app["total"], json!(BASE + UPPER + data));
    let other = &report["images"][1];
    assert_eq!(other["unique"]["bytes"], json!(0));
    assert_eq!(other["total"], json!(BASE));
    let container = &report["containers"][0];
    assert_eq!(container["own"]["bytes"], json!(UPPER));
    assert_eq!(container["below"], json!(BASE + UPPER));
    let total = &report["total"];
    assert_eq!(total["images"]["bytes"], json!(BASE + UPPER));
    assert_eq!(total["containers"]["bytes"], json!(UPPER));
    let all = total["data"].as_u64().unwrap() + BASE + 2 * UPPER;
    assert_eq!(total["total"], json!(all));

    let table = place.text(["du"]);
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["IMAGE", "ID", "UNIQUE", "SHARED", "TOTAL"]);
    assert_eq!(lines[1][0], "localhost/app:1");
    assert_eq!(lines[1][4..6], ["5.01", "kB"]);
    assert_eq!(lines[4], ["CONTAINER", "ID", "IMAGE", "OWN", "BELOW"]);
    assert_eq!(lines[5][2], "localhost/app:1");
    assert_eq!(lines[7], ["ALL", "TOGETHER", "SIZE"]);
    assert_eq!(lines[8], ["layers", "of", "images", "10.0", "kB"]);
}

#[test]
fn root_du_of_single_things() {
    let place = loaded();
    let only = place.json(["du", "app:1"]);
    assert_eq!(only["images"].as_array().unwrap().len(), 1);
    assert_eq!(only["containers"], json!([]));
    assert_eq!(only["total"], Value::Null);
    let layers = place.json(["layers"]);
    let base = text(&layers[0]["id"]);
    let only = place.json(["du", &base, "box"]);
    assert_eq!(only["layers"][0]["own"]["bytes"], json!(BASE));
    assert_eq!(only["layers"][0]["images"], json!(2));
    assert_eq!(only["containers"][0]["names"], json!(["box"]));
    assert!(place.text(["du", "box"]).starts_with("CONTAINER"));
    assert!(place.text(["du", &base]).starts_with("LAYER"));
    let ran = place.run(["du", "nosuch", "app:1"]);
    assert_eq!(ran.code, Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).starts_with("layerhold: nosuch: "));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("localhost/app:1"));
}

#[test]
fn root_du_verify_puts_wrong_counters_right() {
    let place = loaded();
    assert_eq!(place.json(["du", "--verify"])["wrongCounters"], json!([]));
    let layers = place.json(["layers"]);
    let base = text(&layers[0]["id"]);
    let intruder = place.path("root/vfs/dir").join(&base).join("intruder");
    std::fs::write(intruder, "12345678").unwrap();
    assert_eq!(
        place.json(["du", &base])["layers"][0]["own"]["bytes"],
        json!(BASE)
    );
    let ran = place.run(["du", "--verify", &base]);
    assert_eq!(ran.code, Some(0));
    let expected = format!(
        "layerhold: layer {}: {BASE} bytes in 5 inodes were recorded, {} bytes in 6 inodes were found; corrected\n",
        &base[..12],
        BASE + 8
    );
    assert_eq!(String::from_utf8_lossy(&ran.stderr), expected);
    assert_eq!(
        place.json(["du", &base])["layers"][0]["own"]["bytes"],
        json!(BASE + 8)
    );
    assert_eq!(place.json(["du", "--verify"])["wrongCounters"], json!([]));
}

#[test]
fn root_du_of_an_empty_store() {
    let place = Place::new();
    let table = place.text(["du"]);
    assert!(
        table.starts_with("IMAGE  ID  UNIQUE  SHARED  TOTAL\n\nALL TOGETHER"),
        "{table}"
    );
    assert!(table.ends_with("reclaimable            0 B\n"), "{table}");
    assert_eq!(place.json(["du"])["total"]["total"], json!(0));
}

#[test]
fn root_the_tree_has_sizes_and_may_be_of_one_thing() {
    let place = loaded();
    let layers = place.json(["layers"]);
    let [base, upper] = [0, 1].map(|n: usize| text(&layers[n]["id"]));
    let expected = format!(
        "└─{}  5.01 kB\n  image {} localhost/other:latest\n",
        &base[..12],
        &text(&place.json(["images"])[1]["id"])[..12]
    );
    let shown = place.text(["tree", "other"]);
    assert_eq!(shown.lines().next(), expected.lines().next());
    assert_eq!(shown.lines().count(), 2);
    let shown = place.text(["tree", "app:1"]);
    assert!(
        shown.contains(&format!(
            "└─{}  5.01 kB, 10.0 kB with its parents\n",
            &upper[..12]
        )),
        "{shown}"
    );
    assert!(!shown.contains("container"), "{shown}");
    assert!(place.text(["tree", "box"]).contains("container"));
    let tree = place.json(["tree", &upper[..20]]);
    assert_eq!(tree.as_array().unwrap().len(), 2);
    assert_eq!(tree[0]["own"], json!(BASE));
    assert_eq!(tree[1]["own"], json!(UPPER));
    assert_eq!(tree[1]["withParents"], json!(BASE + UPPER));
    let ran = place.run(["tree", "nosuch"]);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn root_layers_are_inspected_by_id_name_and_prefix() {
    let place = loaded();
    let layers = place.json(["layers"]);
    let base = text(&layers[0]["id"]);
    place
        .containers_storage(["add-names", "-n", "mine", &base])
        .assert_success();
    for key in [&base[..], &base[..10], "mine"] {
        let shown = place.json(["inspect", key]);
        assert_eq!(shown[0]["kind"], json!("layer"), "{key}");
        assert_eq!(shown[0]["record"]["id"], json!(base), "{key}");
    }
    let containers = place.json(["containers"]);
    let (id, layer) = (text(&containers[0]["id"]), text(&containers[0]["layer"]));
    for key in [&id[..], &id[..10], "box"] {
        assert_eq!(
            place.json(["inspect", key])[0]["kind"],
            json!("container"),
            "{key}"
        );
    }
    // A container can be found by its layer, but who gives the layer's ID means the layer.
    for key in [&layer[..], &layer[..10]] {
        assert_eq!(
            place.json(["inspect", key])[0]["kind"],
            json!("layer"),
            "{key}"
        );
    }
}
