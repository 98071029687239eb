//! The differences that are known, each with its row of `docs/differences.md`.

use serde_json::Value;

use super::command::Command;
use super::compare::{Difference, Part, says_the_same};
use super::known::{Item, Known};
use super::pair::Seen;

/// Everything about one command.
pub(crate) struct Step<'a> {
    pub(crate) command: &'a Command,
    /// What both stores held before.
    pub(crate) known: &'a Known,
    pub(crate) driver: &'a str,
    pub(crate) go: &'a Seen,
    pub(crate) ours: &'a Seen,
}

/// A difference that is meant.
pub(crate) struct Rule {
    /// How the first cell of its row begins.
    pub(crate) row: &'static str,
    /// Whether this is it. As narrow as can be: what it does not cover is a failure.
    explains: fn(&Step<'_>, &Difference) -> bool,
}

const fn rule(row: &'static str, explains: fn(&Step<'_>, &Difference) -> bool) -> Rule {
    Rule { row, explains }
}

/// The row that tells about a difference.
pub(crate) fn explanation(step: &Step<'_>, difference: &Difference) -> Option<&'static str> {
    RULES
        .iter()
        .find(|rule| (rule.explains)(step, difference))
        .map(|rule| rule.row)
}

/// The rules, those of one command line first.
pub(crate) const RULES: &[Rule] = &[
    rule(
        "`layer`, `image`, `container`, `layer-parent-owners`",
        |step, difference| {
            let name = step.command.name;
            let shows =
                ["layer", "image", "container"].contains(&name) || name.ends_with("-parent-owners");
            shows
                && step.go.err.is_empty()
                && step.go.code == Some(1)
                && difference.part == Part::Err
        },
    ),
    rule("`layers -j` of an empty store", |step, difference| {
        let outputs = (&*step.go.out, &*step.ours.out);
        step.command.name == "layers"
            && difference.part == Part::Out
            && outputs == ("[]\n", "null\n")
    }),
    rule(
        "Errors are Go's texts",
        |step, difference| match difference.part {
            Part::Out => {
                step.failed() && same_in_json(&step.go.out, &step.ours.out) || step.sizes_unknown()
            }
            // What the kernel says about a path that ours does not walk in the same way.
            Part::Err => {
                let about_contents = (step.go.err.contains("ApplyLayer stdout")
                    || step.go.err.contains("processing tar file("))
                    && step.ours.err.starts_with("cannot ");
                let about_a_file = step.go.err.contains("file integrity checksum failed")
                    && step.ours.err.contains("the content of ");
                step.failed() && (about_contents || about_a_file)
            }
            _ => false,
        },
    ),
    rule("A beginning that several IDs have", |step, difference| {
        let output = match difference.part {
            Part::Out => &step.ours.out,
            _ => &step.ours.err,
        };
        let is_output = [Part::Out, Part::Err].contains(&difference.part);
        is_output && step.failed() && output.contains("more than one ")
    }),
    rule(
        "A name or beginning is looked up twice",
        |step, difference| {
            let name = step.command.name;
            let shares = |key: &String| !step.known.is_id(key) && step.known.is_shared(key);
            let is_it = name.ends_with("-names") && step.command.operands.iter().any(shares);
            is_it && difference.part != Part::Archive
        },
    ),
    rule("Of several things that are wrong", |step, difference| {
        let ours = &step.ours.err;
        let other = ours.starts_with("open @/") || ours.contains(" is already in use");
        let both = other && step.go.err.contains("not known");
        step.failed() && both && difference.part == Part::Err
    }),
    rule("Creating a container that fails", |step, difference| {
        let is_it = step.command.name == "create-container" && step.failed();
        let maps = step
            .command
            .flags
            .iter()
            .any(|flag| flag.ends_with("idmap"));
        is_it && maps && matches!(difference.part, Part::State(_))
    }),
    rule("A layer whose parent is gone", |step, difference| {
        let compares = ["changes", "diffsize", "diff"].contains(&step.command.name);
        let ours = step.ours.err.ends_with("layer not known\n")
            || step.ours.err.ends_with(", which no layer has\n");
        let is_gone = step.go.err.contains("no such file or directory");
        let compared = difference.part == Part::Err && compares && step.failed() && ours && is_gone;
        let unknown = |seen: &Seen| seen.out.contains("\nSize unknown: ");
        let measured = step.command.name == "container" && unknown(step.go)
            || step.command.name == "image" && unknown(step.ours);
        let built_on = step.go.err.contains("recreating the missing symlinks");
        // Ours builds on what is there, unless it is mounted.
        let built_on = built_on && (difference.part == Part::Err || step.ours.code == Some(0));
        // Go takes another layer for the parent, whose ID begins like that.
        let missing = step.ours.err.strip_suffix(": layer not known\n");
        let mistaken = missing.is_some_and(|missing| {
            let mut layers = step.known.layers.iter();
            compares && layers.any(|layer| layer.id.starts_with(missing))
        });
        compared || built_on || mistaken || measured && difference.part == Part::Out
    }),
    rule("`delete` of a container whose layer", |step, difference| {
        let refused = step.go.err.contains("identifier is not a layer")
            || step.go.out.contains("identifier is not a layer");
        step.command.name == "delete" && refused && difference.part != Part::Archive
    }),
    rule(
        "`create-container` of an image whose chain",
        |step, difference| {
            let is_it = step.command.name == "create-container" && step.ours.code == Some(0);
            is_it && step.go.err == "layer not known\n" && difference.part != Part::Archive
        },
    ),
    rule(
        "`mount --read-only` of an image without layers",
        |step, difference| {
            let ours = format!("{}{}", step.ours.out, step.ours.err);
            let is_output = [Part::Out, Part::Err].contains(&difference.part);
            step.command.name == "mount" && is_output && ours.contains(" has no layers")
        },
    ),
    rule("`DeleteLayer` asks about children", |step, difference| {
        let by_other = |key: &String| !step.known.is_id(key);
        let is_it =
            step.command.name == "delete-layer" && step.command.operands.iter().any(by_other);
        let ours = format!("{}{}", step.ours.out, step.ours.err);
        is_it && ours.contains(" is used by ") && difference.part != Part::Archive
    }),
    rule(
        "`diff`, when it compresses, of a layer",
        |step, difference| {
            let fails = step.go.code == Some(0) && step.ours.code == Some(1);
            let says = step.ours.err.contains("the content of ");
            let is_it = step.command.name == "diff" && fails && says;
            is_it && !matches!(difference.part, Part::State(_))
        },
    ),
    rule(
        "Padding that an archive ends in is lost",
        |step, difference| {
            let Part::State(path) = &difference.part else {
                return false;
            };
            let files = step.command.files.iter().map(|(_, content)| content);
            let mut contents = files.chain([&step.command.input]);
            let ends =
                contents.any(|content| !super::members::plain(content).len().is_multiple_of(512));
            step.unpacks() && ends && path.ends_with(".tar-split.gz")
        },
    ),
    rule("A data item with an empty key", |step, difference| {
        let is_empty = step.command.operands.get(1).is_some_and(String::is_empty);
        let is_it = is_empty && step.command.name.contains("-data") && step.failed();
        is_it && difference.part == Part::Err && step.ours.err.contains("not a valid name")
    }),
    rule("`version -j` of Debian's build", |step, difference| {
        let nothing = step.go.out.trim_end_matches("[]\n").is_empty() && step.go.err.is_empty();
        let is_output = [Part::Out, Part::Err].contains(&difference.part);
        step.command.name == "version" && nothing && is_output && step.ours.code == Some(0)
    }),
    rule("`create-container -n NAME` forgets", |step, difference| {
        let is_it = step.command.name == "create-container" && step.command.has(&["-n", "--name"]);
        is_it
            && difference.part == Part::Out
            && step.ours.out.replace('\n', "") == step.go.out.replace('\n', "")
    }),
    rule("`exists -l IMAGE`", |step, difference| {
        let of_kind = step.command.has(&["-l", "-i", "-c", "-lq"]);
        let is_output = difference.part == Part::Out && step.go.code == Some(1);
        let lies = step.go.out.replace("true", "false") == step.ours.out.replace("true", "false");
        step.command.name == "exists" && of_kind && is_output && (lies || same_lines(step))
    }),
    rule("`unmount -j`, `mounted -j`", |step, difference| {
        let is_it = ["unmount", "mounted"].contains(&step.command.name);
        let lines = step
            .go
            .out
            .lines()
            .filter(|line| !line.ends_with("mounted"));
        let json: String = lines.map(|line| format!("{line}\n")).collect();
        let same = json == step.ours.out || same_in_json(&json, &step.ours.out);
        is_it && difference.part == Part::Out && same
    }),
    rule(
        "`shutdown -j` with something mounted",
        |step, difference| {
            let is_it = step.command.name == "shutdown" && step.go.out == "{}\n" && step.failed();
            is_it && [Part::Out, Part::Err].contains(&difference.part)
        },
    ),
    rule("`delete CONTAINER` leaves", |step, difference| {
        let left = |path: &str| path.starts_with("runroot/") && path.contains("-containers/");
        let is_it =
            ["delete", "wipe"].contains(&step.command.name) && difference.right == "(nothing)";
        is_it && matches!(&difference.part, Part::State(path) if left(path))
    }),
    rule("`changes LAYER NOSUCH`", |step, difference| {
        let second = step.command.operands.get(1);
        let unknown = second.is_some_and(|key| Known::find(&step.known.layers, key).is_none());
        let compares = ["changes", "diffsize", "diff"].contains(&step.command.name);
        compares
            && unknown
            && step.ours.code == Some(1)
            && !matches!(difference.part, Part::State(_))
    }),
    rule(
        "`add-names` puts new names last",
        |step, difference| match &difference.part {
            Part::Out => {
                step.command.name == "add-names" && same_elements(&step.go.out, &step.ours.out)
            }
            Part::State(_) => step.command.name == "add-names" && same_letters(difference),
            _ => false,
        },
    ),
    rule("`layers x`, `images x`", |step, difference| {
        let refused =
            step.ours.code == Some(1) && step.ours.out.contains(": too many arguments ([");
        refused && !step.go.out.contains("too many arguments") && difference.part != Part::Archive
    }),
    rule("No `gc`, `remove-names`", |step, difference| {
        let lines: Vec<&str> = step.ours.out.lines().collect();
        // `copy` is to come.
        let mut older = step
            .go
            .out
            .lines()
            .filter(|line| !line.starts_with("  copy "));
        let has_all = older.all(|line| lines.contains(&line));
        difference.part == Part::Out && step.go.out.contains("\nCommands:\n") && has_all
    }),
    rule("Modes in the archives of `diff`", |step, difference| {
        let found = step
            .command
            .operands
            .first()
            .and_then(|key| Known::find(&step.known.layers, key));
        let made = found.is_some_and(|layer| match step.command.operands.get(1) {
            Some(from) => {
                Known::find(&step.known.layers, from).is_none_or(|from| from.id != layer.below)
            }
            None => !layer.recorded,
        });
        difference.part == Part::Archive && made && step.go.out == step.ours.out
    }),
    rule("`mount NAME`, `mount PREFIX`", |step, difference| {
        let has = |items: &[Item], key: &str| items.iter().any(|item| item.id == key);
        let (layers, containers) = (&step.known.layers, &step.known.containers);
        let by_other = |key: &String| !has(layers, key) && !has(containers, key);
        let is_it = step.command.name == "mount" && step.command.operands.iter().any(by_other);
        is_it && !is_record(difference)
    }),
    rule("`changes` passes over directories", |step, difference| {
        let lines = |seen: &Seen| -> Vec<String> {
            let split = seen.out.replace("},{", "}\n{");
            let lines = split
                .lines()
                .map(|line| line.trim_matches(['[', ']']).to_owned());
            lines
                .filter(|line| !line.is_empty() && line != "null")
                .collect()
        };
        let (go, ours) = (lines(step.go), lines(step.ours));
        let more = ours.iter().filter(|line| !go.contains(line));
        let mut more =
            more.map(|line| line.starts_with("Modify ") || line.ends_with("\"Kind\":0}"));
        let has_all = go.iter().all(|line| ours.contains(line));
        step.command.name == "changes"
            && difference.part == Part::Out
            && has_all
            && more.all(|is| is)
    }),
    rule("IDs such as `a b`", |step, difference| {
        let values = step.command.values(&["-i", "--id"]);
        let odd = values
            .last()
            .is_some_and(|id| id.contains([' ', '/', ':', '<', '&', '"']));
        let is_it = step.command.name.starts_with("create-") || step.command.name == "import-layer";
        let refused =
            step.ours.code == Some(1) && step.ours.state.parts.len() <= step.go.state.parts.len();
        is_it && odd && refused && difference.part != Part::Archive
    }),
    rule(
        "The modification time of a layer's root",
        |step, difference| {
            let is_root = step.is_of_root(difference);
            let same_else = same_but(difference, |left| left == "now");
            let takes_over = step.driver == "overlay" && step.command.name.starts_with("create-");
            (step.unpacks() || takes_over) && is_root && same_else
        },
    ),
    rule(
        "Mounting sets the owner of the layer's root",
        |step, difference| {
            let is_root = step.is_of_root(difference);
            let mounts = ["changes", "diff", "diffsize", "mount", "image", "container"];
            let same_else = same_but(difference, |left| left.contains(':'));
            let is_it = step.driver == "overlay" && mounts.contains(&step.command.name);
            is_it && is_root && same_else
        },
    ),
    rule(
        "The root of a new overlay layer has the mode",
        |step, difference| {
            let is_root = step.is_of_root(difference);
            let mode = |text: &str| {
                let mode = text.split(' ').nth(1).unwrap_or_default();
                u32::from_str_radix(mode, 8).unwrap_or_default()
            };
            let (left, right) = (mode(&difference.left), mode(&difference.right));
            let makes = step.unpacks() || step.command.name.starts_with("create-");
            step.driver == "overlay" && is_root && makes && left == right & 0o777 && left != right
        },
    ),
    rule("A mount with shifted owners leaves", |step, difference| {
        let is_it = step.driver == "overlay" && difference.right == "(nothing)";
        let of_mount = |path: &str| path.ends_with("/mapped") || path.contains("/mapped/");
        is_it && matches!(&difference.part, Part::State(path) if of_mount(path))
    }),
    rule(
        "A whiteout, opaque or not, that comes after",
        |step, difference| {
            let is_it = step.driver == "overlay" && step.unpacks() && step.has_entry(".wh.");
            let fails = step.go.err.contains("processing tar file(file exists)");
            let replaced = fails && step.ours.code == Some(0) && difference.part != Part::Archive;
            let opaque = |text: &str| text.contains(" trusted.overlay.opaque=");
            let hides = opaque(&difference.right) && !opaque(&difference.left);
            is_it && (replaced || hides && matches!(difference.part, Part::State(_)))
        },
    ),
    rule(
        "`changes` of an overlay layer lists whiteouts",
        |step, difference| {
            let ours: Vec<&str> = difference.right.lines().collect();
            let mut more = difference.left.lines().filter(|line| !ours.contains(line));
            let nothing = |line: &str| {
                let words = ["Delete \"", "Modify \""];
                words.iter().any(|word| line.starts_with(word))
                    || line.ends_with("\"Kind\":2}")
                    || line.ends_with("\"Kind\":0}")
            };
            let has_all = ours.iter().all(|line| difference.left.contains(line));
            let is_it = step.driver == "overlay" && step.command.name == "changes";
            is_it && difference.part == Part::Out && has_all && more.all(nothing)
        },
    ),
    rule("`status` of overlay", |step, difference| {
        let told = |seen: &Seen| format!("{}{}", seen.out, seen.err).replace("\n", "");
        let is_it = step.command.name == "status" && step.driver == "overlay";
        let is_output = [Part::Out, Part::Err].contains(&difference.part);
        let longer = told(step.ours).starts_with(told(step.go).trim_end_matches(']'));
        is_it && is_output && longer
    }),
    rule("The root's entry (`./`) counts", |step, difference| {
        let is_root = step.is_of_root(difference);
        step.driver == "overlay" && step.unpacks() && is_root && step.has_entry("5 ./ ")
    }),
    rule(
        "A directory that no entry describes gets owner 0",
        |step, difference| {
            let Part::State(path) = &difference.part else {
                return false;
            };
            let is_inside = step
                .layer_of(path)
                .is_some_and(|(_, inside)| !inside.is_empty());
            let is_directory = difference.left.starts_with("Directory")
                && difference.right.starts_with("Directory");
            let owner = difference.left.contains(" 0:0 ") && !difference.right.contains(" 0:0 ");
            step.unpacks() && is_inside && is_directory && owner
        },
    ),
    rule("A failed `applydiff` leaves", |step, difference| {
        let inside = |path: &str| step.layer_of(path).is_some();
        let is_it = step.command.name == "applydiff" && step.failed();
        is_it && matches!(&difference.part, Part::State(path) if inside(path))
    }),
    rule(
        "A whiteout below something that is no directory",
        |step, difference| {
            let fails = step.go.code == Some(1) && step.ours.code == Some(0);
            let of_whiteout = step.has_entry(".wh.");
            let says = of_whiteout && step.go.err.contains("not a directory");
            step.unpacks() && fails && says && difference.part != Part::Archive
        },
    ),
    rule(
        "`mount --read-only` of an image with vfs",
        |step, difference| {
            let refused = format!("{}{}", step.go.out, step.go.err);
            let is_it = step.command.name == "mount" && step.command.has(&["--ro"]);
            is_it
                && step.driver == "vfs"
                && refused.contains("vfs driver does not support mount options")
                && !is_record(difference)
        },
    ),
    rule(
        "`delete-image` of an image whose chain",
        |step, difference| {
            let is_it = step.command.name == "delete-image";
            let told = |seen: &Seen| format!("{}{}", seen.out, seen.err);
            let says = told(step.go).contains("layer not known");
            let is_it = is_it && !told(step.ours).contains("layer not known");
            // Or it is only asked, and the layer that is missing is among those that would go.
            let mut listed = step.go.out.split(|c: char| c == '"' || c.is_whitespace());
            let missing = listed.any(|word| {
                !word.is_empty()
                    && !step.ours.out.contains(word)
                    && Known::find(&step.known.layers, word).is_none()
            });
            let asked = difference.part == Part::Out && step.command.has(&["-t", "--test"]);
            is_it && (says && !matches!(difference.part, Part::State(_)) || asked && missing)
        },
    ),
    rule(
        "vfs: the root of a layer with other maps",
        |step, difference| {
            let Part::State(path) = &difference.part else {
                return false;
            };
            let maps = step
                .command
                .flags
                .iter()
                .any(|flag| flag.ends_with("idmap"));
            let same_else = same_but(difference, |left| left.contains(':'));
            let concerns = maps || step.copies_mapped();
            step.driver == "vfs" && step.layer_of(path).is_some() && concerns && same_else
        },
    ),
    rule("A directory that a later entry", |step, difference| {
        let fails = step.go.code == Some(1) && step.ours.code == Some(0);
        step.unpacks()
            && fails
            && step.go.err.contains("chtimes /")
            && difference.part != Part::Archive
    }),
    rule(
        "A whiteout makes the directories on its path",
        |step, difference| {
            let of_whiteout = step.has_entry(".wh.") && step.ours.code == Some(0);
            step.unpacks() && of_whiteout && difference.part != Part::Archive
        },
    ),
    rule(
        "With overlay, a directory that a layer has no entry for",
        |step, difference| {
            let are = |text: &str| text.starts_with("Directory");
            let both = are(&difference.left) && are(&difference.right);
            step.driver == "overlay" && step.unpacks() && both && step.is_inside(difference)
        },
    ),
    rule(
        "With vfs, a directory with an entry keeps",
        |step, difference| {
            let are = |text: &str| text.starts_with("Directory");
            let both = are(&difference.left) && are(&difference.right);
            let has = difference.left.contains(" user.") && !difference.right.contains(" user.");
            step.driver == "vfs" && step.unpacks() && both && has && step.is_inside(difference)
        },
    ),
    rule(
        "With vfs, entries below a link of a layer below",
        |step, difference| {
            let came = step.ours.code == Some(0) && difference.part != Part::Archive;
            let fails = step.go.code == Some(1);
            step.unpacks() && came && (fails || step.is_inside(difference) || is_record(difference))
        },
    ),
];

impl Step<'_> {
    /// Whether it is about something in a layer.
    fn is_inside(&self, difference: &Difference) -> bool {
        let Part::State(path) = &difference.part else {
            return false;
        };
        self.layer_of(path).is_some()
    }

    fn failed(&self) -> bool {
        self.go.code == Some(1) && self.ours.code == Some(1)
    }

    /// Whether what is shown differs in why a size is not known.
    fn sizes_unknown(&self) -> bool {
        let others = |text: &str| {
            let lines = text
                .lines()
                .map(|line| line.split_once(" unknown: ").map_or(line, |(size, _)| size));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let shows = ["image", "container"].contains(&self.command.name);
        shows
            && self.go.out.contains("\nSize unknown: ")
            && others(&self.go.out) == others(&self.ours.out)
    }

    /// Whether there is an archive with such a name in it.
    fn has_entry(&self, part: &str) -> bool {
        let files = self.command.files.iter().map(|(_, content)| content);
        let mut contents = files.chain([&self.command.input]);
        contents
            .any(|content| super::members::list(content).is_some_and(|list| list.contains(part)))
    }

    /// Whether the command makes a container on an image whose top layer has maps.
    fn copies_mapped(&self) -> bool {
        let key = self.command.operands.first();
        let image = key.and_then(|key| Known::find(&self.known.images, key));
        let top = image.and_then(|image| Known::find(&self.known.layers, &image.below));
        self.command.name == "create-container" && top.is_some_and(|top| top.mapped)
    }

    /// Whether the command unpacks an archive.
    fn unpacks(&self) -> bool {
        ["applydiff", "import-layer"].contains(&self.command.name)
    }

    /// Whether the root directory of a layer differs.
    fn is_of_root(&self, difference: &Difference) -> bool {
        let Part::State(path) = &difference.part else {
            return false;
        };
        self.layer_of(path)
            .is_some_and(|(_, inside)| inside.is_empty())
    }

    /// The layer whose contents a path belongs to, and the path in them.
    fn layer_of<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let home = match self.driver {
            "overlay" => "root/overlay/",
            _ => "root/vfs/dir/",
        };
        let path = path.strip_prefix(home)?;
        let (layer, inside) = path.split_once('/').unwrap_or((path, ""));
        if self.driver == "vfs" {
            return Some((layer, inside));
        }
        let inside = inside.strip_prefix("diff")?;
        Some((layer, inside.trim_start_matches('/')))
    }
}

