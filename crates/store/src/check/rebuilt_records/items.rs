//! Reads big data items that have no record.

use std::collections::BTreeMap;
use std::io::Read;

use layerhold_ids::Digest;
use layerhold_json_store::key_of_file_name;
use layerhold_sys::{Dir, FileType, stat_file};

use crate::catalog::layout::USER_DATA;
use crate::records::big_data_item::digest_of;

/// Items up to this size are hashed.
const MAX_DIGESTED: u64 = 64 << 20;

/// A big data item on the disk.
pub(super) struct ItemData {
    pub(super) key: String,
    pub(super) size: u64,
    /// Its digest, if it is not too large.
    pub(super) digest: Option<Digest>,
    /// Its content, if it is not too large.
    pub(super) content: Vec<u8>,
}

/// The names of the big data items of one ID, sorted.
pub(super) fn names(dir: &Dir, id: &str) -> Vec<String> {
    let Ok(dir) = dir.open_dir(id) else {
        return Vec::new();
    };
    let entries = dir.entries().into_iter().flatten().flatten();
    let files = entries.filter(|entry| {
        let stat = dir.stat(&entry.name).ok().flatten();
        entry.name != USER_DATA && stat.is_some_and(|stat| stat.file_type() == FileType::File)
    });
    let keys = files.filter_map(|entry| key_of_file_name(entry.name.to_str()?));
    let mut keys: Vec<String> = keys.collect();
    keys.sort();
    keys
}

/// Reads the big data items of one ID.
pub(super) fn read(dir: &Dir, id: &str) -> Vec<ItemData> {
    let names = names(dir, id);
    names
        .into_iter()
        .filter_map(|key| item(dir, id, key))
        .collect()
}

fn item(dir: &Dir, id: &str, key: String) -> Option<ItemData> {
    let name = layerhold_json_store::file_name_to_read(&key).ok()?;
    let mut file = dir.open_dir(id).ok()?.open_file(name).ok()?;
    let size = stat_file(&file).ok()?.size;
    let mut content = Vec::new();
    if size > MAX_DIGESTED {
        let digest = None;
        return Some(ItemData {
            key,
            size,
            digest,
            content,
        });
    }
    let read = file.read_to_end(&mut content).ok()?;
    let digest = Some(digest_of(&content));
    let size = u64::try_from(read).ok()?;
    Some(ItemData {
        key,
        size,
        digest,
        content,
    })
}

/// The names, sizes and digests of big data items in a record.
pub(super) struct RecordedItems<'r> {
    pub(super) names: &'r [String],
    pub(super) sizes: &'r mut BTreeMap<String, i64>,
    pub(super) digests: &'r mut BTreeMap<String, String>,
}

impl RecordedItems<'_> {
    /// Adds missing sizes and digests of the items that the record names. Digests that are not
    /// `wanted` are left out.
    pub(super) fn note(self, items: &[ItemData], wanted: impl Fn(&ItemData) -> bool) {
        for item in items.iter().filter(|item| self.names.contains(&item.key)) {
            let size = i64::try_from(item.size).unwrap_or(-1);
            let known = *self.sizes.entry(item.key.clone()).or_insert(size);
            // An item without the recorded size is not the one that the record is about.
            let digest = item.digest.as_ref().filter(|_| known == size);
            if let Some(digest) = digest
                && !self.digests.contains_key(&item.key)
                && wanted(item)
            {
                drop(self.digests.insert(item.key.clone(), digest.to_string()));
            }
        }
    }
}
