//! Configurations and manifests of images:
//!
//! - No text makes the reader panic.
//! - The verdict does not depend on the case of names or on unknown fields.
//! - An accepted text is also accepted in another writer's form.
//! - An accepted text has strings and numbers where they belong, according to a reader that shares
//!   no code with ours.

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
    // This reader keeps only one of repeated names, and has no integer for `-0`.
    if accepted && !written.contains("-0") {
        assert!(check(written.as_bytes()), "as written again: {written}");
    }
    let accepted = check(written.as_bytes());
    let mut changed = value;
    if !in_upper_case(&mut changed) {
        return;
    }
    if let Value::Object(fields) = &mut changed {
        let _none = fields.insert("?unknown".to_owned(), serde_json::json!([{ "a": 1.5 }]));
    }
    let changed = changed.to_string();
    assert_eq!(
        check(changed.as_bytes()),
        accepted,
        "{written}, in other case: {changed}"
    );
}

/// Changes all names to upper case; returns `false` if two would become one.
fn in_upper_case(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            let mut changed = Map::new();
            for (name, mut value) in std::mem::take(fields) {
                if !in_upper_case(&mut value)
                    || changed.insert(name.to_ascii_uppercase(), value).is_some()
                {
                    return false;
                }
            }
            *fields = changed;
            true
        }
        Value::Array(items) => items.iter_mut().all(in_upper_case),
        _ => true,
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
