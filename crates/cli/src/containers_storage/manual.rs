//! The manual page of `containers-storage`, generated from the table of its commands.

use super::flags::{Flag, ValueKind};
use super::table::{COMMANDS, Command, GLOBAL, HELP};

/// Writes the page, in the language of `man`.
#[must_use]
pub fn manual() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page =
        format!(".TH CONTAINERS\\-STORAGE 1 \"\" \"layerhold {version}\" \"User Commands\"\n");
    section(&mut page, "NAME");
    prose(
        &mut page,
        "containers-storage - examine and change stores of container layers, images and containers",
    );
    section(&mut page, "SYNOPSIS");
    page.push_str(".B containers\\-storage\n[\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIOPTION\\fR...] [\\fIOPERAND\\fR...]\n");
    section(&mut page, "DESCRIPTION");
    prose(
        &mut page,
        "Works on the stores that podman, buildah, skopeo and CRI-O keep, at the same time as they do. Its commands, \
         options, streams and exit codes are those of the tool of the same name from containers/storage. For daily use, \
         see layerhold(1).",
    );
    section(&mut page, "GLOBAL OPTIONS");
    prose(
        &mut page,
        "They may stand before the command, where those that name a store or its driver replace storage.conf as a whole, \
         or behind it, where they override single settings.",
    );
    let global: Vec<Flag> = GLOBAL.iter().copied().chain([HELP]).collect();
    flags(&mut page, &global);
    section(&mut page, "COMMANDS");
    for command in COMMANDS {
        entry(&mut page, command);
    }
    for (name, items) in REST {
        section(&mut page, name);
        for (term, what) in *items {
            item(&mut page, &format!("\\fB{}\\fR", escape(term)), what);
        }
    }
    page
}

/// The title of a section, its terms and their explanations.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// The sections after the commands.
const REST: &[Section] = &[
    (
        "EXIT STATUS",
        &[
            ("0", "Everything was done."),
            (
                "1",
                "Something failed, or the command line makes no sense up to the command.",
            ),
            (
                "125",
                "The options of a command make no sense, or its help was asked for.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "CONTAINERS_STORAGE_CONF",
                "The configuration file to read instead of all others.",
            ),
            (
                "CONTAINERS_STORAGE_CONF_OVERRIDE",
                "A configuration file to read after all others.",
            ),
            (
                "STORAGE_DRIVER",
                "The graph driver, unless an option names one.",
            ),
            (
                "STORAGE_OPTS",
                "Options of the graph driver, separated by commas, in place of those of the configuration.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            (
                "/etc/containers/storage.conf",
                "The configuration, see containers-storage.conf(5).",
            ),
            ("/var/lib/containers/storage", "The store of root."),
            (
                "~/.local/share/containers/storage",
                "The stores of other users.",
            ),
        ],
    ),
    (
        "SEE ALSO",
        &[
            ("layerhold(1)", "The command line for interactive use."),
            ("containers-storage.conf(5)", "The configuration."),
        ],
    ),
];

fn entry(page: &mut String, command: &Command) {
    let (name, others) = command.names.split_first().unwrap_or((&"", &[]));
    let title = format!("{name} {}", command.operands);
    page.push_str(&format!(".SS \"{}\"\n", escape(title.trim_end())));
    prose(page, &format!("{}.", command.help));
    for other in others {
        prose(page, &format!("Another name of it is {other}."));
    }
    flags(page, command.flags);
}

fn flags(page: &mut String, flags: &[Flag]) {
    let mut flags: Vec<&Flag> = flags.iter().collect();
    flags.sort_by_key(|flag| flag.long);
    for flag in flags {
        let long = format!("--{}", flag.long);
        let names: Vec<String> = std::iter::once(long.as_str())
            .chain(flag.others.iter().copied())
            .map(|name| format!("\\fB{}\\fR", escape(name)))
            .collect();
        let value = match flag.kind {
            ValueKind::Switch => "",
            ValueKind::Text => " \\fIVALUE\\fR",
            ValueKind::List => " \\fIVALUE\\fR...",
        };
        let term = format!("{}{value}", names.join(", "));
        item(page, &term, &format!("{}.", flag.help));
    }
}

fn section(page: &mut String, name: &str) {
    page.push_str(&format!(".SH \"{name}\"\n"));
}

/// A term in markup, and its explanation.
fn item(page: &mut String, term: &str, what: &str) {
    page.push_str(&format!(".TP\n{term}\n{}\n", escape(what)));
}

fn prose(page: &mut String, words: &str) {
    page.push_str(&format!(".PP\n{}\n", escape(words)));
}

/// Escapes what has a meaning in that language: backslashes, hyphens at which it would break lines,
/// and dots and quotes at the beginning of a line.
fn escape(words: &str) -> String {
    let escaped = words.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) {
        format!("\\&{escaped}")
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_flag_is_there() {
        let page = manual();
        for command in COMMANDS {
            for name in command.names {
                assert!(page.contains(&escape(name)), "{name}");
            }
            for flag in command.flags {
                let shown = format!("\\fB{}\\fR", escape(&format!("--{}", flag.long)));
                assert!(page.contains(&shown), "{shown}");
            }
        }
    }

    #[test]
    fn lines_are_words_or_requests() {
        let requests = [".TH ", ".SH ", ".SS ", ".TP", ".PP", ".B "];
        for line in manual().lines() {
            let is_request = requests.iter().any(|request| line.starts_with(request));
            assert!(is_request || !line.starts_with(['.', '\'']), "{line}");
            assert!(!line.is_empty());
        }
        assert_eq!(escape(".x-y\\z"), "\\&.x\\-y\\ez");
    }
}
