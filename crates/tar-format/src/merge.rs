use crate::number::parse_decimal;
use crate::{Header, ParseError, TarTime};

/// Applies PAX records to the fields that they override. An empty value overrides nothing (Go:
/// archive/tar/reader.go, `mergePAX`).
pub(crate) fn apply_records(header: &mut Header, offset: u64) -> Result<(), ParseError> {
    let records = std::mem::take(&mut header.records);
    for (key, value) in records.iter().filter(|(_, value)| !value.is_empty()) {
        apply(header, key, value).map_err(|key| ParseError::PaxValue { offset, key })?;
    }
    header.records = records;
    Ok(())
}

/// Applies one record; the error is the key of a malformed value.
fn apply(header: &mut Header, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
    let text = |target: &mut Vec<u8>| {
        target.clear();
        target.extend_from_slice(value);
    };
    let number = |key| parse_decimal(value).ok_or(key);
    let time = |key| TarTime::from_pax(value).ok_or(key);
    match key {
        b"path" => text(&mut header.name),
        b"linkpath" => text(&mut header.link_name),
        b"uname" => text(&mut header.user_name),
        b"gname" => text(&mut header.group_name),
        b"uid" => header.uid = number("uid")?,
        b"gid" => header.gid = number("gid")?,
        b"size" => header.size = number("size")?,
        b"mtime" => header.mtime = time("mtime")?,
        b"atime" => header.atime = Some(time("atime")?),
        b"ctime" => header.ctime = Some(time("ctime")?),
        _ => {}
    }
    Ok(())
}
