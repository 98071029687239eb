//! The configuration of an image as a document: read from a base image, changed, written.
//!
//! Fields and their order are those of the OCI image specification (`config.md`). What a base image
//! has besides stays as it is.

use layerhold::layerhold_schema::Timestamp;
use layerhold_ids::DiffId;
use serde_json::{Map, Value, json};

use super::change::ConfigChange;
use crate::platform::Platform;

/// Fields of docker's configurations that describe the container an image was committed from, and
/// that the OCI format does not have.
const OF_DOCKER_ONLY: &[&str] = &[
    "id",
    "parent",
    "parent_id",
    "layer_id",
    "container",
    "container_config",
    "docker_version",
    "Size",
];

/// The configuration of an image.
#[derive(Clone, Debug)]
pub(super) struct Document(Map<String, Value>);

/// A step of the history of an image.
pub(super) struct HistoryEntry<'a> {
    pub(super) created: Timestamp,
    pub(super) created_by: &'a str,
    pub(super) author: &'a str,
    pub(super) comment: &'a str,
    /// Whether the step added no layer.
    pub(super) is_empty_layer: bool,
}

impl Document {
    /// The configuration of an image without layers.
    pub(super) fn empty() -> Self {
        let fields = json!({
            "created": null,
            "architecture": "",
            "os": "",
            "variant": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": []},
            "history": [],
        });
        match fields {
            Value::Object(fields) => Document(fields),
            _ => Document(Map::new()),
        }
    }

    /// The configuration of a base image, whose fields have the right types
    /// ([`Config`](crate::config::Config)). `None` when it is not an object.
    pub(super) fn of_base(bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(mut fields)) => {
                fields.retain(|name, _| {
                    !OF_DOCKER_ONLY
                        .iter()
                        .any(|other| other.eq_ignore_ascii_case(name))
                });
                Some(Document(fields))
            }
            Ok(Value::Null) => Some(Self::empty()),
            _ => None,
        }
    }

    /// Replaces what the change replaces.
    pub(super) fn apply(&mut self, change: &ConfigChange) {
        let fields = &mut self.0;
        if let Some(platform) = &change.platform {
            set_platform(fields, platform);
        }
        if let Some(author) = &change.author {
            set(fields, "author", author.as_str());
        }
        let config = object(fields, "config");
        if let Some(entrypoint) = &change.entrypoint {
            set(config, "Entrypoint", entrypoint.as_slice());
            if change.command.is_none() {
                // The arguments were those of the program of the base image.
                remove(config, "Cmd");
            }
        }
        if let Some(command) = &change.command {
            set(config, "Cmd", command.as_slice());
        }
        if let Some(user) = &change.user {
            set(config, "User", user.as_str());
        }
        if let Some(directory) = &change.working_directory {
            set(config, "WorkingDir", directory.as_str());
        }
        if let Some(signal) = &change.stop_signal {
            set(config, "StopSignal", signal.as_str());
        }
        if !change.variables.is_empty() {
            set_variables(list(config, "Env"), &change.variables);
        }
        for (name, members) in [
            ("Labels", &change.labels),
            ("ExposedPorts", &change.ports),
            ("Volumes", &change.volumes),
        ] {
            if !members.is_empty() {
                object(config, name).extend(members.clone());
            }
        }
    }

    /// The platform, if the configuration names one.
    pub(super) fn has_platform(&self) -> bool {
        let named = |name| {
            let value = get(&self.0, name).and_then(Value::as_str);
            value.is_some_and(|text| !text.is_empty())
        };
        named("os") && named("architecture")
    }

    pub(super) fn set_platform(&mut self, platform: &Platform) {
        set_platform(&mut self.0, platform);
    }

    pub(super) fn set_created(&mut self, created: Timestamp) {
        set(&mut self.0, "created", created.to_string());
    }

    /// Replaces the list of layers, bottom first.
    pub(super) fn set_diff_ids(&mut self, diff_ids: &[DiffId]) {
        let root = object(&mut self.0, "rootfs");
        set(root, "type", "layers");
        let texts: Vec<String> = diff_ids.iter().map(ToString::to_string).collect();
        set(root, "diff_ids", texts);
    }

    pub(super) fn clear_history(&mut self) {
        list(&mut self.0, "history").clear();
    }

    /// Adds the entries that the history lacks for its layers: podman and buildah do not commit a
    /// container of an image with some of them.
    pub(super) fn complete_history(&mut self, layers: usize, created: Timestamp) {
        let history = list(&mut self.0, "history");
        let known = history
            .iter()
            .filter(|entry| !is_empty_layer(entry))
            .count();
        for _ in known..layers {
            self.add_history(&HistoryEntry {
                created,
                created_by: "layerhold: layer of the base image",
                author: "",
                comment: "",
                is_empty_layer: false,
            });
        }
    }

    pub(super) fn add_history(&mut self, entry: &HistoryEntry<'_>) {
        let mut fields = Map::new();
        set(&mut fields, "created", entry.created.to_string());
        for (name, text) in [
            ("created_by", entry.created_by),
            ("author", entry.author),
            ("comment", entry.comment),
        ] {
            if !text.is_empty() {
                set(&mut fields, name, text);
            }
        }
        if entry.is_empty_layer {
            set(&mut fields, "empty_layer", true);
        }
        list(&mut self.0, "history").push(Value::Object(fields));
    }

    /// The document as it is stored.
    pub(super) fn to_json(&self) -> Vec<u8> {
        Value::Object(self.0.clone()).to_string().into_bytes()
    }
}

