//! Tests that `docs/from-go.md` names existing calls, and that the docs of these calls name their
//! counterparts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The methods of Go's interface `Store` (Go: store.go).
const GO_METHODS: &str = "AddNames ApplyDiff ApplyStagedLayer Changes Check CleanupStagedLayer Container ContainerBigData \
    ContainerBigDataDigest ContainerBigDataSize ContainerByLayer ContainerDirectory ContainerParentOwners ContainerRunDirectory \
    ContainerSize Containers CreateContainer CreateImage CreateLayer Dedup Delete DeleteContainer DeleteImage DeleteLayer Diff \
    DiffSize DifferTarget Exists Free FromContainerDirectory FromContainerRunDirectory GIDMap GarbageCollect GetDigestLock \
    GraphDriver GraphDriverName GraphOptions GraphRoot Image ImageBigData ImageBigDataDigest ImageBigDataSize ImageDirectory \
    ImageRunDirectory ImageSize ImageStore Images ImagesByDigest ImagesByTopLayer Layer LayerBigData LayerParentOwners LayerSize \
    Layers LayersByCompressedDigest LayersByTOCDigest LayersByUncompressedDigest ListContainerBigData ListImageBigData \
    ListLayerBigData Lookup LookupAdditionalLayer Metadata Mount MountImage Mounted MultiList Names PrepareStagedLayer \
    PullOptions PutLayer RemoveNames Repair RunRoot SetContainerBigData SetContainerDirectoryFile SetContainerRunDirectoryFile \
    SetImageBigData SetLayerBigData SetMetadata SetNames Shutdown Status TransientStore UIDMap Unmount UnmountImage Version Wipe";

/// A row of a table: a method of Go, and the calls that replace it.
struct Row {
    go: Vec<String>,
    calls: Vec<String>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(workspace().join("docs/from-go.md")).unwrap();
    let cells = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|');
        Some((cells.next()?, cells.next()?))
    });
    let rows = cells.map(|(go, rust)| Row {
        go: code(go),
        calls: code(rust),
    });
    rows.filter(|row| !row.go.is_empty()).collect()
}

/// The text between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Everything public that the sources of all crates declare, as `Type::name` and
/// `crate_name::function`, with its docs.
///
/// The sources are formatted, so the indentation of a line shows what it belongs to.
fn declared() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_str().unwrap();
        let crate_name = format!("layerhold_{}", name.replace('-', "_"));
        let mut files = Vec::new();
        sources(&dir.join("src"), &mut files);
        for file in files {
            declared_in(
                &std::fs::read_to_string(file).unwrap(),
                &crate_name,
                &mut found,
            );
        }
    }
    found
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn declared_in(text: &str, crate_name: &str, found: &mut BTreeMap<String, String>) {
    // The current type, and whether its parts are public without `pub`.
    let mut owner: Option<(String, bool)> = None;
    let mut docs = String::new();
    for line in text.lines() {
        if let Some(doc) = line.trim_start().strip_prefix("///") {
            docs.push_str(doc);
            continue;
        }
        let starts_block = line.ends_with('{');
        let (inside, item) = match line.strip_prefix("    ") {
            Some(item) => (true, item),
            None => (false, line),
        };
        if item.starts_with(' ') || item.starts_with("#[") {
            continue;
        }
        let public = item.strip_prefix("pub ");
        match (inside, public) {
            (false, _) if line == "}" => owner = None,
            (false, _) if starts_block && item.starts_with("impl") => {
                owner = owner_of_impl(item).map(|name| (name, false));
            }
            (false, Some(item)) if item.starts_with("struct ") || item.starts_with("enum ") => {
                let name = item.split_whitespace().nth(1).map(word).unwrap_or_default();
                owner = Some((name.to_owned(), item.starts_with("enum ")));
            }
            (false, Some(item)) => note(crate_name, item, &docs, found),
            (true, _) => match (&owner, public) {
                (Some((owner, _)), Some(item)) => note(owner, item, &docs, found),
                (Some((owner, true)), None) => note(owner, item, &docs, found),
                _ => {}
            },
            (false, None) => {}
        }
        docs.clear();
    }
}

/// The type after `impl`, or after `for`; `None` for a macro's `impl $name`.
fn owner_of_impl(line: &str) -> Option<String> {
    let line = line
        .split(" where")
        .next()?
        .trim_end_matches('{')
        .trim_end();
    if line.contains(" for ") {
        return None;
    }
    let line = line.strip_prefix("impl")?;
    let name = match line.strip_prefix('<') {
        Some(generic) => generic.split_once("> ")?.1,
        None => line.trim_start(),
    };
    Some(word(name).to_owned())
}

fn note(owner: &str, item: &str, docs: &str, found: &mut BTreeMap<String, String>) {
    let words: Vec<&str> = item.split_whitespace().collect();
    let name = match words.iter().position(|word| *word == "fn") {
        Some(position) => words.get(position + 1).copied(),
        None => words.first().copied(),
    };
    let name = name.map(word).unwrap_or_default();
    if !name.is_empty() {
        let known = found.entry(format!("{owner}::{name}")).or_default();
        known.push_str(docs);
    }
}

/// The name at the beginning of a text.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    end.map_or(text, |end| &text[..end])
}

#[test]
fn every_method_of_go_has_one_row() {
    let rows = rows();
    let mut listed: Vec<&str> = rows
        .iter()
        .flat_map(|row| &row.go)
        .filter_map(|go| go.strip_prefix("Store."))
        .collect();
    listed.sort_unstable();
    let mut wanted: Vec<&str> = GO_METHODS.split_whitespace().collect();
    wanted.sort_unstable();
    assert_eq!(wanted.len(), 89);
    assert_eq!(listed, wanted);
}

#[test]
fn every_call_in_the_tables_exists() {
    let declared = declared();
    let calls: BTreeSet<String> = rows().into_iter().flat_map(|row| row.calls).collect();
    assert!(calls.len() > 100, "{}", calls.len());
    let missing: Vec<&String> = calls
        .iter()
        .filter(|call| !declared.contains_key(*call))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    // The search would notice if one were missing.
    assert!(!declared.contains_key("Store::no_such_call"));
}

#[test]
fn the_docs_of_the_calls_name_their_counterparts() {
    let declared = declared();
    for row in rows() {
        for go in row.go.iter().filter(|go| go.starts_with("Store.")) {
            let docs = row.calls.iter().filter_map(|call| declared.get(call));
            let named = docs
                .into_iter()
                .any(|docs| docs.contains(&format!("`{go}`")));
            assert!(row.calls.is_empty() || named, "{go}");
        }
    }
}
