//! What is on the disk below the two roots of a store.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use layerhold_testkit::{Node, NodeKind, Tree};
use serde_json::Value;

use super::members::{NOW, hash, plain};
use super::plain_text::Plain;

/// Paths below the store's directory, and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) parts: BTreeMap<String, String>,
}

/// Directories that Go's 1.43 makes and newer ones do not (`root/mounts`, `root/tmp`), and those
/// that one tool makes when it starts and the other when it needs them, here without a driver's
/// name. What is in them counts.
const OF_NO_INTEREST: [&str; 11] = [
    "root/",
    "runroot/",
    "root/mounts",
    "root/tmp",
    "root//dir",
    "root//tempdirs",
    "root/-layers",
    "root/-layers/tmp",
    "runroot/-layers",
    "runroot/-containers",
    "runroot/-locks",
];
/// A side file that only our tool keeps (`docs/format/layerhold.md`).
const OURS: &str = "/layerhold-usage.jsonl";

impl State {
    /// Reads the store in `dir`, learning generated IDs from its records.
    pub(crate) fn of(dir: &Path, driver: &str, plain: &mut Plain, serial: usize) -> Self {
        for kind in ["layer", "image", "container"] {
            let path = dir.join(format!("root/{driver}-{kind}s/{kind}s.json"));
            plain.learn(&fs::read_to_string(path).unwrap_or_default(), serial);
        }
        for layer in fs::read_dir(dir.join("root/overlay"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Ok(link) = fs::read_to_string(layer.path().join("link")) {
                plain.learn_link(&layer.file_name().to_string_lossy(), &link);
            }
        }
        let mut parts = BTreeMap::new();
        for top in ["root", "runroot"] {
            let base = dir.join(top);
            if !base.is_dir() {
                continue;
            }
            let tree = Tree::of_one_filesystem(&base);
            for path in tree.paths() {
                let relative = format!("{top}/{}", path.to_string_lossy());
                let text = describe(&base.join(path), &relative, tree.at(path), plain, driver);
                if let Some(text) = text {
                    parts.insert(plain.text(&relative), text);
                }
            }
        }
        State { parts }
    }

    /// The elements of a record file.
    pub(crate) fn records(&self, path: &str) -> Vec<Value> {
        let text = self.parts.get(path).and_then(|part| part.split_once('\n'));
        text.and_then(|(_, text)| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

fn describe(
    path: &Path,
    relative: &str,
    node: &Node,
    plain_text: &Plain,
    driver: &str,
) -> Option<String> {
    let without_driver = relative.replace(driver, "");
    // Notes about what the kernel can, which the one leaves and the other does not.
    let is_note = driver == "overlay" && relative.starts_with("runroot/overlay/");
    // Places that mounting makes, and that may be there or not afterwards.
    let is_place = without_driver.ends_with("/merged") || without_driver.ends_with("/work/work");
    let is_place = is_place && driver == "overlay" && node.kind == NodeKind::Directory;
    if is_note || is_place || OF_NO_INTEREST.contains(&without_driver.as_str()) {
        return None;
    }
    let facts = format!("{:o} {}:{}", node.mode, node.uid, node.gid);
    if relative.ends_with(".lock") || relative.ends_with(OURS) {
        // Locks are made when it is first needed by the one, at the start by the other.
        return None;
    }
    if relative.ends_with(".json") && !relative.contains("/dir/") {
        let text = fs::read_to_string(path).unwrap_or_default();
        // A list without elements says what no list says.
        if text == "[]" {
            return None;
        }
        let text = plain_text.text(&text);
        if relative.ends_with("/mountpoints.json") {
            // In the order of layers by the one, of mounting by the other.
            return Some(format!("{facts}\n{}", sorted_elements(&text)));
        }
        return Some(format!("{facts}\n{text}"));
    }
    if relative.ends_with(".tar-split.gz") {
        let text = plain(&fs::read(path).unwrap_or_default());
        return Some(format!("{facts} {:x}", hash(&skeleton(&text))));
    }
    // What an overlay layer is called and stands on.
    let name = relative.rsplit('/').next().unwrap_or_default();
    if ["link", "lower"].contains(&name) && without_driver.matches('/').count() == 3 {
        let text = fs::read_to_string(path).unwrap_or_default();
        return Some(format!("{facts} {}", plain_text.text(&text)));
    }
    let kind = match &node.kind {
        NodeKind::File { size, hash } => format!("file {size} #{hash:x}"),
        NodeKind::Symlink(target) => {
            format!("link to {}", plain_text.text(&target.to_string_lossy()))
        }
        other => format!("{other:?}"),
    };
    let time = match node.mtime {
        (seconds, nanos) if seconds < NOW.cast_signed() => format!("{seconds}.{nanos}"),
        _ => "now".to_owned(),
    };
    let mut text = format!("{kind} {facts} {time}");
    // The kernel notes where the parts of an overlay came from.
    let by_kernel = |name: &str| name.starts_with("trusted.overlay.") && !name.ends_with(".opaque");
    for (name, value) in &node.xattrs {
        if by_kernel(&name.to_string_lossy()) {
            continue;
        }
        text.push_str(&format!(" {}={:x}", name.to_string_lossy(), hash(value)));
    }
    if let Some(other) = &node.same_as {
        text.push_str(&format!(" = {}", plain_text.text(&other.to_string_lossy())));
    }
    Some(text)
}

fn sorted_elements(list: &str) -> String {
    let elements: Vec<Value> = serde_json::from_str(list).unwrap_or_default();
    let mut elements: Vec<String> = elements.iter().map(Value::to_string).collect();
    elements.sort();
    format!("[{}]", elements.join(","))
}

/// The entries of a tar-split file and the bytes between them. How these are cut into segments is
/// up to the writer.
fn skeleton(text: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut entry: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        entry.remove("position");
        match entry["type"].as_u64() {
            Some(2) => found.extend(from_base64(entry["payload"].as_str().unwrap_or_default())),
            _ => found.extend(Value::from(entry).to_string().into_bytes()),
        }
    }
    found
}

fn from_base64(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|digit| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let digits: Vec<u8> = digits.collect();
    let bits = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit))
    };
    let whole = |chunk: &[u8]| {
        let missing = 4 - chunk.len();
        let bytes = (bits(chunk) << (6 * missing)).to_be_bytes();
        bytes[1..4 - missing].to_vec()
    };
    digits.chunks(4).flat_map(whole).collect()
}

#[test]
fn base64_is_read() {
    assert_eq!(from_base64("YWJjZGU="), b"abcde");
    assert_eq!(from_base64("YWJjZA=="), b"abcd");
    assert_eq!(from_base64(""), b"");
}
