//! Chooses commands: mostly ones that make sense, many that do not.

use super::archives;
use super::command::Command;
use super::known::{Item, Known};
use super::plain_text::CHOSEN;
use super::random::Random;

/// Names that items may have. Few, so that they are taken and moved.
const NAMES: [&str; 8] = [
    "one",
    "two",
    "three",
    "docker.io/library/x:latest",
    "localhost/y@z",
    "mit Umlaut ä",
    "<&>\"",
    "K",
];
/// Keys of data items; some are written to the disk as they are, others encoded, others refused.
const KEYS: [&str; 18] = [
    "manifest",
    "manifest-1",
    "manifest-2",
    "Config",
    "k1",
    "z-1",
    "A",
    "AA",
    "aA",
    "x:",
    "a日",
    "日a",
    "=",
    "a b",
    "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    ".x",
    "",
    "a/b",
];
/// The most layers that a store gets.
const MANY: usize = 14;

type Choice = (usize, fn(&mut Generator, &Known) -> Command);

const CHOICES: [Choice; 26] = [
    (10, Generator::create_layer),
    (14, Generator::import_layer),
    (9, Generator::create_image),
    (8, Generator::create_container),
    (8, Generator::apply),
    (6, Generator::show),
    (6, Generator::list),
    (5, Generator::exists),
    (5, Generator::names),
    (7, Generator::change_names),
    (4, Generator::metadata),
    (4, Generator::set_metadata),
    (9, Generator::set_data),
    (6, Generator::get_data),
    (5, Generator::changes),
    (3, Generator::diff_size),
    (7, Generator::diff),
    (6, Generator::mount),
    (6, Generator::unmount),
    (3, Generator::mounted),
    (5, Generator::delete_checked),
    (3, Generator::delete),
    (2, Generator::directories),
    (2, Generator::whole),
    (2, Generator::by_digest),
    (2, Generator::wrong),
];

