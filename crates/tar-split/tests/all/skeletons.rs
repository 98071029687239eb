//! Reading tar-split files of any origin.

use layerhold_tar_split::{Checksum, Entry, Skeleton, SkeletonError};

/// An entry of a file, in a form that can be compared.
#[derive(Debug, PartialEq)]
enum Said {
    Segment(Vec<u8>),
    File(Vec<u8>, i64, Option<Checksum>),
}

fn read(lines: &[u8]) -> Result<Vec<Said>, SkeletonError> {
    let mut skeleton = Skeleton::from_lines(lines);
    let mut said = Vec::new();
    while let Some(entry) = skeleton.next_entry()? {
        said.push(match entry {
            Entry::Segment(bytes) => Said::Segment(bytes.to_vec()),
            Entry::File(file) => Said::File(file.name.to_vec(), file.size, file.checksum),
            _ => unreachable!(),
        });
    }
    Ok(said)
}

#[track_caller]
fn check(line: &str, expected: Said) {
    assert_eq!(read(line.as_bytes()).unwrap(), [expected], "{line}");
}

#[test]
fn all_forms_of_lines() {
    let segment = |bytes: &[u8]| Said::Segment(bytes.to_vec());
    let file = |name: &[u8], size, checksum| Said::File(name.to_vec(), size, checksum);
    let checksum = Some(Checksum([1, 2, 3, 4, 5, 6, 7, 8]));
    check(
        r#"{"type":2,"payload":"YWJj","position":0}"#,
        segment(b"abc"),
    );
    check(r#"{"type":2,"payload":"","position":0}"#, segment(b""));
    check(r#"{"type":2,"payload":null,"position":0}"#, segment(b""));
    check(
        r#" {"position":0, "payload":"YWI=", "type":2, "new":[{}]} "#,
        segment(b"ab"),
    );
    check(r#"{"type":2,"payload":"YW\u004aj"}"#, segment(b"abc"));
    check(
        r#"{"type":1,"name":"a\u003cb","size":3,"payload":"AQIDBAUGBwg=","position":1}"#,
        file(b"a<b", 3, checksum),
    );
    check(
        r#"{"type":1,"name":"d/","payload":null,"position":1}"#,
        file(b"d/", 0, None),
    );
    check(
        r#"{"type":1,"name_raw":"Yf8=","payload":null}"#,
        file(b"a\xff", 0, None),
    );
    check(
        r#"{"type":1,"name":"n","name_raw":"Yf8="}"#,
        file(b"a\xff", 0, None),
    );
    check(r#"{"type":1}"#, file(b"", 0, None));
    assert_eq!(read(b"\n \r\n").unwrap(), []);
    let two = "{\"type\":1,\"name\":\"a\"}\r\n\n{\"type\":1,\"name\":\"b\"}";
    assert_eq!(
        read(two.as_bytes()).unwrap(),
        [file(b"a", 0, None), file(b"b", 0, None)]
    );
}

#[test]
fn malformed_lines() {
    let error = |line: &str| read(format!("\n{line}\n").as_bytes()).unwrap_err();
    for line in [
        "x",
        "{",
        "[]",
        r#"{"type":"2"}"#,
        "{}",
        r#"{"type":2,"payload":"YWJj","position":0"#,
    ] {
        assert!(
            matches!(error(line), SkeletonError::Json { line: 2, .. }),
            "{line}"
        );
    }
    let line = r#"{"type":2,"payload":"!!!!","position":0}"#;
    assert!(matches!(error(line), SkeletonError::Base64 { line: 2, .. }));
    let line = r#"{"type":1,"name_raw":"x"}"#;
    assert!(matches!(error(line), SkeletonError::Base64 { line: 2, .. }));
    let line = r#"{"type":3}"#;
    assert!(matches!(
        error(line),
        SkeletonError::Type { line: 2, kind: 3 }
    ));
    let line = r#"{"type":1,"name":"a","size":1,"payload":"AQID"}"#;
    assert!(matches!(
        error(line),
        SkeletonError::ChecksumLength { line: 2, length: 3 }
    ));
}

#[test]
fn long_lines_are_refused() {
    let line = format!(
        r#"{{"type":2,"payload":"{}","position":0}}"#,
        "A".repeat(4000)
    );
    let at_limit = Skeleton::from_lines(line.as_bytes()).with_line_limit(line.len());
    let mut at_limit = at_limit;
    assert!(at_limit.next_entry().unwrap().is_some());
    let mut beyond = Skeleton::from_lines(line.as_bytes()).with_line_limit(line.len() - 1);
    let error = beyond.next_entry().map(|_| ()).unwrap_err();
    assert!(
        matches!(error, SkeletonError::LineTooLong { line: 1, limit } if limit == line.len() - 1)
    );
}

#[test]
fn cut_gzip_streams_are_errors() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(b"{\"type\":2,\"payload\":\"YWJj\",\"position\":0}\n")
        .unwrap();
    let gzip = encoder.finish().unwrap();
    let read = |gzip: &[u8]| {
        let mut skeleton = Skeleton::from_gzip(gzip);
        while skeleton.next_entry()?.is_some() {}
        Ok::<_, SkeletonError>(skeleton.line_number())
    };
    assert_eq!(read(&gzip).unwrap(), 2);
    // pgzip and others may write several members.
    assert_eq!(read(&[gzip.clone(), gzip.clone()].concat()).unwrap(), 3);
    for length in 1..gzip.len() {
        assert!(
            matches!(read(&gzip[..length]), Err(SkeletonError::Input(_))),
            "{length}"
        );
    }
}
