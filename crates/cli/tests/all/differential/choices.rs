//! The commands that [`Generator`] chooses from.

use super::command::Command;
use super::generate::Generator;
use super::known::Known;

/// Digests of what [`Generator::data`] gives to manifests.
const MANIFESTS: [&str; 3] = [
    "sha256:69b0aa4a0368b27ddbaa6dcd0bdc4e56998b7ce635b1fe2f9a562d9fe1da52e9",
    "sha256:cdf128da9fd335bcf4dd53a351bd86996ab704fd21de0b386bb8983fcd2d39b1",
    "sha256:881389252df59b19b3625539a3589724a4b5bea4f3523dcc2901be5bdfaba570",
];

impl Generator {
    fn layer_flags(&mut self, known: &Known) -> Vec<String> {
        let mut flags = Vec::new();
        self.new_id(known, &mut flags);
        self.new_names(&mut flags, 25);
        self.json(&mut flags);
        if self.random.chance(15) {
            flags.push("-r".to_owned());
        }
        if self.random.chance(2) {
            flags.extend(["--label".to_owned(), "lbl".to_owned()]);
        }
        self.maps(&mut flags, 6);
        flags
    }

    fn parent(&mut self, known: &Known) -> Vec<String> {
        if self.random.chance(65) {
            vec![self.key(&known.layers)]
        } else {
            Vec::new()
        }
    }

    pub(super) fn create_layer(&mut self, known: &Known) -> Command {
        let flags = self.layer_flags(known);
        let parent = self.parent(known);
        self.command("create-layer", flags, parent)
    }

    pub(super) fn import_layer(&mut self, known: &Known) -> Command {
        let flags = self.layer_flags(known);
        let parent = self.parent(known);
        let mut command = self.command("import-layer", flags, parent);
        let archive = self.archive();
        self.content(&mut command, archive);
        command
    }

    pub(super) fn create_image(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.new_id(known, &mut flags);
        self.new_names(&mut flags, 35);
        self.json(&mut flags);
        self.new_metadata(&mut flags);
        if self.random.chance(10) {
            let digest = *self
                .random
                .pick(&[MANIFESTS[0], MANIFESTS[1], "sha256:00", "bad"]);
            flags.extend(["-d".to_owned(), digest.to_owned()]);
        }
        let top = if self.random.chance(85) {
            vec![self.key(&known.layers)]
        } else {
            Vec::new()
        };
        self.command("create-image", flags, top)
    }

    pub(super) fn create_container(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.new_id(known, &mut flags);
        self.new_names(&mut flags, 30);
        self.json(&mut flags);
        self.new_metadata(&mut flags);
        self.maps(&mut flags, 12);
        // Not `--volatile`: 1.43 does not read the file where newer ones record those.
        let image = self.key(&known.images);
        self.command("create-container", flags, vec![image])
    }

    fn new_metadata(&mut self, flags: &mut Vec<String>) {
        if self.random.chance(20) {
            let text = *self
                .random
                .pick(&["meta", "{\"a\": [1, 2]}", "", "<ü>&\u{2028}\n"]);
            flags.extend(["-m".to_owned(), text.to_owned()]);
        }
    }

    pub(super) fn apply(&mut self, known: &Known) -> Command {
        let key = self.key(&known.layers);
        let mut command = self.command("applydiff", Vec::new(), vec![key]);
        let archive = self.archive();
        self.content(&mut command, archive);
        command
    }

    pub(super) fn show(&mut self, known: &Known) -> Command {
        let (kind, items) = self.kind(known);
        let mut flags = Vec::new();
        self.json(&mut flags);
        let mut keys = vec![self.key(items)];
        while self.random.chance(30) {
            keys.push(self.key(items));
        }
        self.command(kind, flags, keys)
    }

    pub(super) fn list(&mut self, _: &Known) -> Command {
        let name = *self.random.pick(&["layers", "images", "containers"]);
        let mut flags = Vec::new();
        self.json(&mut flags);
        if name == "layers" && self.random.chance(30) {
            flags.push("--tree".to_owned());
        }
        if name == "images" && self.random.chance(30) {
            flags.push("-q".to_owned());
        }
        self.command(name, flags, Vec::new())
    }

