//! Configurations and manifests of images:
//!
//! - No text makes the reader panic.
//! - The verdict does not depend on the case of names, nor on fields that no tool knows.
//! - What is accepted is accepted again as another writer writes it.
//! - What is accepted has text where text belongs, numbers where numbers belong, by a reader that shares no code with ours.

use layerhold_oci::{check_configuration, check_manifest};
use serde_json::{Map, Value};

/// Checks one input.
pub fn run(data: &[u8]) {
    let configuration: Check = |bytes| check_configuration(bytes).is_ok();
    let manifest: Check = |bytes| check_manifest(bytes).is_ok();
    for check in [configuration, manifest] {
        verdicts_agree(data, check);
    }
    if let Ok(Value::Object(fields)) = serde_json::from_slice(data)
        && configuration(data)
    {
        types_fit(&fields);
    }
}

type Check = fn(&[u8]) -> bool;

fn verdicts_agree(data: &[u8], check: Check) {
    let accepted = check(data);
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let written = value.to_string();
    // Of a name that is there twice, this reader keeps one; and it has no integer for `-0`.
    if accepted && !written.contains("-0") {
        assert!(check(written.as_bytes()), "as written again: {written}");
    }
    let accepted = check(written.as_bytes());
    let mut changed = value;
    change_names(&mut changed, 0);
    let changed = changed.to_string();
    assert_eq!(
        check(changed.as_bytes()),
        accepted,
        "{written}, in other case: {changed}"
    );
}

/// Puts the names of fields in other case, and adds one that nobody knows. The names in maps are left alone: they may not be the
/// same in other case.
fn change_names(value: &mut Value, depth: usize) {
    match value {
        Value::Object(fields) if is_record(fields) => {
            let mut changed = Map::new();
            for (name, mut value) in std::mem::take(fields) {
                change_names(&mut value, depth + 1);
                let name = name.to_ascii_uppercase();
                // Two names that differ in case only would become one.
                if changed.insert(name, value).is_some() {
                    return;
                }
            }
            if depth < 100 {
                changed.insert("?unknown".to_owned(), serde_json::json!([{ "a": 1.5 }]));
            }
            *fields = changed;
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| change_names(item, depth + 1)),
        _ => {}
    }
}

/// Tells whether an object has fields rather than keys, as far as that shows.
fn is_record(fields: &Map<String, Value>) -> bool {
    const KNOWN: [&str; 12] = [
        "config",
        "rootfs",
        "history",
        "created",
        "Env",
        "layers",
        "mediaType",
        "digest",
        "schemaVersion",
        "os",
        "diff_ids",
        "created_by",
    ];
    fields.keys().any(|name| KNOWN.contains(&name.as_str()))
        && fields.keys().all(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        })
        && {
            let mut lower: Vec<String> = fields
                .keys()
                .map(|name| name.to_ascii_lowercase())
                .collect();
            lower.sort();
            lower.dedup();
            lower.len() == fields.len()
        }
}

fn types_fit(fields: &Map<String, Value>) {
    let is_text = |value: &Value| value.is_string() || value.is_null();
    for name in ["architecture", "os", "author", "created"] {
        assert!(fields.get(name).is_none_or(is_text), "{name}");
    }
    let run = fields.get("config").and_then(Value::as_object);
    let list = |name: &str| run?.get(name)?.as_array();
    for name in ["Env", "Cmd", "Entrypoint"] {
        assert!(
            list(name).is_none_or(|items| items.iter().all(is_text)),
            "{name}"
        );
    }
    let labels = run.and_then(|run| run.get("Labels")?.as_object());
    assert!(labels.is_none_or(|labels| labels.values().all(is_text)));
    let history = fields.get("history").and_then(Value::as_array);
    let is_entry = |value: &Value| value.is_object() || value.is_null();
    assert!(history.is_none_or(|entries| entries.iter().all(is_entry)));
}
