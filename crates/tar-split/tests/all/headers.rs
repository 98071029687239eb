//! The headers in a tar-split file.

use crate::archives::{files, record, sparse};
use layerhold_tar_format::{EntryKind, Header, Writer};
use layerhold_tar_split::{Headers, Skeleton, SkeletonError};

fn names(lines: &str) -> Result<Vec<String>, SkeletonError> {
    let mut headers = Headers::new(Skeleton::from_lines(lines.as_bytes()));
    let mut names = Vec::new();
    while let Some((header, file)) = headers.next_header()? {
        assert_eq!(header.name, file.name);
        names.push(String::from_utf8_lossy(&header.name).into_owned());
    }
    Ok(names)
}

#[test]
fn every_entry_has_its_header() {
    let mut writer = Writer::new(Vec::new());
    let long = "n".repeat(200);
    for name in ["d/", "d/f", &long, "e"] {
        let kind = if name.ends_with('/') {
            EntryKind::Directory
        } else {
            EntryKind::Regular
        };
        let mut header = Header::new(kind, name);
        header.size = i64::from(kind == EntryKind::Regular) * 700;
        writer.write_header(&header).unwrap();
        writer
            .write_content(&vec![1; header.content_size() as usize])
            .unwrap();
    }
    let archive = [writer.finish().unwrap(), b"trailing".to_vec()].concat();
    assert_eq!(
        names(&record(&archive).0).unwrap(),
        ["d/", "d/f", &long, "e"]
    );
}

#[test]
fn sparse_files_of_ours_and_of_go() {
    let mut archive = sparse();
    archive.truncate(archive.len() - 1024);
    archive.extend(files(&[(b"after", b"abc")]));
    let (ours, _) = record(&archive);
    assert_eq!(names(&ours).unwrap(), ["sparse", "after"]);
    // Go leaves out the map and the payload.
    use base64::Engine as _;
    let segment = base64::engine::general_purpose::STANDARD.encode(&archive[..1536]);
    let first = format!(r#"{{"type":2,"payload":"{segment}","position":0}}"#);
    let mut lines: Vec<&str> = ours.lines().collect();
    lines[0] = &first;
    assert_eq!(names(&lines.join("\n")).unwrap(), ["sparse", "after"]);
}

#[test]
fn damaged_segments() {
    let (lines, _) = record(&files(&[(b"f", b"abc")]));
    let without: Vec<&str> = lines.lines().skip(1).collect();
    assert!(matches!(
        names(&without.join("\n")),
        Err(SkeletonError::NoHeader { line: 1 })
    ));
    let wrong = lines.replacen("AAAAAAAA", "AAABAAAA", 1);
    assert!(matches!(
        names(&wrong),
        Err(SkeletonError::Header { line: 1, .. })
    ));
}
