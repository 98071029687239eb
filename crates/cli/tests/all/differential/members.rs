//! What is in an archive, as text.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use layerhold_archive::{Codec, decompressor};

/// Contents have times before this, and what a command makes has later ones.
pub(crate) const NOW: u64 = 1_500_000_000;

/// The archive without its compression; itself when it cannot be decompressed.
pub(crate) fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let unpacked = decompressor(Codec::sniff(bytes), bytes)
        .map_err(std::io::Error::other)
        .and_then(|mut reader| reader.read_to_end(&mut plain));
    match unpacked {
        Ok(_) => plain,
        Err(_) => bytes.to_vec(),
    }
}

/// A line for each member; nothing when it is no archive.
pub(crate) fn list(bytes: &[u8]) -> Option<String> {
    let bytes = plain(bytes);
    if bytes.is_empty() {
        return None;
    }
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut lines = Vec::new();
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        lines.push(line(&mut entry)?);
    }
    Some(lines.join("\n"))
}

fn line(entry: &mut tar::Entry<'_, &[u8]>) -> Option<String> {
    let mut content = Vec::new();
    entry.read_to_end(&mut content).ok()?;
    let header = entry.header();
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let mut line = format!(
        "{} {name} {:o} {}:{} {} {}",
        char::from(header.entry_type().as_byte()),
        // 1.43 leaves the bits of the file type in the mode; newer ones do not.
        header.mode().ok()? & 0o7777,
        header.uid().ok()?,
        header.gid().ok()?,
        match header.mtime().ok()? {
            time if time < NOW => time.to_string(),
            _ => "now".to_owned(),
        },
        content.len(),
    );
    if let Some(target) = entry.link_name_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(line, " -> {}", String::from_utf8_lossy(&target));
    }
    if !content.is_empty() {
        let _ = write!(line, " #{:x}", hash(&content));
    }
    let attributes = entry.pax_extensions().ok().flatten();
    for attribute in attributes.into_iter().flatten().flatten() {
        let key = attribute.key().unwrap_or_default();
        if key.starts_with("SCHILY.xattr.") {
            let _ = write!(line, " {key}={:x}", hash(attribute.value_bytes()));
        }
    }
    Some(line)
}

/// A hash that is the same for equal contents within one run.
pub(crate) fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
