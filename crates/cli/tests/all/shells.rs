//! Completion scripts and manual pages.

use std::process::Command;

use clap::CommandFactory;
use layerhold_cli::layerhold::args::Arguments;
use layerhold_testkit::{run, scratch};

use crate::support::LAYERHOLD;

fn script(shell: &str) -> String {
    let ran = run(Command::new(LAYERHOLD).args(["completions", shell]));
    assert_eq!(
        (ran.code, ran.stderr.as_slice()),
        (Some(0), &b""[..]),
        "{shell}"
    );
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn every_shell_learns_every_command() {
    let command = Arguments::command();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = script(shell);
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name();
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let ran = run(Command::new(LAYERHOLD).args(["completions", "nosuch"]));
    assert_eq!(ran.code, Some(2));
}

#[test]
fn peer_bash_completes_with_the_script() {
    let Some(()) = layerhold_testkit::require_peer("bash") else {
        return;
    };
    let dir = scratch();
    let path = dir.path().join("layerhold.bash");
    std::fs::write(&path, script("bash")).unwrap();
    let asking = "source \"$0\"; COMP_WORDS=(layerhold ima); COMP_CWORD=1; \
                  _layerhold layerhold ima layerhold; echo \"${COMPREPLY[@]}\"";
    let ran = run(Command::new("bash").args(["-c", asking]).arg(&path));
    assert_eq!(ran.text(), "images\n");
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = scratch();
    clap_mangen::generate_to(Arguments::command(), dir.path()).unwrap();
    let page = std::fs::read_to_string(dir.path().join("layerhold.1")).unwrap();
    for subcommand in Arguments::command().get_subcommands() {
        let name = subcommand.get_name();
        assert!(page.contains(name), "{name}");
        let own = dir.path().join(format!("layerhold-{name}.1"));
        let own = std::fs::read_to_string(own).unwrap();
        assert!(own.contains(".TH"), "{name}");
    }
}
