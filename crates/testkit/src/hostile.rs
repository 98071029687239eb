//! Hostile archives: they try to escape their directory, or to break the reader.
//!
//! Every case has the name of its trick. A test unpacks it into a directory beside a [`sentinel`]
//! and then checks that the sentinel is unchanged. Whether the archive must be refused or unpack
//! harmlessly is up to the test.

use std::path::Path;

use crate::{TarBuilder, TarEntry, TarKind};

/// One hostile archive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostileTar {
    /// A short name, for messages.
    pub name: &'static str,
    /// The archive.
    pub bytes: Vec<u8>,
}

/// Creates the directory that must not change: `base/outside` with a file, a subdirectory and fixed
/// modes.
///
/// The archives of [`escapes`] refer to it as `../outside` from `base/root`, and by its absolute
/// path.
///
/// # Panics
/// If it cannot be created.
pub fn sentinel(base: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let outside = base.join("outside");
    let directory = outside.join("sub");
    std::fs::create_dir_all(&directory).expect("the sentinel can be made");
    std::fs::write(outside.join("secret"), b"untouched").expect("the sentinel can be made");
    std::fs::write(directory.join("inner"), b"untouched").expect("the sentinel can be made");
    for path in [&outside, &directory] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
            .expect("the sentinel can be made");
    }
}

/// Archives that try to write, link, chmod or delete below `base/outside` while they are unpacked
/// in `base/root`.
///
/// # Panics
/// When `base` is not UTF-8.
#[must_use]
pub fn escapes(base: &Path) -> Vec<HostileTar> {
    let absolute = base.join("outside");
    let absolute = absolute.to_str().expect("the scratch directory is UTF-8");
    let mut cases = Vec::new();
    let mut case = |name, archive: TarBuilder| {
        cases.push(HostileTar {
            name,
            bytes: archive.finish(),
        })
    };
    by_name(absolute, &mut case);
    through_links(absolute, &mut case);
    by_hard_links(absolute, &mut case);
    by_whiteouts(&mut case);
    by_attributes(&mut case);
    cases
}

type Case<'a> = dyn FnMut(&'static str, TarBuilder) + 'a;

fn by_name(absolute: &str, case: &mut Case<'_>) {
    let one = |name: &str| TarBuilder::new().file(name, 0o644, "bad");
    case("dot-dot name", one("../outside/secret"));
    case("dot-dot in the middle", one("a/../../outside/secret"));
    case("dot-dot after dot", one("./.././outside/secret"));
    case("absolute name", one(&format!("{absolute}/secret")));
    case("doubled slashes", one(&format!("//{absolute}//secret")));
    case(
        "name that is only dot-dot",
        TarBuilder::new().entry(TarEntry::dir("..").mode(0o777)),
    );
    case(
        "directory by dot-dot",
        TarBuilder::new().dir("../outside/new", 0o777),
    );
    let long = format!("{}../outside/secret", "x/../".repeat(60));
    case("long name through an extended header", one(&long));
    let pax = TarEntry::file("harmless", "bad").pax("path", "../outside/secret");
    case("extended header renames", TarBuilder::new().entry(pax));
    case("name with a NUL in an extended header", {
        TarBuilder::new()
            .entry(TarEntry::file("harmless", "bad").pax("path", b"../outside/secret\0x"))
    });
    case(
        "device by dot-dot",
        TarBuilder::new().entry(TarEntry::char_device("../outside/null", 1, 3)),
    );
    case(
        "pipe by dot-dot",
        TarBuilder::new().entry(TarEntry::fifo("../outside/pipe")),
    );
    case(
        "symlink by dot-dot",
        TarBuilder::new().symlink("../outside/link", "/"),
    );
}

