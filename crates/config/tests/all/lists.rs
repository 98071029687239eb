//! Lists over several files.

use crate::memory::Memory;

#[track_caller]
fn check(lists: &[&str], expected: &[&str]) {
    let mut files = Memory::default();
    for (at, list) in lists.iter().enumerate() {
        let path = format!("/etc/containers/storage.conf.d/{at}.conf");
        files = files.file(&path, &format!("[storage]\ndriver_priority = {list}\n"));
    }
    assert_eq!(files.load().unwrap().driver_priority, expected, "{lists:?}");
}

#[test]
fn later_lists_replace_earlier_ones() {
    check(&["['a']", "['b', 'c']"], &["b", "c"]);
    check(&["['a']", "[]"], &[]);
    check(&["['a']", "['b', {append = false}]"], &["b"]);
}

#[test]
fn lists_add_when_they_say_so() {
    check(&["['a']", "['b', {append = true}]"], &["a", "b"]);
    check(&["['a']", "[{append = true}, 'b', 'c']"], &["a", "b", "c"]);
    check(&["[{append = true}]"], &[]);
    check(
        &["['a']", "['b', {append = true}, {append = false}]"],
        &["b"],
    );
}

#[test]
fn the_next_file_decides_for_itself() {
    // Go keeps extending, whatever later files ask for.
    check(&["['a', {append = true}]", "['b']"], &["b"]);
    check(
        &["['a', {append = true}]", "['b']", "['c', {append = true}]"],
        &["b", "c"],
    );
}
