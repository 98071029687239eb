//! The store that is damaged, its copies, and the tools that run on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::damage::Damage;
use crate::Result;
use crate::shell::capture;

/// The layer of the image.
pub(super) const TOP: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
/// A layer that a test of writing creates.
pub(super) const NEW: &str = "9999999999999999999999999999999999999999999999999999999999999999";
/// The container on the image.
pub(super) const CONTAINER: &str =
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
const IDS: [(&str, &str); 6] = [
    (
        "BASE",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ),
    ("TOP", TOP),
    (
        "EXTRA",
        "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    ),
    (
        "IMAGE",
        "1111111111111111111111111111111111111111111111111111111111111111",
    ),
    ("CONTAINER", CONTAINER),
    (
        "ORPHAN",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
];
/// Makes the store with Go's tool, in `$0`.
const MAKE: &str = "set -e; cd \"$0\"; mkdir -p 1/dir 2/dir; echo base > 1/dir/file; echo new > 2/dir/new
    echo '{}' > manifest; tar -C 1 -cf 1.tar .; tar -C 2 -cf 2.tar .
    cs() { containers-storage -g $0/whole/root -R $0/whole/runroot -s $D \"$@\"; }
    cs import-layer -i $BASE -f 1.tar; cs import-layer -i $TOP -f 2.tar $BASE; cs create-layer -i $EXTRA
    cs create-image -i $IMAGE -n image $TOP; cs set-image-data -f manifest $IMAGE manifest
    cs create-container -i $CONTAINER -n box $IMAGE";
const HELPERS: &str = r#"set -e
    incomplete() { sed -i "s/{\"id\":\"$EXTRA\",/&\"flags\":{\"incomplete\":true},/" $G/$D-layers/layers.json; }
    "#;
/// The length to which messages are cut.
const SHOWN: usize = 100;

/// A tool that works on a store.
#[derive(Clone, Copy)]
pub(super) enum Tool<'a> {
    Go,
    Ours(&'a Path),
}

/// The store that is copied.
pub(super) struct SourceStore {
    dir: PathBuf,
    driver: String,
    /// The container's layer.
    upper: String,
}

/// A damaged copy.
pub(super) struct DamagedStore<'a> {
    place: &'a SourceStore,
    tool: Tool<'a>,
}

impl SourceStore {
    pub(super) fn new(driver: &str) -> Result<Self> {
        let name = format!("layerhold-faults-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut place = SourceStore {
            dir,
            driver: driver.to_owned(),
            upper: String::new(),
        };
        capture(place.shell(MAKE).arg(&place.dir))?;
        let mut show = Command::new("containers-storage");
        show.args(place.roots("whole"));
        let text = capture(show.args(["container", "-j", CONTAINER]))?;
        let records: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let layer = records.pointer("/0/layer").and_then(|layer| layer.as_str());
        place.upper = layer.unwrap_or_default().to_owned();
        place.unmount();
        Ok(place)
    }

    fn roots(&self, name: &str) -> Vec<String> {
        let place = self.dir.join(name).display().to_string();
        let (root, runroot) = (format!("{place}/root"), format!("{place}/runroot"));
        ["-g", &root, "-R", &runroot, "-s", &self.driver]
            .map(str::to_owned)
            .to_vec()
    }

    fn home(&self) -> PathBuf {
        let home = match self.driver.as_str() {
            "vfs" => "copy/root/vfs/dir",
            _ => "copy/root/overlay",
        };
        self.dir.join(home)
    }

    fn shell(&self, script: &str) -> Command {
        let copy = self.dir.join("copy");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(script)
            .envs(IDS)
            .env("D", &self.driver);
        command
            .env("UPPER", &self.upper)
            .env("G", copy.join("root"));
        command.env("R", copy.join("runroot")).env("H", self.home());
        // The path of a layer's files in its directory.
        command.env("DIFF", if self.driver == "vfs" { "." } else { "diff" });
        command
    }

    /// Makes a damaged copy in place of the previous one.
    pub(super) fn copy<'a>(&'a self, damage: &Damage, tool: Tool<'a>) -> Result<DamagedStore<'a>> {
        self.clear()?;
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(self.dir.join("whole"));
        capture(copy.arg(self.dir.join("copy")))?;
        capture(&mut self.shell(&format!("{HELPERS}{}", damage.script)))?;
        Ok(DamagedStore { place: self, tool })
    }

    fn clear(&self) -> Result {
        self.unmount();
        let copy = self.dir.join("copy");
        if copy.exists() {
            // Immutable files cannot be removed; for others this has no effect.
            let mut chattr = Command::new("chattr");
            drop(chattr.args(["-R", "-f", "-i"]).arg(&copy).output());
            fs::remove_dir_all(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        }
        Ok(())
    }

    fn unmount(&self) {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        let mut below: Vec<&Path> = points
            .map(Path::new)
            .filter(|path| path.starts_with(&self.dir))
            .collect();
        below.sort();
        for path in below.iter().rev() {
            drop(Command::new("umount").arg("-l").arg(path).output());
        }
    }
}

impl Drop for SourceStore {
    fn drop(&mut self) {
        drop(self.clear());
        drop(fs::remove_dir_all(&self.dir));
    }
}

impl DamagedStore<'_> {
    fn run(&self, words: &[&str]) -> Option<Output> {
        let program = match self.tool {
            Tool::Go => Path::new("containers-storage"),
            Tool::Ours(path) => path,
        };
        let mut command = Command::new("timeout");
        command.arg("60").arg(program);
        command.args(self.place.roots("copy")).args(words);
        command.output().ok()
    }

    /// Whether a command succeeds, or how it fails.
    pub(super) fn does(&self, words: &[&str]) -> String {
        let told = self.says(words);
        match told.split_once(": ") {
            Some(("ok", _)) => "ok".to_owned(),
            _ => told,
        }
    }

    /// The output of a command, with its exit code.
    pub(super) fn says(&self, words: &[&str]) -> String {
        let Some(output) = self.run(words) else {
            return "cannot be run".to_owned();
        };
        let outcome = match output.status.code() {
            Some(0) => "ok".to_owned(),
            Some(code) => format!("exit {code}"),
            None => "killed".to_owned(),
        };
        let text = [output.stdout, output.stderr];
        let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let lines = text.iter().flat_map(|text| text.lines()).map(str::trim);
        // The logger's lines repeat the message.
        let told: Vec<&str> = lines
            .filter(|line| !line.starts_with("time=") && !line.is_empty())
            .collect();
        match self.short(&told.join("; ")) {
            told if told.is_empty() => outcome,
            told => format!("{outcome}: {told}"),
        }
    }

    /// Cuts a text, and removes what differs between runs.
    fn short(&self, text: &str) -> String {
        let copy = self.place.dir.join("copy").display().to_string();
        let mut text = text.replace(&format!("{copy}/runroot"), "R");
        text = text.replace(&format!("{copy}/root"), "G");
        for (name, id) in IDS
            .into_iter()
            .chain([("UPPER", self.place.upper.as_str())])
        {
            text = text.replace(id, name);
        }
        let cut: String = text.chars().take(SHOWN).collect();
        let cut = if cut.len() < text.len() {
            format!("{cut}…")
        } else {
            cut
        };
        cut.replace('|', "/").replace('<', "&lt;")
    }

    /// The number of listed items, or how the listing fails.
    pub(super) fn count(&self, kind: &str) -> String {
        let output = self.run(&[kind, "-j"]);
        let listed = output.filter(|output| output.status.success());
        let listed = listed.and_then(|output| {
            serde_json::from_slice::<Option<Vec<serde_json::Value>>>(&output.stdout).ok()
        });
        match listed {
            Some(list) => format!("{kind} {}", list.unwrap_or_default().len()),
            None => format!("{kind} {}", self.says(&[kind])),
        }
    }

    /// All listings.
    pub(super) fn counts(&self) -> String {
        ["layers", "images", "containers"]
            .map(|kind| self.count(kind))
            .join(", ")
    }

    /// The number of layers on the disk.
    pub(super) fn trees(&self) -> usize {
        let entries = fs::read_dir(self.place.home()).into_iter();
        let names = entries.flatten().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.len() == 64).count()
    }
}
