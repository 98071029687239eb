//! Searching the text of all records.

use std::sync::Arc;

use memchr::memmem::Finder;

use super::index::{Entry, Searched};
use super::records::{LoadedFile, LoadedRecords, lock};
use crate::record::Record;

impl<R: Record> LoadedRecords<R> {
    /// The records in whose text some bytes occur, in the order of the files. The answer is kept
    /// until other bytes are asked about.
    pub(crate) fn mentioning(&self, bytes: &[u8]) -> Arc<[Entry]> {
        let mut searched = lock(&self.searched);
        if let Some(known) = searched.as_ref().filter(|known| &*known.bytes == bytes) {
            return Arc::clone(&known.found);
        }
        let found: Arc<[Entry]> = self.entries_mentioning(bytes).into();
        *searched = Some(Searched {
            bytes: bytes.into(),
            found: Arc::clone(&found),
        });
        found
    }

    /// The records in whose text some bytes occur, in the order of the files.
    pub(super) fn entries_mentioning(&self, bytes: &[u8]) -> Vec<Entry> {
        let finder = Finder::new(bytes);
        let mut found = Vec::new();
        for file in &self.files {
            file.search(&finder, &mut |entry| {
                if !self.is_hidden(entry) {
                    found.push(entry);
                }
            });
        }
        found
    }
}

impl LoadedFile {
    /// Goes through the elements in whose text the bytes occur.
    fn search(&self, finder: &Finder<'_>, found: &mut dyn FnMut(Entry)) {
        let elements = self.document.elements();
        let length = finder.needle().len();
        let (mut position, mut from) = (0, 0);
        while let Some(at) = self.document.find(finder, from) {
            let rest = elements.get(position..).unwrap_or_default();
            position += rest.partition_point(|element| (element.end as usize) < at + length);
            let Some(element) = elements.get(position) else {
                return;
            };
            from = at + 1;
            // Otherwise it is between two elements, or begins before this one.
            if element.start as usize <= at {
                found(
                    self.first
                        .saturating_add(u32::try_from(position).unwrap_or(u32::MAX)),
                );
                position += 1;
                from = from.max(element.end as usize);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocationId;
    use crate::document::Document;
    use crate::fields::Fields;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    struct Plain(String);

    impl Record for Plain {
        const KIND: &'static str = "plain";
        type Error = std::fmt::Error;

        fn parse(json: &[u8]) -> Result<Self, std::fmt::Error> {
            Ok(Self(String::from_utf8_lossy(json).into_owned()))
        }
        fn write(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self.0.as_bytes());
        }
        fn id(&self) -> &str {
            ""
        }
    }

    fn loaded(texts: &[&str]) -> LoadedRecords<Plain> {
        let document = |(position, text): (usize, &&str)| {
            let document = Document::new(text.as_bytes().to_vec(), &Fields::new(&[]));
            let location = LocationId::new(position);
            (location, Arc::default(), Arc::new(document))
        };
        LoadedRecords::new(texts.iter().enumerate().map(document).collect()).0
    }

    #[test]
    fn the_same_question_is_answered_from_memory() {
        let loaded = loaded(&[r#"[{"id":"a","x":1},{"id":"b"}]"#, r#"[{"id":"c","x":1}]"#]);
        let first = loaded.mentioning(b"\"x\"");
        assert_eq!(*first, [0, 2]);
        assert!(Arc::ptr_eq(&first, &loaded.mentioning(b"\"x\"")));
        assert_eq!(*loaded.mentioning(b"\"b\""), [1]);
        assert_eq!(*loaded.mentioning(b"},{"), [] as [u32; 0]);
        assert!(!Arc::ptr_eq(&first, &loaded.mentioning(b"\"x\"")));
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_search_of_each_record_finds(
            texts in prop::collection::vec("[ab]{0,4}", 0..6),
            space in "[ ]{0,2}",
            needle in "[ab,{\\[ \"]{0,5}",
        ) {
            let records: Vec<String> = texts
                .iter()
                .enumerate()
                .map(|(position, text)| format!(r#"{{"id":"{position}","x":"{text}"}}"#))
                .collect();
            let file = format!("[{}]", records.join(&format!(",{space}")));
            let found = loaded(&[&file]).entries_mentioning(needle.as_bytes());
            let expected: Vec<u32> = (0_u32..)
                .zip(&records)
                .filter(|(_, record)| record.contains(&needle))
                .map(|(entry, _)| entry)
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
