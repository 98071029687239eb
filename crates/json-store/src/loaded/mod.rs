//! The records of all files of a store as they were loaded.

mod keys;
mod search;
mod damage;
mod records;
mod claimed_id;
mod index;
mod table;

pub(crate) use self::index::Entry;
pub(crate) use self::records::{LoadedFile, LoadedRecords};
