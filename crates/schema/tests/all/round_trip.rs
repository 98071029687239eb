//! Random records survive writing and reading.

use std::collections::BTreeMap;

use layerhold_schema::{
    Compression, ContainerRecord, Flags, IdMapEntry, ImageRecord, LayerRecord, MountPointRecord,
    Number, Timestamp, Value, read_array, write_array,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{0,8}",
        any::<String>(),
        "[<>&\"\\\\\u{2028}\u{2029}\u{0}-\u{1f}\u{7f}é]{0,6}"
    ]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 0..3)
}

fn time() -> impl Strategy<Value = Timestamp> {
    let any_moment = (-62_167_219_200..253_402_300_800_i64, 0..1_000_000_000_u32);
    prop_oneof![
        Just(Timestamp::ZERO),
        any_moment.prop_map(|(seconds, nanos)| Timestamp::from_unix(seconds, nanos).unwrap()),
        "20[0-9]{2}-0[1-9]-1[0-9]T1[0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?[+-]1[0-9]:[0-5][0-9]"
            .prop_map(|text| text.parse().unwrap()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(Value::Object),
        ]
    })
}

fn flags() -> impl Strategy<Value = Flags> {
    prop::collection::btree_map(text(), value(), 0..3).prop_map(Flags)
}

fn id_map() -> impl Strategy<Value = Vec<IdMapEntry>> {
    let entry = any::<(i64, i64, i64)>().prop_map(|(container_id, host_id, size)| IdMapEntry {
        container_id,
        host_id,
        size,
    });
    prop::collection::vec(entry, 0..3)
}

fn big_data()
-> impl Strategy<Value = (Vec<String>, BTreeMap<String, i64>, BTreeMap<String, String>)> {
    let sizes = prop::collection::btree_map(text(), any::<i64>(), 0..3);
    let digests = prop::collection::btree_map(text(), text(), 0..3);
    (texts(), sizes, digests)
}

fn layer() -> impl Strategy<Value = LayerRecord> {
    let names = (text(), texts(), text(), text(), text(), time());
    let digests = (
        text(),
        any::<i64>(),
        text(),
        text(),
        any::<i64>(),
        any::<i64>().prop_map(Compression::from),
    );
    let rest = (
        any::<Vec<u32>>(),
        any::<Vec<u32>>(),
        flags(),
        id_map(),
        id_map(),
        texts(),
    );
    (names, digests, rest).prop_map(|(names, digests, rest)| LayerRecord {
        id: names.0,
        names: names.1,
        parent: names.2,
        metadata: names.3,
        mount_label: names.4,
        created: names.5,
        compressed_diff_digest: digests.0,
        compressed_size: digests.1,
        diff_digest: digests.2,
        toc_digest: digests.3,
        diff_size: digests.4,
        compression: digests.5,
        uid_set: rest.0,
        gid_set: rest.1,
        flags: rest.2,
        uid_map: rest.3,
        gid_map: rest.4,
        big_data_names: rest.5,
        ..Default::default()
    })
}

fn image() -> impl Strategy<Value = ImageRecord> {
    let names = (text(), text(), texts(), texts(), text(), texts(), text());
    (names, big_data(), time(), flags()).prop_map(|(names, big_data, created, flags)| ImageRecord {
        id: names.0,
        digest: names.1,
        names: names.2,
        names_history: names.3,
        layer: names.4,
        mapped_layers: names.5,
        metadata: names.6,
        big_data_names: big_data.0,
        big_data_sizes: big_data.1,
        big_data_digests: big_data.2,
        created,
        flags,
        ..Default::default()
    })
}

fn container() -> impl Strategy<Value = ContainerRecord> {
    let names = (text(), texts(), text(), text(), text());
    (names, big_data(), time(), id_map(), id_map(), flags()).prop_map(
        |(names, big_data, created, uid_map, gid_map, flags)| ContainerRecord {
            id: names.0,
            names: names.1,
            image: names.2,
            layer: names.3,
            metadata: names.4,
            big_data_names: big_data.0,
            big_data_sizes: big_data.1,
            big_data_digests: big_data.2,
            created,
            uid_map,
            gid_map,
            flags,
            ..Default::default()
        },
    )
}

proptest! {
    #[test]
    fn layers(records in prop::collection::vec(layer(), 0..3)) {
        let json = write_array(&records);
        prop_assert_eq!(read_array(&json), Ok(records));
    }

    #[test]
    fn images(records in prop::collection::vec(image(), 0..3)) {
        let json = write_array(&records);
        prop_assert_eq!(read_array(&json), Ok(records));
    }

    #[test]
    fn containers(records in prop::collection::vec(container(), 0..3)) {
        let json = write_array(&records);
        prop_assert_eq!(read_array(&json), Ok(records));
    }

    #[test]
    fn mount_points(id in text(), path in text(), count: i64) {
        let record = MountPointRecord { id, path, count, ..Default::default() };
        prop_assert_eq!(MountPointRecord::from_json(&record.to_json()), Ok(record));
    }

    #[test]
    fn another_parser_reads_the_same(record in layer()) {
        let json: serde_json::Value = serde_json::from_slice(&record.to_json()).unwrap();
        prop_assert_eq!(json["id"].as_str(), Some(record.id.as_str()));
        let names: Vec<_> = json["names"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        prop_assert_eq!(names, record.names);
    }

    #[test]
    fn unknown_fields_survive(name in "[A-Z]{1,4}-new", value in value(), record in layer()) {
        let mut json = String::from_utf8(record.to_json()).unwrap();
        json.pop();
        let field = format!("{},{}:{value}}}", json, serde_json::to_string(&name).unwrap());
        let read = LayerRecord::from_json(field.as_bytes()).unwrap();
        prop_assert_eq!(read.extra.get(&name).unwrap().as_str(), value.to_string());
        prop_assert_eq!(String::from_utf8(read.to_json()).unwrap(), field);
    }

    #[test]
    fn what_was_read_once_is_stable(bytes in "\\{(\"(id|NAMES|flags|created|x|uidmap)\":(1|\"a\"|\\[\"b\",null\\]|null|\\{\"size\":-0,\"y\":1e3\\}),?){0,4}\\}") {
        if let Ok(record) = LayerRecord::from_json(bytes.as_bytes()) {
            let json = record.to_json();
            prop_assert_eq!(LayerRecord::from_json(&json).map(|again| again.to_json()), Ok(json));
        }
    }
}