/// Whether two descriptions differ only in words that Go's tool may have in such places.
fn same_but(difference: &Difference, of_go: impl Fn(&str) -> bool) -> bool {
    let mut pairs = difference.left.split(' ').zip(difference.right.split(' '));
    pairs.all(|(left, right)| left == right || of_go(left))
}

fn is_record(difference: &Difference) -> bool {
    matches!(&difference.part, Part::State(path) if path.starts_with("root/") && path.ends_with(".json"))
}

/// Whether two JSON texts differ only in the words of errors, which ours has too.
fn same_in_json(go: &str, ours: &str) -> bool {
    let (go, ours) = (serde_json::from_str(go), serde_json::from_str(ours));
    matches!((go, ours), (Ok(go), Ok(ours)) if same_values(&go, &ours))
}

fn same_values(go: &Value, ours: &Value) -> bool {
    match (go, ours) {
        (Value::String(go), Value::String(ours)) => {
            go == ours || (!go.is_empty() && says_the_same(go, ours))
        }
        (Value::Array(go), Value::Array(ours)) => {
            go.len() == ours.len() && go.iter().zip(ours).all(|(go, ours)| same_values(go, ours))
        }
        (Value::Object(go), Value::Object(ours)) => {
            let same = |(key, go): (&String, &Value)| {
                ours.get(key).is_some_and(|ours| same_values(go, ours))
            };
            go.len() == ours.len() && go.iter().all(same)
        }
        (go, ours) => go == ours,
    }
}

fn same_lines(step: &Step<'_>) -> bool {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| line.replace("true", "false"))
            .collect();
        lines.sort();
        lines
    };
    sorted(&step.go.out) == sorted(&step.ours.out)
}

/// Two lists of the same texts in any order.
fn same_elements(left: &str, right: &str) -> bool {
    let sorted = |text: &str| {
        let mut elements: Vec<String> = serde_json::from_str(text).unwrap_or_default();
        elements.sort();
        elements
    };
    sorted(left) == sorted(right)
}

/// Two texts that differ in the order of what is in them.
fn same_letters(difference: &Difference) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(&difference.left) == sorted(&difference.right)
}
