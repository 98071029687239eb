//! The invariants of every record file.

use layerhold_schema::{JsonRecord, read_array, write_array};

/// Reads a file of records and checks:
///
/// - Reading never panics, whatever the bytes.
/// - Reading, writing and reading again gives the same.
/// - The output is JSON, and writing it again gives the same bytes.
/// - A single record reads as it does in the array.
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