fn is_empty_layer(entry: &Value) -> bool {
    let fields = entry.as_object();
    let flag = fields.and_then(|fields| get(fields, "empty_layer"));
    flag.and_then(Value::as_bool).unwrap_or_default()
}

fn set_platform(fields: &mut Map<String, Value>, platform: &Platform) {
    set(fields, "architecture", platform.architecture.as_str());
    set(fields, "os", platform.os.as_str());
    if platform.variant.is_empty() {
        remove(fields, "variant");
    } else {
        set(fields, "variant", platform.variant.as_str());
    }
}

/// Sets variables in a list of `NAME=VALUE`, in their places if they are there.
fn set_variables(list: &mut Vec<Value>, variables: &[(String, String)]) {
    for (name, value) in variables {
        let text = Value::from(format!("{name}={value}"));
        let is_same = |known: &&mut Value| {
            let known = known.as_str().and_then(|text| text.split_once('='));
            known.is_some_and(|(known, _)| known == name)
        };
        match list.iter_mut().find(is_same) {
            Some(known) => *known = text,
            None => list.push(text),
        }
    }
}

/// The name under which a document has a field. Go reads fields whatever the case of their names.
fn name_in(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let mut names = fields.keys();
    names
        .rfind(|other| other.eq_ignore_ascii_case(name))
        .cloned()
}

/// Makes one field of all that have a name in some spelling, and returns its name. Of two, the
/// second counts; objects are merged.
fn one_field(fields: &mut Map<String, Value>, name: &str) -> String {
    let Some(last) = name_in(fields, name) else {
        return name.to_owned();
    };
    let same = |other: &&String| other.eq_ignore_ascii_case(name) && **other != last;
    let earlier: Vec<String> = fields.keys().filter(same).cloned().collect();
    if !earlier.is_empty() {
        let mut merged = Value::Null;
        for name in earlier.iter().chain([&last]) {
            let value = fields.shift_remove(name).unwrap_or_default();
            merged = match (merged, value) {
                (Value::Object(mut merged), Value::Object(more)) => {
                    merged.extend(more);
                    Value::Object(merged)
                }
                (merged, Value::Null) => merged,
                (_, value) => value,
            };
        }
        drop(fields.insert(last.clone(), merged));
    }
    last
}

fn get<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(&name_in(fields, name)?)
}

fn set(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let name = one_field(fields, name);
    drop(fields.insert(name, value.into()));
}

fn remove(fields: &mut Map<String, Value>, name: &str) {
    while let Some(name) = name_in(fields, name) {
        drop(fields.shift_remove(&name));
    }
}

