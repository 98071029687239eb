//! `dedup`.

use layerhold::DedupOptions;
use serde_json::json;

use super::call::Call;
use super::flags::{Flag, text};
use super::output::{json, line};
use crate::failure::Failure;

pub(crate) const HASH_METHOD: Flag = text(
    "hash-method",
    &[],
    "Specify the hash function to use to detect identical files",
)
.or("crc");

/// Shares blocks of equal files. Where that is not possible nothing is shared, without an error.
pub(crate) fn run(call: &mut Call<'_, '_>) -> Result<u8, Failure> {
    let method = call.flags.text_of(&HASH_METHOD);
    let method = method.parse().map_err(Failure::value)?;
    let report = call.store.dedup(&DedupOptions::new(method))?;
    if call.flags.is_on("json") {
        return json(call, &json!({ "Deduped": report.deduped }));
    }
    line(call, format_args!("Deduplicated {} bytes", report.deduped))?;
    Ok(0)
}