fn through_links(absolute: &str, case: &mut Case<'_>) {
    for (name, target) in [
        ("relative", "../outside"),
        ("absolute", absolute),
        ("climbing", "../../../../../../../../.."),
    ] {
        let tail = if name == "climbing" {
            absolute.trim_start_matches('/')
        } else {
            ""
        };
        let below = |rest: &str| format!("link/{tail}/{rest}");
        let link = || TarBuilder::new().symlink("link", target);
        case(
            "file through a symlink",
            link().file(below("secret"), 0o644, "bad"),
        );
        case(
            "new file through a symlink",
            link().file(below("new"), 0o644, "bad"),
        );
        case(
            "directory through a symlink",
            link().dir(below("newdir"), 0o777),
        );
        case(
            "pipe through a symlink",
            link().entry(TarEntry::fifo(below("pipe"))),
        );
        case(
            "symlink through a symlink",
            link().symlink(below("link2"), "/etc"),
        );
        case(
            "hard link through a symlink",
            link().file("f", 0o644, "x").hard_link(below("hard"), "f"),
        );
        case(
            "directory over a symlink",
            link().dir("link", 0o777).file("link/new", 0o644, "bad"),
        );
        case(
            "whiteout through a symlink",
            link().file(below(".wh.secret"), 0o644, ""),
        );
        case(
            "opaque marker through a symlink",
            link().file(below(".wh..wh..opq"), 0o644, ""),
        );
        case(
            "deep whiteout through a symlink",
            link().file(below("sub/.wh.inner"), 0o644, ""),
        );
    }
    case("chain of symlinks", {
        TarBuilder::new()
            .dir("a", 0o755)
            .symlink("a/up", "..")
            .symlink("b", "a/up/../outside")
            .file("b/secret", 0o644, "bad")
    });
    case("file over a symlink to a file", {
        TarBuilder::new()
            .symlink("f", "../outside/secret")
            .file("f", 0o666, "bad")
    });
    case("symlink replaced between entries", {
        TarBuilder::new()
            .dir("d", 0o755)
            .file("d/one", 0o644, "x")
            .symlink("d", "../outside")
            .file("d/secret", 0o644, "bad")
    });
    case("symlink that names its own parent", {
        TarBuilder::new()
            .symlink("root", "../root")
            .file("root/../outside/secret", 0o644, "bad")
    });
    case("through the process's own root", {
        TarBuilder::new().symlink("p", "/proc/self/root").file(
            format!("p{absolute}/secret"),
            0o644,
            "bad",
        )
    });
    case("through the process's own directory", {
        TarBuilder::new()
            .symlink("p", "/proc/self/cwd")
            .file("p/../outside/secret", 0o644, "bad")
    });
}

fn by_hard_links(absolute: &str, case: &mut Case<'_>) {
    for (name, target) in [
        ("hard link by dot-dot", "../outside/secret".to_owned()),
        ("hard link by absolute name", format!("{absolute}/secret")),
        (
            "hard link by dot-dot in the middle",
            "a/../../outside/secret".to_owned(),
        ),
    ] {
        case(
            name,
            TarBuilder::new()
                .hard_link("h", target)
                .file("h", 0o666, "bad"),
        );
    }
    case("hard link to a file behind a symlink", {
        TarBuilder::new()
            .symlink("l", "../outside")
            .hard_link("h", "l/secret")
            .file("h", 0o666, "bad")
    });
    case("hard link to a symlink, then written", {
        TarBuilder::new()
            .symlink("l", "../outside/secret")
            .hard_link("h", "l")
            .file("h", 0o666, "bad")
    });
    case("hard link to a symlink, then chmod by a link entry", {
        TarBuilder::new()
            .symlink("l", "../outside/secret")
            .entry(TarEntry::hard_link("h", "l").mode(0o777).owner(1234, 1234))
    });
    case(
        "hard link to a directory",
        TarBuilder::new()
            .hard_link("h", "../outside")
            .file("h/new", 0o644, "bad"),
    );
}

