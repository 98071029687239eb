//! What records accept, and how they are written.

use layerhold_schema::{
    Completeness, Compression, ContainerRecord, IdMapEntry, ImageDigestError, ImageRecord,
    LayerRecord, MountPointRecord, RecordError, RecordErrorKind, Timestamp, Value, read_array,
    write_array,
};

use crate::fixtures;

fn rewritten_layer(json: &str) -> String {
    let record = LayerRecord::from_json(json.as_bytes()).unwrap();
    String::from_utf8(record.to_json()).unwrap()
}

const CREATED: &str = r#""created":"0001-01-01T00:00:00Z""#;

#[test]
fn files_of_peers_are_written_as_they_were() {
    for text in [fixtures::GO_LAYERS, fixtures::PODMAN_LAYERS] {
        let records: Vec<LayerRecord> = read_array(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write_array(&records)).unwrap(), text);
        assert!(records.iter().all(|record| record.extra.is_empty()));
    }
    for text in [fixtures::GO_IMAGES, fixtures::PODMAN_IMAGES] {
        let records: Vec<ImageRecord> = read_array(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write_array(&records)).unwrap(), text);
        assert!(records.iter().all(|record| record.extra.is_empty()));
    }
    for text in [fixtures::GO_CONTAINERS, fixtures::PODMAN_CONTAINERS] {
        let records: Vec<ContainerRecord> = read_array(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write_array(&records)).unwrap(), text);
        assert!(records.iter().all(|record| record.extra.is_empty()));
    }
    for text in [fixtures::GO_MOUNT_POINTS, fixtures::NO_MOUNT_POINTS] {
        let records: Vec<MountPointRecord> = read_array(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(write_array(&records)).unwrap(), text);
    }
}