/// Makes commands out of numbers.
pub(crate) struct Generator {
    pub(crate) random: Random,
    serial: usize,
    ids: usize,
    files: usize,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Generator {
            random: Random::new(seed),
            serial: 0,
            ids: 0,
            files: 0,
        }
    }

    /// The next command for a store that holds what is known.
    pub(crate) fn next(&mut self, known: &Known) -> Command {
        let total: usize = CHOICES.iter().map(|(weight, _)| weight).sum();
        let mut at = self.random.below(total);
        let mut make = CHOICES[0].1;
        for (weight, choice) in CHOICES {
            if at < weight {
                make = choice;
                break;
            }
            at -= weight;
        }
        if known.layers.len() > MANY {
            make = if self.random.chance(60) {
                Generator::delete_checked
            } else {
                Generator::delete
            };
        }
        let mut command = make(self, known);
        self.general_flags(&mut command);
        self.mistakes(&mut command);
        if command.spelled.is_empty() && !command.name.is_empty() {
            command.spelled = self.spelling(command.name);
        }
        command.serial = self.serial;
        command.by_go = self.random.chance(50);
        self.serial += 1;
        command
    }

    fn spelling(&mut self, name: &str) -> String {
        let joined = [
            "create-", "import-", "delete-", "get-", "set-", "list-", "add-",
        ];
        let has_other = joined.iter().any(|start| name.starts_with(start));
        match name {
            "diffsize" if self.random.chance(30) => "diff-size".to_owned(),
            "applydiff" if self.random.chance(30) => "apply-diff".to_owned(),
            "unmount" if self.random.chance(30) => "umount".to_owned(),
            _ if has_other && self.random.chance(15) => name.replace('-', ""),
            _ => name.to_owned(),
        }
    }

    fn general_flags(&mut self, command: &mut Command) {
        if self.random.chance(4) {
            let flag = *self.random.pick(&["-D=false", "--debug=0", "--debug=F"]);
            command.before.push(flag.to_owned());
        }
        if self.random.chance(4) {
            command.flags.push("-D=false".to_owned());
        }
        if self.random.chance(2) {
            command.flags.insert(0, "--graph=%/root".to_owned());
        }
        if self.random.chance(4) {
            command.flags.push("--".to_owned());
        }
    }

    /// Breaks one command in a while.
    fn mistakes(&mut self, command: &mut Command) {
        if !self.random.chance(3) {
            return;
        }
        match self.random.below(6) {
            0 => drop(command.operands.pop()),
            1 => command.operands.push("extra".to_owned()),
            2 => command.flags.insert(0, "--nonsense".to_owned()),
            3 => command.flags.push("-n".to_owned()),
            4 => command.flags.insert(0, "--json=perhaps".to_owned()),
            _ => command.operands.insert(0, String::new()),
        }
    }

    pub(super) fn command(
        &mut self,
        name: &'static str,
        flags: Vec<String>,
        operands: Vec<String>,
    ) -> Command {
        Command {
            name,
            flags,
            operands,
            ..Command::default()
        }
    }

    pub(super) fn json(&mut self, flags: &mut Vec<String>) {
        if self.random.chance(35) {
            flags.push((*self.random.pick(&["-j", "--json", "-j=true", "--json=1"])).to_owned());
        }
    }

    /// An ID for something new, or none.
    pub(super) fn new_id(&mut self, known: &Known, flags: &mut Vec<String>) {
        if self.random.chance(12) {
            return;
        }
        self.ids += 1;
        let number = self.ids;
        let id = match self.random.below(100) {
            0..72 => {
                let start = *self.random.pick(&["k", "ka", "kay", "x-", "Y_", "z.z"]);
                format!("{start}{number}")
            }
            72..86 => format!("{CHOSEN}{number:056}"),
            86..93 => self.any_key(known),
            93..95 => "a b".to_owned(),
            95 => String::new(),
            _ => format!("N{number}"),
        };
        flags.push((*self.random.pick(&["-i", "--id"])).to_owned());
        flags.push(id);
    }

    pub(super) fn new_names(&mut self, flags: &mut Vec<String>, percent: usize) {
        while self.random.chance(percent) {
            flags.push((*self.random.pick(&["-n", "--name"])).to_owned());
            flags.push((*self.random.pick(&NAMES)).to_owned());
        }
    }

    pub(super) fn key_of_data(&mut self, item: Option<&Item>) -> String {
        match item.filter(|item| !item.keys.is_empty()) {
            Some(item) if self.random.chance(75) => self.random.pick(&item.keys).clone(),
            _ => (*self.random.pick(&KEYS)).to_owned(),
        }
    }

    /// What may be typed for one of some items.
    pub(super) fn key(&mut self, items: &[Item]) -> String {
        if items.is_empty() || self.random.chance(6) {
            let wrong = ["nosuch", "", "k", "ka", "x", "zz", "a b", "one", "../x"];
            return (*self.random.pick(&wrong)).to_owned();
        }
        let item = self.random.pick(items).clone();
        match self.random.below(100) {
            0..15 if !item.names.is_empty() => self.random.pick(&item.names).clone(),
            // Others are beginnings of generated IDs by chance.
            15..25
                if item
                    .id
                    .starts_with(|c: char| !c.is_ascii_hexdigit() && c != '<') =>
            {
                let length = 1 + self.random.below(item.id.len());
                item.id[..length].to_owned()
            }
            15..25 if item.id.starts_with(CHOSEN) => item.id[..60].to_owned(),
            _ => item.id,
        }
    }

    pub(super) fn any_key(&mut self, known: &Known) -> String {
        let items = self.kind(known).1;
        self.key(items)
    }

    pub(super) fn kind<'a>(&mut self, known: &'a Known) -> (&'static str, &'a [Item]) {
        match self.random.below(3) {
            0 => ("layer", &known.layers),
            1 => ("image", &known.images),
            _ => ("container", &known.containers),
        }
    }

    /// Gives content by a file or on standard input.
    pub(super) fn content(&mut self, command: &mut Command, content: Vec<u8>) {
        if self.random.chance(50) {
            command.input = content;
            return;
        }
        self.files += 1;
        let name = format!("f{}", self.files);
        command
            .flags
            .push((*self.random.pick(&["-f", "--file"])).to_owned());
        command.flags.push(format!("@/{name}"));
        if !self.random.chance(3) {
            command.files.push((name, content));
        }
    }

    pub(super) fn archive(&mut self) -> Vec<u8> {
        archives::archive(&mut self.random)
    }

    /// The content of a data item.
    pub(super) fn data(&mut self, key: &str) -> Vec<u8> {
        if key.starts_with("manifest") && self.random.chance(80) {
            let number = self.random.below(3);
            return format!("{{\"schemaVersion\":2,\"n\":{number}}}").into_bytes();
        }
        match self.random.below(10) {
            0 => Vec::new(),
            1 => self.random.text(9000).into_bytes(),
            _ => {
                let length = 1 + self.random.below(40);
                self.random.text(length).into_bytes()
            }
        }
    }

    /// Maps, some of which make no sense.
    pub(super) fn maps(&mut self, flags: &mut Vec<String>, percent: usize) {
        if !self.random.chance(percent) {
            return;
        }
        let maps = [
            "--uidmap 0:5000:2000 --gidmap 0:6000:2000",
            "--uidmap 0:5000:2000 --gidmap 0:6000:2000",
            "--uidmap 0:5000:2000",
            "--hostuidmap --hostgidmap",
            "--uidmap 0:9000:1500:1500:20000:1000",
            "--gidmap 1:2:x",
            "--uidmap 0:1",
            "--subuidmap no-such-user",
            "--hostuidmap --uidmap 0:1:1",
        ];
        flags.extend(self.random.pick(&maps).split(' ').map(str::to_owned));
    }
}