fn by_whiteouts(case: &mut Case<'_>) {
    let marker = |name: &str| TarBuilder::new().file(name, 0o644, "");
    case("whiteout of dot-dot", marker(".wh..."));
    case("whiteout of dot", marker(".wh.."));
    case("whiteout of nothing", marker(".wh."));
    case(
        "whiteout with dot-dot in its path",
        marker("../outside/.wh.secret"),
    );
    case(
        "whiteout with dot-dot in the middle",
        marker("a/../../outside/.wh.secret"),
    );
    case(
        "opaque marker by dot-dot",
        marker("../outside/.wh..wh..opq"),
    );
    case("whiteout in a directory of links", {
        TarBuilder::new()
            .dir("d", 0o755)
            .symlink("d/s", "../../outside")
            .file("d/s/.wh.sub", 0o644, "")
    });
    case("whiteout of a symlink to outside", {
        TarBuilder::new()
            .symlink("s", "../outside")
            .file(".wh.s", 0o644, "")
    });
    case("hard links staged in the plain directory", {
        TarBuilder::new()
            .dir(".wh..wh.plnk", 0o755)
            .symlink(".wh..wh.plnk/1.1", "../../outside/secret")
            .hard_link("f", ".wh..wh.plnk/1.1")
    });
}

fn by_attributes(case: &mut Case<'_>) {
    case("chmod through a symlink", {
        // A symlink entry, then a directory entry of the same name: an unpacker that sets the mode
        // by path changes the target of the link (as in RUSTSEC-2026-0067).
        TarBuilder::new()
            .symlink("l", "../outside")
            .entry(TarEntry::dir("l").mode(0o777).owner(1234, 1234))
    });
    case("chmod of a symlink entry", {
        TarBuilder::new().entry(TarEntry::symlink("l", "../outside/secret").mode(0o777))
    });
    case("owner of a symlink entry", {
        TarBuilder::new().entry(TarEntry::symlink("l", "../outside/secret").owner(1234, 1234))
    });
    case("xattr of a symlink entry", {
        TarBuilder::new().entry(TarEntry::symlink("l", "../outside/secret").xattr("user.bad", "1"))
    });
    case("times of a symlink entry", {
        TarBuilder::new().entry(TarEntry::symlink("l", "../outside/secret").mtime(1))
    });
    case(
        "mode of the root by dot",
        TarBuilder::new().entry(TarEntry::dir("./..").mode(0o777)),
    );
}

