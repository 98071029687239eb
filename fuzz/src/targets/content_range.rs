//! `Content-Range` of answers, and `Range` of uploads:
//!
//! - No value makes a parser panic.
//! - The bounds of a part are in order, and within the total.
//! - What was parsed is parsed to the same when it is written again.

use layerhold_registry::parse::{parse_content_range, parse_upload_range};

/// Checks one input: the value of a header.
pub fn run(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    if let Some(range) = parse_content_range(&value) {
        assert!(range.first <= range.last, "{range:?}");
        assert!(
            range.total.is_none_or(|total| range.last < total),
            "{range:?}"
        );
        assert!(range.length().is_none_or(|length| length > 0), "{range:?}");
        let total = range
            .total
            .map_or("*".to_owned(), |total| total.to_string());
        let written = format!("bytes {}-{}/{total}", range.first, range.last);
        assert_eq!(parse_content_range(&written), Some(range));
    }
    if let Some(size) = parse_upload_range(&value) {
        let written = format!("0-{}", size.saturating_sub(1));
        assert_eq!(parse_upload_range(&written), Some(size));
    }
}
