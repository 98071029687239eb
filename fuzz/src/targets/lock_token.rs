//! The token in a lock file:
//!
//! - Any content is accepted; the token is its first 64 bytes.
//! - Two contents have equal tokens exactly if their first 64 bytes are equal.
//! - The token read through a lock file is the same as that of the bytes.
//! - Recording a write gives 64 bytes that differ from the previous ones, and keeps everything
//!   after them.

use std::cell::RefCell;

use layerhold_lockfile::{LockFile, Token};
use layerhold_testkit::{TempDir, scratch};

thread_local! {
    static PLACE: RefCell<TempDir> = RefCell::new(scratch());
}

/// Checks one input.
pub fn run(data: &[u8]) {
    let token = Token::from_file(data);
    let head = &data[..data.len().min(64)];
    assert_eq!(token.as_bytes(), head);
    assert_eq!(token.is_empty(), data.is_empty());
    let (left, right) = data.split_at(data.len() / 2);
    let equal = left[..left.len().min(64)] == right[..right.len().min(64)];
    assert_eq!(Token::from_file(left) == Token::from_file(right), equal);
    PLACE.with_borrow(|place| through_a_file(place, data, &token));
}

fn through_a_file(place: &TempDir, data: &[u8], token: &Token) {
    let path = place.path().join("x.lock");
    std::fs::write(&path, data).unwrap();
    let file = LockFile::new(&path).unwrap();
    let guard = file.write().unwrap();
    assert_eq!(&guard.token().unwrap(), token);
    let recorded = guard.record_write().unwrap();
    assert_ne!(&recorded, token);
    assert_eq!(guard.token().unwrap(), recorded);
    drop(guard);
    let content = std::fs::read(&path).unwrap();
    assert_eq!(&content[..64], recorded.as_bytes());
    assert_eq!(content.get(64..), data.get(64..).or(Some(&[])));
}