/// Malformed archives: each must be refused or read without a panic, in bounded memory and time.
#[must_use]
pub fn malformed() -> Vec<HostileTar> {
    let mut cases = Vec::new();
    let mut case = |name, bytes: Vec<u8>| cases.push(HostileTar { name, bytes });
    let file = || TarEntry::file("f", "content");
    case(
        "wrong checksum",
        TarBuilder::new().entry(file().bad_checksum()).finish(),
    );
    case(
        "content shorter than claimed",
        TarBuilder::new().entry(file().claim_size(1 << 20)).finish(),
    );
    case(
        "size of nearly 2^63",
        TarBuilder::new()
            .entry(file().claim_size(i64::MAX as u64))
            .finish(),
    );
    case(
        "size past 2^63",
        TarBuilder::new()
            .entry(file().claim_size(u64::MAX))
            .finish(),
    );
    case("extended size of nearly 2^63", {
        TarBuilder::new()
            .entry(file().pax("size", "9223372036854775807"))
            .finish()
    });
    case(
        "negative extended size",
        TarBuilder::new().entry(file().pax("size", "-1")).finish(),
    );
    case(
        "extended size that is no number",
        TarBuilder::new().entry(file().pax("size", "x")).finish(),
    );
    case("extended header of 1 GiB", {
        let huge = TarEntry::new(TarKind::Other(b'x'), "pax").claim_size(1 << 30);
        TarBuilder::new().entry(huge).finish()
    });
    case("long name of 1 GiB", {
        let huge = TarEntry::new(TarKind::Other(b'L'), "././@LongLink").claim_size(1 << 30);
        TarBuilder::new().entry(huge).finish()
    });
    for (name, record) in [
        ("extended record without length", &b"path=x\n"[..]),
        ("extended record of length 0", b"0 path=x\n"),
        ("extended record longer than its header", b"999 path=x\n"),
        (
            "extended record with a huge length",
            b"99999999999999999999 path=x\n",
        ),
        ("extended record without value", b"7 path\n"),
        ("extended record without line end", b"10 path=xy"),
        ("extended record with an empty key", b"6 =xy\n"),
    ] {
        let header = TarEntry::new(TarKind::Other(b'x'), "pax").content(record);
        case(name, TarBuilder::new().entry(header).entry(file()).finish());
    }
    case("extended header before an extended header", {
        // Applying the first header to the second, as one reader did, moves the reading position
        // (GHSA-3cv2-h65g-fgmm).
        let first = TarEntry::new(TarKind::Other(b'x'), "pax").content(b"11 size=64\n");
        let second = TarEntry::new(TarKind::Other(b'x'), "pax").content(b"13 path=real\n");
        TarBuilder::new()
            .entry(first)
            .entry(second)
            .entry(file())
            .finish()
    });
    case(
        "xattr of 1 MiB",
        TarBuilder::new()
            .entry(file().xattr("user.big", vec![b'x'; 1 << 20]))
            .finish(),
    );
    case(
        "xattr without name",
        TarBuilder::new().entry(file().xattr("", "v")).finish(),
    );
    case(
        "time that is no number",
        TarBuilder::new()
            .entry(file().pax("mtime", "1.2.3"))
            .finish(),
    );
    case(
        "time past every calendar",
        TarBuilder::new()
            .entry(file().pax("mtime", "99999999999999999999"))
            .finish(),
    );
    case(
        "hard link to nothing",
        TarBuilder::new().hard_link("h", "missing").finish(),
    );
    case(
        "hard link to itself",
        TarBuilder::new().hard_link("h", "h").finish(),
    );
    case(
        "symlink without target",
        TarBuilder::new().symlink("s", "").finish(),
    );
    case(
        "empty name",
        TarBuilder::new().entry(TarEntry::file("", "x")).finish(),
    );
    case(
        "component too long for any filesystem",
        TarBuilder::new().file("n".repeat(300), 0o644, "").finish(),
    );
    case(
        "path longer than the kernel takes",
        TarBuilder::new()
            .file("d/".repeat(3000) + "f", 0o644, "")
            .finish(),
    );
    case("file where a directory is needed", {
        TarBuilder::new()
            .file("a", 0o644, "x")
            .file("a/b", 0o644, "y")
            .finish()
    });
    case(
        "file over a directory",
        TarBuilder::new()
            .dir("a", 0o755)
            .file("a", 0o644, "x")
            .finish(),
    );
    case(
        "unknown type",
        TarBuilder::new()
            .entry(TarEntry::new(TarKind::Other(b'Z'), "z"))
            .finish(),
    );
    case(
        "cut in a header",
        TarBuilder::new().file("f", 0o644, "x").finish()[..300].to_vec(),
    );
    case(
        "cut in the content",
        TarBuilder::new().file("f", 0o644, vec![1; 4096]).finish()[..1500].to_vec(),
    );
    case(
        "cut in the padding",
        TarBuilder::new().file("f", 0o644, "x").finish()[..600].to_vec(),
    );
    case(
        "no end",
        TarBuilder::new().file("f", 0o644, "x").finish_without_end(),
    );
    case("one end block, then noise", {
        TarBuilder::new()
            .raw([0; 512])
            .raw([0xff; 512])
            .finish_without_end()
    });
    case(
        "noise",
        (0_u32..4096)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect(),
    );
    case("nothing", Vec::new());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tree, scratch};

    #[test]
    fn names_tell_malformed_archives_apart() {
        let cases = malformed();
        let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn a_careless_reader_would_be_caught() {
        // A naive unpacker, which joins paths, must fail the suite.
        let place = scratch();
        let root = place.path().join("root");
        std::fs::create_dir(&root).unwrap();
        sentinel(place.path());
        let before = Tree::of(&place.path().join("outside"));
        let case = &escapes(place.path())[0];
        let mut archive = tar::Archive::new(case.bytes.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = root.join(entry.path().unwrap());
            std::io::copy(&mut entry, &mut std::fs::File::create(path).unwrap()).unwrap();
        }
        assert_ne!(Tree::of(&place.path().join("outside")), before);
    }
}
