//! `cargo xtask examples`: runs the examples, and checks what they print and leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::args::Args;
use crate::shell::{capture, cargo, project, show, step, target_directory};

pub(crate) const HELP: &str = "
Usage: cargo xtask examples

Builds all examples and runs them in `target/examples`, on layers and stores made there, as any user. Fails if one of them does
not print or leave what it should.
";

pub(crate) fn run(args: Args) -> Result {
    args.end()?;
    check()
}

/// Builds and runs all examples.
pub(crate) fn check() -> Result {
    let place = project().join("target/examples");
    erase(&place)?;
    make(&place)?;
    step(cargo().args([
        "build",
        "--quiet",
        "--locked",
        // As the tests are built, so that nothing is built twice.
        "--workspace",
        "--features=layerhold/config",
        "--examples",
        "--bins",
    ]))?;
    let programs = target_directory()?.join("debug");
    let rig = Rig { place, programs };
    front_page()?;
    let outcome = rig
        .layer()
        .and_then(|()| rig.safe_unpacking())
        .and_then(|()| rig.ci_cache())
        .and_then(|()| rig.store_in_tokio())
        .and_then(|()| rig.podmans_store())
        .and_then(|()| rig.third_party_driver())
        .and_then(|()| rig.images());
    erase(&rig.place)?;
    outcome
}

/// The directory that the examples work in.
#[derive(Debug)]
struct Rig {
    place: PathBuf,
    programs: PathBuf,
}

impl Rig {
    /// A small layer, `layer.tar`, and one that tries to leave its directory, `hostile.tar`.
    fn layer(&self) -> Result {
        let tree = self.place.join("tree");
        make(&tree.join("etc"))?;
        write(&tree.join("etc/motd"), b"hello\n")?;
        write(&tree.join("zeros"), &[0; 100_000])?;
        capture(self.tar("layer.tar").arg("-C").arg(&tree).arg("."))?;
        let options = ["--absolute-names", "--transform=s,^motd,../escaped,", "-C"];
        capture(
            self.tar("hostile.tar")
                .args(options)
                .arg(tree.join("etc"))
                .arg("motd"),
        )
        .map(drop)
    }

    fn tar(&self, name: &str) -> Command {
        let mut tar = Command::new("tar");
        tar.args(["--create", "--file"]).arg(self.place.join(name));
        tar
    }

    fn safe_unpacking(&self) -> Result {
        let run = |archive: &str, bytes: &str| {
            self.example("unpack_untrusted", &[archive, "unpacked/inside", bytes])
        };
        expect(&run("layer.tar", "1000000")?, "100006 bytes")?;
        same(&self.place.join("unpacked/inside/etc/motd"), b"hello\n")?;
        expect_failure(run("layer.tar", "1000"), "UnpackedBytes(1000)")?;
        // It is refused or stays inside; in no case is anything beside the directory.
        drop(run("hostile.tar", "1000"));
        let beside = self.place.join("unpacked/escaped");
        match beside.exists() {
            true => Err("an entry left the directory".to_owned()),
            false => Ok(()),
        }
    }

    fn ci_cache(&self) -> Result {
        let run = |words: &[&str]| {
            let words = [&["cache"], words].concat();
            self.example("ci_cache", &words)
        };
        expect(
            &run(&["put", "a1b2", "tree/etc/motd", "main"])?,
            "put a1b2, 6 bytes",
        )?;
        expect(&run(&["put", "a1b2", "tree/zeros"])?, "is there already")?;
        run(&["put", "c3d4", "tree/zeros"])?;
        run(&["get", "main", "got"])?;
        same(&self.place.join("got"), b"hello\n")?;
        expect(&run(&["list"])?, "a1b2 6 bytes main")?;
        expect(&run(&["trim", "1000"])?, "bytes are left")?;
        expect_failure(run(&["get", "c3", "got"]), "no entry")
    }

    fn store_in_tokio(&self) -> Result {
        let arguments = ["root", "run", "60", "layer.tar"];
        let mut command = Command::new(self.programs.join("layerhold-example-tokio"));
        let output = self.capture(command.args(arguments))?;
        expect(&output, "the store has 1 layers")
    }

    /// Reads a store by a `storage.conf`, as the user's own is read.
    fn podmans_store(&self) -> Result {
        let place = self.place.display();
        let text = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{place}/root\"\nrunroot = \"{place}/run\"\n"
        );
        write(&self.place.join("storage.conf"), text.as_bytes())?;
        let output = self.of_user("examples/list_store", &[])?;
        expect(&output, "0 images, 1 layers, 0 containers")
    }

    fn third_party_driver(&self) -> Result {
        expect(&self.example("third_party_driver", &[])?, "A /hello")
    }

    /// The program of the front page, in the same store, and the other ones that make images.
    fn images(&self) -> Result {
        make(&self.place.join("rootfs/bin"))?;
        write(&self.place.join("rootfs/bin/app"), b"#!/bin/sh\n")?;
        self.of_user("layerhold-example-ten-lines", &[])?;
        self.of_user("examples/build_image", &["tree", "/bin/sh", "other"])?;
        let output = self.of_user("examples/list_store", &[])?;
        expect(&output, "localhost/app:latest")?;
        expect(&output, "localhost/other:latest")?;
        expect(&output, "2 images, 3 layers, 0 containers")
    }

    /// Runs a program that opens the store of the user.
    fn of_user(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments);
        command.env("CONTAINERS_STORAGE_CONF", self.place.join("storage.conf"));
        self.capture(&mut command)
    }

    fn example(&self, name: &str, arguments: &[&str]) -> Result<String> {
        self.capture(Command::new(self.programs.join("examples").join(name)).args(arguments))
    }

    fn capture(&self, command: &mut Command) -> Result<String> {
        eprintln!("  $ {}", show(command));
        let output = capture(command.current_dir(&self.place))?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

/// The first example of the front page is the program that is run.
fn front_page() -> Result {
    let read = |name: &str| {
        let file = project().join(name);
        fs::read_to_string(&file).map_err(|error| failed(&file, &error))
    };
    let program = read("examples/ten-lines/src/main.rs")?;
    let code: String = program
        .lines()
        .skip_while(|line| line.starts_with("//!") || line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    expect(&read("README.md")?, &format!("```rust\n{code}```"))
        .map_err(|_| "README.md does not show examples/ten-lines/src/main.rs".to_owned())
}

fn expect(output: &str, text: &str) -> Result {
    match output.contains(text) {
        true => Ok(()),
        false => Err(format!("{text:?} is not in the output: {output}")),
    }
}

fn expect_failure(outcome: Result<String>, text: &str) -> Result {
    match outcome {
        Ok(output) => Err(format!("it did not fail with {text:?}: {output}")),
        Err(why) => expect(&why, text),
    }
}

fn same(file: &Path, expected: &[u8]) -> Result {
    let content = fs::read(file).map_err(|error| failed(file, &error))?;
    match content == expected {
        true => Ok(()),
        false => Err(format!("{} has other content", file.display())),
    }
}

fn write(file: &Path, content: &[u8]) -> Result {
    fs::write(file, content).map_err(|error| failed(file, &error))
}

fn make(directory: &Path) -> Result {
    fs::create_dir_all(directory).map_err(|error| failed(directory, &error))
}

fn erase(place: &Path) -> Result {
    match place.exists() {
        true => fs::remove_dir_all(place).map_err(|error| failed(place, &error)),
        false => Ok(()),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
