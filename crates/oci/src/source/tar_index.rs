//! The positions of the members of a tar file, so that they can be read in any order.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use layerhold_tar_format::{EntryKind, Event, Header, ParseError, Parser, clean_path};

use super::error::SourceError;
use crate::section::{Run, Section};

/// How many links are followed from one member to the next.
const MAX_LINKS: usize = 16;

/// The most members that an image archive may have. Real ones have a few for each layer.
const MAX_MEMBERS: usize = 1 << 20;

/// The members of one tar file by name.
#[derive(Debug)]
pub(crate) struct TarIndex {
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

#[derive(Debug)]
enum Member {
    File {
        /// Where its bytes are in the archive; between the runs of a sparse member are zeros.
        runs: Vec<Run>,
        size: u64,
    },
    /// The name of another member, from the root of the archive.
    Link(Vec<u8>),
}

impl TarIndex {
    /// Reads the headers of a tar file; contents are skipped.
    pub(crate) fn read(path: &Path, file: Arc<File>) -> Result<Self, SourceError> {
        let mut members = HashMap::new();
        scan(path, &file, |header, offset| {
            let name = absolute(&header.name);
            let member = match header.kind {
                EntryKind::Regular | EntryKind::Contiguous | EntryKind::GnuSparse => Member::File {
                    runs: runs(header, offset),
                    size: header.content_size(),
                },
                EntryKind::HardLink => Member::Link(absolute(&header.link_name)),
                EntryKind::Symlink => Member::Link(beside(&name, &header.link_name)),
                _ => return true,
            };
            members.insert(name, member);
            members.len() < MAX_MEMBERS
        })?;
        Ok(TarIndex { file, members })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Opens a member; links are followed inside the archive.
    pub(crate) fn open(&self, name: &str) -> Option<Section> {
        let (runs, size) = self.find(name)?;
        Some(Section::sparse(Arc::clone(&self.file), runs.to_vec(), size))
    }

    fn find(&self, name: &str) -> Option<(&[Run], u64)> {
        let mut member = self.members.get(&absolute(name.as_bytes()))?;
        for _ in 0..MAX_LINKS {
            match member {
                Member::File { runs, size } => return Some((runs, *size)),
                Member::Link(target) => member = self.members.get(target)?,
            }
        }
        None
    }
}

/// The stored runs of a member whose contents begin at `offset` of the archive. `tar -S` omits
/// holes.
fn runs(header: &Header, mut offset: u64) -> Vec<Run> {
    let Some(map) = header.sparse() else {
        return vec![Run {
            start: 0,
            length: header.content_size(),
            offset,
        }];
    };
    let regions = map.regions().iter();
    regions
        .map(|region| {
            let run = Run {
                start: region.offset,
                length: region.length,
                offset,
            };
            offset += region.length;
            run
        })
        .collect()
}

/// The name of a member in one form, for `a`, `./a` and `/a`.
fn absolute(name: &[u8]) -> Vec<u8> {
    let mut rooted = vec![b'/'];
    rooted.extend_from_slice(name);
    clean_path(&rooted)
}

/// The member that a symbolic link points at: relative to the directory of the link, and never
/// above the root of the archive.
fn beside(link: &[u8], target: &[u8]) -> Vec<u8> {
    if target.starts_with(b"/") {
        return clean_path(target);
    }
    let parent = link
        .iter()
        .rposition(|byte| *byte == b'/')
        .and_then(|slash| link.get(..=slash))
        .unwrap_or(b"/");
    clean_path(&[parent, target].concat())
}

/// Calls `found` with each header and the offset of its contents, until it returns `false`.
///
/// Contents are skipped and never read. An archive that is shorter than its headers say is refused
/// here, before anything is read from it.
fn scan(
    path: &Path,
    file: &File,
    mut found: impl FnMut(&Header, u64) -> bool,
) -> Result<(), SourceError> {
    let tar_error = |source| SourceError::Tar {
        path: path.to_owned(),
        source,
    };
    let read_error = |source| SourceError::Read {
        path: path.to_owned(),
        source,
    };
    let length = file.metadata().map_err(read_error)?.len();
    let mut parser = Parser::new();
    let mut block = [0; 4096];
    loop {
        let at = parser.offset();
        let got = read_block(file, &mut block, at).map_err(read_error)?;
        let mut input = block.get(..got).unwrap_or_default();
        if input.is_empty() {
            parser.finish().map_err(tar_error)?;
            return Ok(());
        }
        // One event at a time: what follows a header is not in this block but after the contents.
        let is_header = loop {
            match parser.advance(&mut input).map_err(tar_error)? {
                Some(Event::Entry { header, .. }) => {
                    let consumed = got.saturating_sub(input.len());
                    if !found(header, at + consumed as u64) {
                        return Ok(());
                    }
                    break true;
                }
                Some(Event::End { .. }) => return Ok(()),
                Some(_) => {}
                None => break false,
            }
        };
        if is_header {
            parser.skip_payload();
            if parser.offset() > length {
                return Err(tar_error(ParseError::Truncated {
                    offset: length,
                    part: "payload",
                }));
            }
        }
    }
}

fn read_block(file: &File, block: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(block, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn index(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> TarIndex {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&builder.into_inner().unwrap()).unwrap();
        TarIndex::read(Path::new("test.tar"), Arc::new(file)).unwrap()
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, data: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, data).unwrap();
    }

    fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, to: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, name, to).unwrap();
    }