    pub(super) fn exists(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        if self.random.chance(30) {
            flags.push((*self.random.pick(&["-l", "-i", "-c", "-q", "-lq"])).to_owned());
        }
        let mut keys = vec![self.any_key(known)];
        while self.random.chance(30) {
            keys.push(self.any_key(known));
        }
        self.command("exists", flags, keys)
    }

    pub(super) fn names(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        let key = self.any_key(known);
        self.command("get-names", flags, vec![key])
    }

    pub(super) fn change_names(&mut self, known: &Known) -> Command {
        let name = *self.random.pick(&["set-names", "set-names", "add-names"]);
        let mut flags = Vec::new();
        self.json(&mut flags);
        self.new_names(&mut flags, 60);
        let key = self.any_key(known);
        self.command(name, flags, vec![key])
    }

    pub(super) fn metadata(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        if self.random.chance(20) {
            flags.push("-q".to_owned());
        }
        let mut keys = vec![self.any_key(known)];
        while self.random.chance(20) {
            keys.push(self.any_key(known));
        }
        self.command("metadata", flags, keys)
    }

    pub(super) fn set_metadata(&mut self, known: &Known) -> Command {
        let key = self.any_key(known);
        let mut flags = Vec::new();
        while flags.is_empty() && !self.random.chance(10) {
            self.new_metadata(&mut flags);
        }
        self.command("set-metadata", flags, vec![key])
    }

    pub(super) fn set_data(&mut self, known: &Known) -> Command {
        let (kind, items) = self.kind(known);
        let name = match kind {
            "layer" => "set-layer-data",
            "image" => "set-image-data",
            _ => "set-container-data",
        };
        let key = self.key(items);
        let data_key = self.key_of_data(None);
        let data = self.data(&data_key);
        let mut command = self.command(name, Vec::new(), vec![key, data_key]);
        self.content(&mut command, data);
        command
    }

    pub(super) fn get_data(&mut self, known: &Known) -> Command {
        let (kind, items) = self.kind(known);
        let what = self.random.below(4);
        let name = match (kind, what) {
            ("layer", 0 | 1) => "get-layer-data",
            ("layer", _) => "list-layer-data",
            ("image", 0) => "get-image-data",
            ("image", 1) => "get-image-data-size",
            ("image", 2) => "get-image-data-digest",
            ("image", _) => "list-image-data",
            (_, 0) => "get-container-data",
            (_, 1) => "get-container-data-size",
            (_, 2) => "get-container-data-digest",
            _ => "list-container-data",
        };
        let key = self.key(items);
        let mut flags = Vec::new();
        let mut operands = vec![key];
        if name.starts_with("list-") {
            self.json(&mut flags);
        } else {
            let item = Known::find(items, &operands[0]);
            operands.push(self.key_of_data(item));
        }
        if name.ends_with("-data") && name.starts_with("get-") && self.random.chance(25) {
            flags.extend(["-f".to_owned(), "%/out".to_owned()]);
        }
        self.command(name, flags, operands)
    }

    /// A layer and perhaps another to compare it with.
    fn layers_to_compare(&mut self, known: &Known) -> Vec<String> {
        let mut keys = vec![self.key(&known.layers)];
        if self.random.chance(35) {
            keys.push(self.key(&known.layers));
        }
        keys
    }

    pub(super) fn changes(&mut self, known: &Known) -> Command {
        let keys = self.layers_to_compare(known);
        let mut flags = Vec::new();
        self.json(&mut flags);
        self.command("changes", flags, keys)
    }

    pub(super) fn diff_size(&mut self, known: &Known) -> Command {
        let keys = self.layers_to_compare(known);
        self.command("diffsize", Vec::new(), keys)
    }

    pub(super) fn diff(&mut self, known: &Known) -> Command {
        let keys = self.layers_to_compare(known);
        let mut flags = Vec::new();
        if self.random.chance(50) {
            flags.push((*self.random.pick(&["-u", "-u", "-c", "-c", "-b", "-x"])).to_owned());
        }
        if self.random.chance(30) {
            flags.extend(["-f".to_owned(), "%/out".to_owned()]);
        }
        self.command("diff", flags, keys)
    }