/// An object in a document, made if there is none.
fn object<'a>(fields: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let name = one_field(fields, name);
    let value = fields.entry(name).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object")
}

/// A list in a document, made if there is none.
fn list<'a>(fields: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    let name = one_field(fields, name);
    let value = fields.entry(name).or_insert(Value::Null);
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was made a list")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::typed;

    fn text(document: &Document) -> String {
        String::from_utf8(document.to_json()).unwrap()
    }

    fn changed(base: &str, change: impl FnOnce(&mut ConfigChange)) -> String {
        let mut document = Document::of_base(base.as_bytes()).unwrap();
        let mut changes = ConfigChange::default();
        change(&mut changes);
        document.apply(&changes);
        text(&document)
    }

    #[test]
    fn fields_stand_in_the_order_of_the_specification() {
        let mut document = Document::empty();
        document.set_created("2026-01-02T03:04:05Z".parse().unwrap());
        document.set_platform(&"linux/arm64/v8".parse().unwrap());
        let digest = format!("sha256:{}", "1".repeat(64));
        document.set_diff_ids(&[digest.parse().unwrap()]);
        document.add_history(&HistoryEntry {
            created: "2026-01-02T03:04:05Z".parse().unwrap(),
            created_by: "x",
            author: "",
            comment: "",
            is_empty_layer: true,
        });
        let wanted = format!(
            "{{\"created\":\"2026-01-02T03:04:05Z\",\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\",\"config\":{{}},\
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{digest}\"]}},\
             \"history\":[{{\"created\":\"2026-01-02T03:04:05Z\",\"created_by\":\"x\",\"empty_layer\":true}}]}}"
        );
        assert_eq!(text(&document), wanted);
    }

    #[test]
    fn what_is_not_changed_stays_but_for_what_only_docker_has() {
        let base = r#"{"Container":"x","os":"linux","other":1,"config":{"Env":["A=1"],"Healthcheck":{"Test":["NONE"]}}}"#;
        assert_eq!(
            changed(base, |change| change.user = Some("7".to_owned())),
            r#"{"os":"linux","other":1,"config":{"Env":["A=1"],"Healthcheck":{"Test":["NONE"]},"User":"7"}}"#
        );
    }

    #[test]
    fn a_history_gets_the_entries_that_its_layers_lack() {
        let base = r#"{"history":[{"created_by":"a"},{"empty_layer":true},7]}"#;
        let entry = r#"{"created":"2026-01-02T03:04:05Z","created_by":"layerhold: layer of the base image"}"#;
        for (layers, wanted) in [
            (1, String::new()),
            (2, String::new()),
            (4, format!(",{entry},{entry}")),
        ] {
            let mut document = Document::of_base(base.as_bytes()).unwrap();
            document.complete_history(layers, "2026-01-02T03:04:05Z".parse().unwrap());
            let wanted =
                format!(r#"{{"history":[{{"created_by":"a"}},{{"empty_layer":true}},7{wanted}]}}"#);
            assert_eq!(text(&document), wanted, "{layers} layers");
        }
        let mut document = Document::of_base(br#"{"History":null}"#).unwrap();
        document.complete_history(1, "2026-01-02T03:04:05Z".parse().unwrap());
        assert!(text(&document).contains(entry));
    }

    #[test]
    fn fields_are_found_whatever_their_case_and_type() {
        let change = |change: &mut ConfigChange| {
            change.variables.push(("B".to_owned(), "2".to_owned()));
        };
        assert_eq!(
            changed(r#"{"CONFIG":{"env":["A=1"]}}"#, change),
            r#"{"CONFIG":{"env":["A=1","B=2"]}}"#
        );
        assert_eq!(
            changed(r#"{"config":{"Env":null}}"#, change),
            r#"{"config":{"Env":["B=2"]}}"#
        );
        assert_eq!(
            changed(r#"{"config":null}"#, change),
            r#"{"config":{"Env":["B=2"]}}"#
        );
    }

    #[test]
    fn a_variable_keeps_its_place() {
        let base = r#"{"config":{"Env":["A=1","PATH=/bin","B=2"]}}"#;
        let change = |change: &mut ConfigChange| {
            change
                .variables
                .push(("PATH".to_owned(), "/x=y".to_owned()));
        };
        assert_eq!(
            changed(base, change),
            r#"{"config":{"Env":["A=1","PATH=/x=y","B=2"]}}"#
        );
    }

    #[test]
    fn another_entrypoint_has_other_arguments() {
        let base = r#"{"config":{"Entrypoint":["/old"],"Cmd":["-x"]}}"#;
        let entrypoint = Some(vec!["/new".to_owned()]);
        assert_eq!(
            changed(base, |change| change.entrypoint.clone_from(&entrypoint)),
            r#"{"config":{"Entrypoint":["/new"]}}"#
        );
        let both = |change: &mut ConfigChange| {
            change.entrypoint.clone_from(&entrypoint);
            change.command = Some(Vec::new());
        };
        assert_eq!(
            changed(base, both),
            r#"{"config":{"Entrypoint":["/new"],"Cmd":[]}}"#
        );
    }

    /// Values for the fields of a configuration, right and wrong ones, under any spelling.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            Just(json!(true)),
            Just(json!(7)),
            Just(json!("x")),
            Just(json!(["A=1", "PATH=/bin"])),
            Just(json!([7])),
            Just(json!({})),
            Just(json!({"a": {}})),
            Just(json!([{"created_by": "x", "empty_layer": true}])),
        ];
        let names = proptest::sample::select(vec![
            "config",
            "CONFIG",
            "Env",
            "ENV",
            "Entrypoint",
            "Cmd",
            "cmd",
            "Labels",
            "rootfs",
            "RootFS",
            "diff_ids",
            "type",
            "history",
            "History",
            "os",
            "OS",
            "architecture",
            "variant",
            "author",
            "created",
            "container",
            "other",
        ]);
        leaf.prop_recursive(3, 24, 6, move |inner| {
            proptest::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect())
            })
        })
    }

    proptest! {
        /// What podman reads before a change, it reads after it.
        #[test]
        fn a_readable_base_stays_readable(base in values()) {
            let bytes = base.to_string().into_bytes();
            if let (Ok(_), Some(mut document)) = (Config::parse(&bytes), Document::of_base(&bytes)) {
                let mut change = ConfigChange {
                    entrypoint: Some(vec!["/a".to_owned()]),
                    variables: vec![("A".to_owned(), "2".to_owned())],
                    user: Some("7".to_owned()),
                    author: Some("me".to_owned()),
                    ..ConfigChange::default()
                };
                change.add_port("80");
                document.apply(&change);
                document.set_platform(&"linux/arm64/v8".parse().unwrap());
                document.set_created("2026-01-02T03:04:05Z".parse().unwrap());
                let diff_id: DiffId = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
                document.set_diff_ids(std::slice::from_ref(&diff_id));
                document.add_history(&HistoryEntry {
                    created: "2026-01-02T03:04:05Z".parse().unwrap(),
                    created_by: "x",
                    author: "me",
                    comment: "",
                    is_empty_layer: false,
                });
                let config = Config::parse(&document.to_json());
                prop_assert!(config.is_ok(), "{:?} of {}", config, text(&document));
                let config = config.unwrap();
                prop_assert_eq!(config.diff_ids, [diff_id]);
                prop_assert_eq!(config.platform.to_string(), "linux/arm64/v8");
                prop_assert_eq!(config.created.as_deref(), Some("2026-01-02T03:04:05Z"));
                let read = typed::read(&document.to_json(), &typed::CONFIG).unwrap();
                let config = read.get("config");
                prop_assert_eq!(config.get("User").text(), "7");
                prop_assert_eq!(config.get("Entrypoint").texts(), ["/a"]);
                prop_assert!(config.get("Cmd").texts().is_empty());
                prop_assert!(config.get("Env").texts().contains(&"A=2".to_owned()));
            }
        }
    }

    #[test]
    fn a_base_that_is_no_object_is_refused() {
        for text in ["[]", "1", "x", ""] {
            assert!(Document::of_base(text.as_bytes()).is_none(), "{text}");
        }
        assert!(Document::of_base(b"null").is_some());
    }
}
