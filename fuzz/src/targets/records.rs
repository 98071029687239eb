//! What holds for every record file.

use layerhold_schema::{JsonRecord, read_array, write_array};

/// Reads a file of records and checks:
///
/// - Reading never panics, whatever the bytes.
/// - What was read, written and read again is the same.
/// - What is written is JSON, and writing it again gives the same bytes.
/// - A record by itself is read as it is in the array.
pub(super) fn check<R: JsonRecord + PartialEq + std::fmt::Debug>(data: &[u8]) -> Vec<R> {
    let Ok(records) = read_array::<R>(data) else {
        return Vec::new();
    };
    let written = write_array(&records);
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&written) {
        panic!(
            "written what is no JSON ({error}): {}",
            String::from_utf8_lossy(&written)
        );
    }
    let again: Vec<R> = read_array(&written).expect("what was written can be read");
    assert_eq!(again, records);
    assert_eq!(write_array(&again), written);
    for record in &records {
        let alone = R::from_json(&record.to_json()).expect("a written record can be read");
        assert_eq!(&alone, record);
    }
    records
}