    fn text(index: &TarIndex, name: &str) -> Option<String> {
        let mut text = String::new();
        index.open(name)?.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[test]
    fn members_are_found_by_any_spelling() {
        let long = "d/".repeat(80) + "deep";
        let index = index(|b| {
            add(b, "a/b", b"one");
            add(b, "big", &vec![b'x'; 300_000]);
            add(b, &long, b"two");
            add(b, "a/b", b"later");
        });
        assert_eq!(text(&index, "./a/b").as_deref(), Some("later"));
        assert_eq!(text(&index, "/a//b").as_deref(), Some("later"));
        assert_eq!(text(&index, &long).as_deref(), Some("two"));
        assert_eq!(text(&index, "big").map(|t| t.len()), Some(300_000));
        assert_eq!(text(&index, "nosuch"), None);
        assert!(!index.has("a"));
    }

    #[test]
    fn links_stay_inside_and_loops_end() {
        let index = index(|b| {
            add(b, "blob.tar", b"layer");
            link(b, tar::EntryType::Symlink, "1/layer.tar", "../blob.tar");
            link(b, tar::EntryType::Symlink, "2/layer.tar", "../1/layer.tar");
            link(b, tar::EntryType::Symlink, "up", "../../../blob.tar");
            link(b, tar::EntryType::Link, "hard", "blob.tar");
            link(b, tar::EntryType::Symlink, "x", "y");
            link(b, tar::EntryType::Symlink, "y", "x");
            link(b, tar::EntryType::Symlink, "out", "/etc/passwd");
        });
        for name in ["1/layer.tar", "2/layer.tar", "up", "hard"] {
            assert_eq!(text(&index, name).as_deref(), Some("layer"), "{name}");
        }
        for name in ["x", "out"] {
            assert_eq!(text(&index, name), None, "{name}");
        }
    }

    #[test]
    fn garbage_and_cut_archives_are_errors() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b'x'; 2048]).unwrap();
        assert!(matches!(
            TarIndex::read(Path::new("x"), Arc::new(file)),
            Err(SourceError::Tar { .. })
        ));
        let mut builder = tar::Builder::new(Vec::new());
        add(&mut builder, "a", &[1; 5000]);
        let mut bytes = builder.into_inner().unwrap();
        bytes.truncate(700);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        assert!(matches!(
            TarIndex::read(Path::new("x"), Arc::new(file)),
            Err(SourceError::Tar {
                source: ParseError::Truncated {
                    offset: 700,
                    part: "payload"
                },
                ..
            })
        ));
    }

    proptest::proptest! {
        #[test]
        fn a_changed_archive_is_read_or_refused(at in 0_usize..4096, byte in proptest::num::u8::ANY) {
            let mut builder = tar::Builder::new(Vec::new());
            add(&mut builder, "a", b"one");
            link(&mut builder, tar::EntryType::Symlink, "b", "a");
            add(&mut builder, "c", &[7; 600]);
            let mut bytes = builder.into_inner().unwrap();
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            let length = bytes.len() as u64;
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            if let Ok(index) = TarIndex::read(Path::new("x"), Arc::new(file)) {
                for name in ["a", "b", "c"] {
                    if let Some(section) = index.open(name) {
                        proptest::prop_assert!(section.len() <= length);
                    }
                }
            }
        }
    }
}