    /// Layers and containers, seldom images; whole IDs mostly, since Go's tool mounts nothing else.
    fn key_to_mount(&mut self, known: &Known) -> String {
        let items = match self.random.below(10) {
            0..6 => &known.layers,
            6..9 => &known.containers,
            _ => &known.images,
        };
        if !items.is_empty() && self.random.chance(80) {
            return self.random.pick(items).id.clone();
        }
        self.key(items)
    }

    pub(super) fn mount(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        if self.random.chance(15) {
            flags.push("--ro".to_owned());
        }
        let mut keys = vec![self.key_to_mount(known)];
        while self.random.chance(15) {
            keys.push(self.key_to_mount(known));
        }
        self.command("mount", flags, keys)
    }

    pub(super) fn unmount(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        if self.random.chance(25) {
            flags.push("-f".to_owned());
        }
        let key = if !known.mounted.is_empty() && self.random.chance(70) {
            self.random.pick(&known.mounted).clone()
        } else {
            self.key_to_mount(known)
        };
        self.command("unmount", flags, vec![key])
    }

    pub(super) fn mounted(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        let keys = vec![self.key_to_mount(known), self.key_to_mount(known)];
        self.command("mounted", flags, keys)
    }

    pub(super) fn delete_checked(&mut self, known: &Known) -> Command {
        let (kind, items) = self.kind(known);
        let name = match kind {
            "layer" => "delete-layer",
            "image" => "delete-image",
            _ => "delete-container",
        };
        let mut flags = Vec::new();
        self.json(&mut flags);
        if kind == "image" && self.random.chance(20) {
            flags.push("-t".to_owned());
        }
        let mut keys = vec![self.key(items)];
        if self.random.chance(10) {
            keys.push(self.key(items));
        }
        self.command(name, flags, keys)
    }

    pub(super) fn delete(&mut self, known: &Known) -> Command {
        let mut flags = Vec::new();
        self.json(&mut flags);
        let mut keys = vec![self.any_key(known)];
        if self.random.chance(10) {
            keys.push(self.any_key(known));
        }
        self.command("delete", flags, keys)
    }

    pub(super) fn directories(&mut self, known: &Known) -> Command {
        let name = *self.random.pick(&[
            "get-container-dir",
            "get-container-run-dir",
            "container-parent-owners",
            "layer-parent-owners",
        ]);
        let items = if name.starts_with("layer") {
            &known.layers
        } else {
            &known.containers
        };
        let mut flags = Vec::new();
        if name.ends_with("owners") {
            self.json(&mut flags);
        }
        let key = self.key(items);
        self.command(name, flags, vec![key])
    }

    pub(super) fn whole(&mut self, known: &Known) -> Command {
        let name = *self
            .random
            .pick(&["status", "version", "shutdown", "shutdown", "wipe"]);
        let mut flags = Vec::new();
        self.json(&mut flags);
        // With something mounted, 1.43 never ends.
        if name == "shutdown" && known.mounted.is_empty() && self.random.chance(30) {
            flags.push("-f".to_owned());
        }
        self.command(name, flags, Vec::new())
    }

    pub(super) fn by_digest(&mut self, known: &Known) -> Command {
        let digest = match known.images.is_empty() {
            false if self.random.chance(70) => *self.random.pick(&MANIFESTS),
            _ => *self.random.pick(&["bad", "", "sha256:00", "md5:00"]),
        };
        let mut flags = Vec::new();
        self.json(&mut flags);
        if self.random.chance(30) {
            flags.push("-q".to_owned());
        }
        self.command("images-by-digest", flags, vec![digest.to_owned()])
    }

    pub(super) fn wrong(&mut self, _: &Known) -> Command {
        let lines: [(&'static str, &str); 12] = [
            ("nosuch", ""),
            ("", "-x"),
            ("", "--help"),
            ("layers", "--help"),
            ("layers", "-jz"),
            ("create-layer", "--help"),
            ("create-container", "-h"),
            ("diff", "--help"),
            ("set-names", "--name"),
            ("exists", ""),
            ("delete", ""),
            ("unmount", ""),
        ];
        let (name, flag) = *self.random.pick(&lines);
        let flags = if flag.is_empty() {
            Vec::new()
        } else {
            vec![flag.to_owned()]
        };
        self.command(name, flags, Vec::new())
    }
}