#[test]
fn a_layer_of_go_is_understood() {
    let layers: Vec<LayerRecord> = read_array(fixtures::GO_LAYERS.as_bytes()).unwrap();
    let base = &layers[0];
    assert_eq!(
        base.names,
        [
            "base",
            "a<b>&\"q\\ \u{1}\u{8}\u{c}\n\r\t\u{7f}\u{2028}\u{2029}é",
            "bad\u{fffd}"
        ]
    );
    assert_eq!(base.metadata, r#"{"a":"<x>"}"#);
    assert_eq!(base.parent_id(), Ok(None));
    assert_eq!(base.diff_id(), Ok(None));
    let second = &layers[1];
    assert_eq!(
        second.parent_id().unwrap().unwrap(),
        base.layer_id().unwrap()
    );
    assert_eq!(second.compression, Compression::Gzip);
    assert_eq!(
        (&second.uid_set[..], &second.gid_set[..]),
        (&[0, 5][..], &[0, 7][..])
    );
    assert_eq!((second.compressed_size, second.diff_size), (159, 10240));
    assert_eq!(
        second.compressed_digest().unwrap().unwrap().as_str(),
        second.compressed_diff_digest
    );
    assert_eq!(
        second.diff_id().unwrap().unwrap().as_str(),
        second.diff_digest
    );
    assert_eq!(second.toc_digest_checked(), Ok(None));
    let third = &layers[2];
    assert_eq!(third.mount_label, "label");
    assert_eq!(
        third.uid_map,
        [IdMapEntry {
            container_id: 0,
            host_id: 1000,
            size: 10
        }]
    );
    assert_eq!(third.id_mappings().unwrap().gids.to_string(), "5:3000:1");
}

#[test]
fn images_and_containers_are_understood() {
    let images: Vec<ImageRecord> = read_array(fixtures::PODMAN_IMAGES.as_bytes()).unwrap();
    let image = &images[0];
    let digests: Vec<_> = image
        .digests()
        .unwrap()
        .into_iter()
        .map(String::from)
        .collect();
    assert_eq!(digests, [image.digest.as_str()]);
    assert_eq!(image.manifest_digests().count(), 2);
    assert_eq!(image.image_id().unwrap(), image.id.as_str());
    assert_eq!(image.top_layer_id().unwrap().unwrap(), image.layer.as_str());
    let containers: Vec<ContainerRecord> = read_array(fixtures::GO_CONTAINERS.as_bytes()).unwrap();
    assert_eq!(
        containers
            .iter()
            .map(ContainerRecord::is_volatile)
            .collect::<Vec<_>>(),
        [false, true, false]
    );
    let last = &containers[2];
    assert_eq!(last.container_id().unwrap(), "mid");
    assert_eq!(last.image_id().unwrap().unwrap(), last.image.as_str());
    assert_eq!(last.layer_id().unwrap(), last.layer.as_str());
    assert_eq!(last.id_mappings().unwrap().uids.to_string(), "0:1000:100");
}

#[test]
fn missing_fields_have_defaults() {
    let layer = LayerRecord::from_json(b"{}").unwrap();
    assert_eq!(layer, LayerRecord::default());
    assert_eq!(layer.created, Timestamp::ZERO);
    assert_eq!(
        rewritten_layer(r#"{"id":"a"}"#),
        format!(r#"{{"id":"a",{CREATED}}}"#)
    );
    let image = ImageRecord::default().to_json();
    assert_eq!(
        String::from_utf8(image).unwrap(),
        format!(r#"{{"id":"",{CREATED}}}"#)
    );
    let container = ContainerRecord::default().to_json();
    assert_eq!(
        String::from_utf8(container).unwrap(),
        format!(r#"{{"id":"","image":"","layer":"",{CREATED}}}"#)
    );
    assert_eq!(
        MountPointRecord::default().to_json(),
        br#"{"id":"","path":"","count":0}"#
    );
}

#[test]
fn null_is_a_missing_field() {
    let json = r#"{"id":"a","names":null,"parent":null,"created":null,"compressed-size":null,"compression":null,
        "uidset":[1,null],"flags":null,"uidmap":[null,{"size":null}],"big-data-names":[null]}"#;
    let expected = format!(
        r#"{{"id":"a",{CREATED},"uidset":[1,0],"uidmap":[{{"container_id":0,"host_id":0,"size":0}},{{"container_id":0,"host_id":0,"size":0}}],"big-data-names":[""]}}"#
    );
    assert_eq!(rewritten_layer(json), expected);
}

#[test]
fn names_of_fields_have_no_case() {
    let json = r#"{"ID":"a","Names":["n"],"Compressed-Diff-DIGEST":"x","UIDMap":[{"Container_ID":1,"HOST_ID":2,"Size":3,"more":4}]}"#;
    let expected = format!(
        r#"{{"id":"a","names":["n"],{CREATED},"compressed-diff-digest":"x","uidmap":[{{"container_id":1,"host_id":2,"size":3}}]}}"#
    );
    assert_eq!(rewritten_layer(json), expected);
}

#[test]
fn the_last_of_repeated_fields_counts() {
    let json = r#"{"id":"a","id":"b","x":1,"names":["m"],"y":[],"NAMES":["n"],"x":{"z": 2},"parent":"p","parent":null}"#;
    assert_eq!(
        rewritten_layer(json),
        format!(r#"{{"id":"b","names":["n"],{CREATED},"x":{{"z": 2}},"y":[]}}"#)
    );
}

#[test]
fn of_a_repeated_map_only_the_last_one_counts() {
    let rewritten = |json: &str| {
        let record = ImageRecord::from_json(json.as_bytes()).unwrap();
        String::from_utf8(record.to_json()).unwrap()
    };
    let once = rewritten(r#"{"id":"a","big-data-sizes":{"b":2}}"#);
    assert!(once.contains(r#""big-data-sizes":{"b":2}"#), "{once}");
    assert_eq!(
        rewritten(r#"{"id":"a","big-data-sizes":{"a":1},"big-data-sizes":{"b":2}}"#),
        once
    );
    assert_eq!(
        rewritten_layer(r#"{"id":"a","flags":{"a":1},"names":[],"flags":{"b":2}}"#),
        format!(r#"{{"id":"a",{CREATED},"flags":{{"b":2}}}}"#)
    );
}

#[test]
fn unknown_fields_are_kept_in_order_and_as_they_were() {
    let json = r#"{"zeta":1.50,"id":"a","alpha":{"b":[ 1,"<\u0041>" ],"a":null},"é<":123456789012345678901234567890}"#;
    let expected = format!(
        r#"{{"id":"a",{CREATED},"zeta":1.50,"alpha":{{"b":[ 1,"<\u0041>" ],"a":null}},"é\u003c":123456789012345678901234567890}}"#
    );
    assert_eq!(rewritten_layer(json), expected);
    let layer = LayerRecord::from_json(json.as_bytes()).unwrap();
    assert_eq!(layer.extra.get("zeta").unwrap().as_str(), "1.50");
    assert_eq!(
        layer.extra.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["zeta", "alpha", "é<"]
    );
    assert_eq!(rewritten_layer(&expected), expected);
}

#[test]
fn flags_are_free_form_and_sorted() {
    let json = r#"{"id":"a","flags":{"b":[1,2.0,-0.5e-9,null,true],"a":{"d":"<","c":1e21},"incomplete":true}}"#;
    let expected = format!(
        r#"{{"id":"a",{CREATED},"flags":{{"a":{{"c":1e+21,"d":"\u003c"}},"b":[1,2,-5e-10,null,true],"incomplete":true}}}}"#
    );
    assert_eq!(rewritten_layer(json), expected);
    let mut layer = LayerRecord::from_json(json.as_bytes()).unwrap();
    assert!(layer.is_incomplete());
    layer.set_incomplete(Completeness::Complete);
    assert!(!layer.is_incomplete());
    assert_eq!(layer.flags.iter().len(), 2);
    layer.flags.set("incomplete", "true");
    assert!(!layer.is_incomplete());
    layer.set_incomplete(Completeness::Incomplete);
    assert!(layer.is_incomplete());
}

/// Go changes integers beyond 53 bits when it reads them.
#[test]
fn large_integers_in_flags_keep_their_digits() {
    for number in [
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "18446744073709551615",
    ] {
        let json = format!(r#"{{"id":"a",{CREATED},"flags":{{"n":{number}}}}}"#);
        assert_eq!(rewritten_layer(&json), json);
    }
}

#[test]
fn flags_of_containers_tolerate_other_types() {
    let of = |flags: &str| {
        let json = format!(r#"{{"id":"a","flags":{flags}}}"#);
        ContainerRecord::from_json(json.as_bytes()).unwrap()
    };
    let odd = of(
        r#"{"MountLabel":1,"ProcessLabel":[],"MountOpts":["ro",1,null,"rw"],"Volatile":"true"}"#,
    );
    assert_eq!(
        (odd.mount_label(), odd.process_label(), odd.is_volatile()),
        ("", "", false)
    );
    assert_eq!(odd.mount_options().collect::<Vec<_>>(), ["ro", "rw"]);
    assert_eq!(of(r#"{"MountOpts":"ro"}"#).mount_options().count(), 0);
    let mut own = ContainerRecord::default();
    own.set_labels("m", "");
    own.set_mount_options(&["ro".to_owned()]);
    own.mark_volatile();
    let flags =
        r#""flags":{"MountLabel":"m","MountOpts":["ro"],"ProcessLabel":"","Volatile":true}}"#;
    assert!(String::from_utf8(own.to_json()).unwrap().ends_with(flags));
    own.set_mount_options(&[]);
    assert_eq!(own.flags.get("MountOpts"), None);
}

#[test]
fn names_enter_the_history_once() {
    let mut image = ImageRecord::default();
    for name in ["a", "b", "a"] {
        image.add_name_to_history(name);
    }
    assert_eq!(image.names_history, ["a", "b"]);
    // Several at once are as one after the other.
    for names in [&["c", "b", "c"][..], &[], &["d", "a"]] {
        let mut singly = image.clone();
        names
            .iter()
            .for_each(|name| singly.add_name_to_history(name));
        image.add_names_to_history(names.iter().copied());
        assert_eq!(image.names_history, singly.names_history);
    }
    assert_eq!(image.names_history, ["a", "d", "c", "b"]);
}

#[test]
fn digests_of_an_image() {
    let digest = |c: &str| format!("sha256:{}", c.repeat(64));
    let mut image = ImageRecord::default();
    image
        .big_data_digests
        .insert("manifest-x".to_owned(), digest("b"));
    image
        .big_data_digests
        .insert("manifest".to_owned(), digest("a"));
    image
        .big_data_digests
        .insert("other".to_owned(), "bad".to_owned());
    let all = |image: &ImageRecord| {
        image
            .digests()
            .map(|list| list.into_iter().map(String::from).collect::<Vec<_>>())
    };
    assert_eq!(all(&image), Ok(vec![digest("a"), digest("b")]));
    image.digest = digest("b");
    assert_eq!(all(&image), Ok(vec![digest("b"), digest("a")]));
    image
        .big_data_digests
        .insert("manifest-y".to_owned(), "bad".to_owned());
    assert!(
        matches!(all(&image), Err(ImageDigestError::BigData { item, .. }) if item == "manifest-y")
    );
    image.digest = "sha256:1".to_owned();
    assert!(
        matches!(all(&image), Err(ImageDigestError::Image { digest, .. }) if digest == "sha256:1")
    );
}

#[test]
fn errors_say_where() {
    let number_found = |expected| RecordErrorKind::Type {
        expected,
        found: "a number",
    };
    let cases = [
        (r#"{"id":1}"#, "id", 6, number_found("a string")),
        (
            r#"{"names":["a",2]}"#,
            "names[1]",
            14,
            number_found("a string"),
        ),
        (r#"{"flags":7}"#, "flags", 9, number_found("an object")),
        (
            r#"{"uidmap":[{"Size":"1"}]}"#,
            "uidmap[0].size",
            19,
            RecordErrorKind::Type {
                expected: "an integer",
                found: "a string",
            },
        ),
        (
            r#"{"uidset":[4294967296]}"#,
            "uidset[0]",
            11,
            RecordErrorKind::Range {
                text: "4294967296".to_owned(),
            },
        ),
        (
            r#"{"uidset":[-1]}"#,
            "uidset[0]",
            11,
            RecordErrorKind::Range {
                text: "-1".to_owned(),
            },
        ),
        (
            r#"{"diff-size":1.5}"#,
            "diff-size",
            13,
            RecordErrorKind::Type {
                expected: "an integer",
                found: "a fraction",
            },
        ),
        (
            r#"{"flags":{"a":{"b":[nul]}}}"#,
            "flags.a.b[0]",
            23,
            RecordErrorKind::Syntax {
                expected: "null",
                found: ']',
            },
        ),
        (
            r#"{"new":[1,}"#,
            "new[1]",
            10,
            RecordErrorKind::Syntax {
                expected: "a value",
                found: '}',
            },
        ),
        (
            r#"{"id":"a""#,
            "",
            9,
            RecordErrorKind::End {
                expected: "',' or '}'",
            },
        ),
        (
            r#"{"id":"a"} x"#,
            "",
            11,
            RecordErrorKind::Syntax {
                expected: "the end",
                found: 'x',
            },
        ),
        (
            "[]",
            "",
            0,
            RecordErrorKind::Type {
                expected: "an object",
                found: "an array",
            },
        ),
        (
            "null",
            "",
            0,
            RecordErrorKind::Type {
                expected: "an object",
                found: "null",
            },
        ),
        (
            "",
            "",
            0,
            RecordErrorKind::End {
                expected: "an object",
            },
        ),
    ];
    for (json, path, offset, kind) in cases {
        let expected = RecordError {
            record: "layer",
            path: path.to_owned(),
            offset,
            kind,
        };
        assert_eq!(
            LayerRecord::from_json(json.as_bytes()),
            Err(expected),
            "{json}"
        );
    }
}

#[test]
fn errors_in_words() {
    let error = ContainerRecord::from_json(br#"{"uidmap":[{"size":true}]}"#).unwrap_err();
    let expected = "reading container record: field uidmap[0].size at byte 19: expected an integer, found a boolean";
    assert_eq!(error.to_string(), expected);
    let error = ImageRecord::from_json(b"7").unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading image record: the record itself at byte 0: expected an object, found a number"
    );
    let error = LayerRecord::from_json(br#"{"created":"today"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading layer record: field created at byte 11: \
         not a time in RFC 3339 form with a year from 0 to 9999: \"today\""
    );
    let error = ImageRecord::from_json(br#"{"big-data-sizes":{"manifest":"1"}}"#).unwrap_err();
    assert_eq!(error.path, "big-data-sizes.manifest");
}

#[test]
fn arrays() {
    for empty in ["", " \n", "null", "[]", "[ ]"] {
        assert_eq!(
            read_array::<LayerRecord>(empty.as_bytes()),
            Ok(vec![]),
            "{empty:?}"
        );
    }
    assert_eq!(write_array::<LayerRecord>([]), b"[]");
    let error = read_array::<LayerRecord>(br#"[{"id":"a"},{"id":2}]"#).unwrap_err();
    assert_eq!((error.path.as_str(), error.offset), ("[1].id", 18));
    assert_eq!(read_array::<LayerRecord>(b"[{}] 1").unwrap_err().path, "");
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let layer = LayerRecord::from_json(b"{\"id\":\"a\xff\",\"n\xfe\":\"\xfd\"}").unwrap();
    assert_eq!(layer.id, "a\u{fffd}");
    assert_eq!(
        layer.extra.get("n\u{fffd}").unwrap().as_str(),
        "\"\u{fffd}\""
    );
    assert!(String::from_utf8(layer.to_json()).is_ok());
}

#[test]
fn values_show_as_json() {
    assert_eq!(Value::from(vec![true, false]).to_string(), "[true,false]");
}
