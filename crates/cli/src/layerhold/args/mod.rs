//! The arguments of `layerhold`.

mod build;
mod registry;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::build::{
    Build, Commit, Configuration, Import, LayerArgument, Layers, NameAndValue, NoName, NoTime, Time,
};
pub use self::registry::{
    Access, Inspect, Login, Logout, ManifestChoice, Patience, Pull, PullPolicy, Push, PushCodec,
    Reaching, Tags,
};

/// What the exit codes mean.
const EXIT_CODES: &str = "Exit codes: 0 for success, 1 if something failed or `check` found damage, \
                          2 if the command line is wrong.";

/// The heading of the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// Keeps container layers, images and containers on disk, in the format that podman, buildah,
/// skopeo and CRI-O share.
#[derive(Debug, Parser)]
#[command(name = "layerhold", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The directory of the store, which `pull`, `load`, `build` and `import` create; overrides
    /// storage.conf except the run root
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The directory for state that does not survive a reboot; every store needs its own
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub runroot: Option<PathBuf>,
    /// The graph driver [default: the one that the store has contents of]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NAME")]
    pub driver: Option<String>,
    /// An option of the graph driver, as key=value
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "KEY=VALUE")]
    pub driver_option: Vec<String>,
    /// When layer contents are flushed to the disk
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, value_name = "WHEN")]
    pub sync: Option<SyncChoice>,
    /// The output format
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, default_value = "table")]
    pub format: FormatChoice,
    /// Show no progress
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
    /// Show on standard error what took the time: waiting for locks, unpacking, flushing,
    /// committing
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub timings: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What `--format` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatChoice {
    /// Tables and lines of text
    Table,
    /// JSON, for programs
    Json,
    /// For `push`, as in podman: a manifest in OCI's format
    #[value(hide = true)]
    Oci,
    /// For `push`: a manifest in docker's format
    #[value(hide = true, alias = "v2s2")]
    Docker,
}

impl FormatChoice {
    /// The output format.
    #[must_use]
    pub fn output(self) -> Format {
        match self {
            Self::Json => Format::Json,
            _ => Format::Table,
        }
    }

    /// The format of a manifest, if it is one.
    #[must_use]
    pub fn manifest(self) -> Option<ManifestChoice> {
        match self {
            Self::Oci => Some(ManifestChoice::Oci),
            Self::Docker => Some(ManifestChoice::Docker),
            _ => None,
        }
    }
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tables and lines of text
    Table,
    /// JSON, for programs
    Json,
}

/// When layer contents are flushed to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncChoice {
    /// At some time by the kernel: a power cut may leave empty files
    None,
    /// Before the record of the layer is saved
    Filesystem,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pull images from registries into the store
    ///
    /// Prints the ID of each image. A short name such as `fedora` stands for what registries.conf
    /// says; at a terminal you are asked if that is several images, and your choice is kept.
    ///
    /// Layers that the store has are not fetched. The image is visible when all of it is on the
    /// disk, after policy.json has accepted it. If one of several images fails, the others are
    /// still pulled, and the exit code is 1.
    ///
    /// With --format json, each line is one JSON object with the field `event`, as described in the
    /// README of layerhold-cli; the last one of each image is `pulled` or `failed`.
    Pull(Pull),
    /// Push an image from the store to a registry
    ///
    /// Layers that the registry has are not sent. The tag comes last, so that a push that is cut
    /// off leaves no tag that names missing layers. With several images and a DESTINATION, each is
    /// pushed, and DESTINATION names an index of them: one image for several platforms.
    ///
    /// With --format json, each line is one JSON object with the field `event`; the last one is
    /// `pushed`.
    Push(Push),
    /// Load images into the store
    ///
    /// Reads an OCI layout (a directory or a tar) or a docker archive (as `docker save` and `podman
    /// save` write it), compressed or not.
    Load(Load),
    /// Save images to a file or directory
    Save(Save),
    /// List images
    Images(List),
    /// List layers
    Layers(List),
    /// List containers
    Containers(List),
    /// Show the tree of layers, with their sizes and what uses them
    Tree(Tree),
    /// Show the disk usage of images and containers
    ///
    /// The size of a layer is recorded when it is created, so this does not walk the store; only
    /// the layers of containers are measured each time. SHARED is the size of layers that other
    /// images use too. With the vfs driver every layer is a full copy, and counts as one.
    Du(Usage),
    /// Show the records of layers, images or containers; or an image in its registry
    ///
    /// With --remote, shows what a registry has under the name of an image, without pulling it:
    /// from the first mirror that answers, or its registry. Of an index it is the image for one
    /// platform. With --format json it has the fields of `skopeo inspect`.
    Inspect(Inspect),
    /// List the tags of a repository in a registry
    ///
    /// In the order of the registry. Its mirrors, which may have fewer tags, are asked if it does
    /// not answer. With --format json it has the fields of `skopeo list-tags`.
    Tags(Tags),
    /// Build an image from directories, files and tars, without a Dockerfile
    ///
    /// Each --dir, --file and --layer adds a layer, in their order. The image is on top of --base,
    /// whose configuration it keeps where nothing else is said. Prints the ID of the image. Equal
    /// contents, settings and --timestamp make the same image.
    Build(Build),
    /// Make an image of a container: its image, and its changes as a layer
    ///
    /// The container may run, and is not paused: stop it for files that belong together. What the
    /// image says is kept where nothing else is said here. Prints the ID of the image.
    Commit(Commit),
    /// Make an image of one layer from a directory or a tar
    ///
    /// Takes what `layerhold export` and `podman export` write, as `podman import` does, or a
    /// directory. Prints the ID of the image.
    Import(Import),
    /// Give an image more names
    ///
    /// A name without a registry gets `localhost/`, a name without a tag gets `:latest`, as in
    /// podman. A name that another image has moves to this one.
    Tag(Tag),
    /// Remove names from an image, which stays in the store
    Untag(Untag),
    /// Show how an image was made, the last step first
    ///
    /// Reads the history in the configuration of the image. Steps without LAYER changed only the
    /// configuration. SIZE is that of the uncompressed layer.
    History(History),
    /// Create a container from an image
    Create(Create),
    /// Mount layers, containers or images, or list the mounts
    ///
    /// Images are mounted read-only.
    ///
    /// With `-- COMMAND`, the layer, container or image is mounted while COMMAND runs, and
    /// unmounted afterwards, also if COMMAND fails or is killed. COMMAND finds the mount point in
    /// the variable LAYERHOLD_MOUNT, and in place of `{}` in its words. INT, TERM, HUP and QUIT are
    /// passed on to it; one that is sent to the whole process group reaches it twice, unless it
    /// comes from the terminal.
    ///
    /// The exit code is that of COMMAND, 128 and the number of the signal that ended it, 127 if it
    /// is not found, or 126 if it cannot be run.
    Mount(Mount),
    /// Unmount layers, containers or images
    Unmount(Unmount),
    /// List the changes of a layer, container or image, or write them as a tar
    Diff(Diff),
    /// Write the whole tree of a container as a tar
    ///
    /// As `podman export`: one tar without layers or whiteouts, with owners as the container sees
    /// them. Images and layers can be exported too. No lock is held while the tar is written.
    Export(Export),
    /// Copy files between this machine and a container
    ///
    /// NAME:PATH is a path in a container, or for SOURCE in an image or layer; other paths are of
    /// this machine. As in podman, PATH starts at the root of the container, links lead nowhere out
    /// of it, and a text that begins with `/` or `.` is always a path of this machine.
    ///
    /// As in podman, a file goes to TARGET, or into it if it is a directory. A directory goes into
    /// TARGET if that exists, and becomes TARGET if not; with `/.` at the end of SOURCE, only what
    /// is in it goes there. Directories above TARGET are not created. `-` as SOURCE unpacks a tar
    /// from standard input into the directory TARGET, and `-` as TARGET writes SOURCE as a tar.
    ///
    /// As in podman, copies belong to the user of the image, in the container, or to the user of
    /// this process, on this machine; --archive=false keeps the owners as numbers, on this machine
    /// too. Modes, times and `user.` attributes are kept. A link as SOURCE is followed; links
    /// inside are copied. On this machine, devices are left out, as in podman, and set-user-ID bits
    /// are dropped unless the owners are kept.
    Cp(Copy),
    /// Remove unused containers, images or layers
    ///
    /// An image that has several names loses only the given one. Its ID, its last name or --force
    /// removes it.
    Rm(Remove),
    /// Remove all containers, images and layers
    ///
    /// Asks first. Where it cannot ask, because standard input is not a terminal, it needs --force.
    /// Other files below the directory of the store stay.
    Wipe(Wipe),
    /// Remove leftovers of killed or crashed programs
    Gc(Gc),
    /// Share the disk blocks of equal files
    ///
    /// Needs a filesystem that can share blocks: btrfs, or XFS created with reflink=1. Contents do
    /// not change, and running containers are not disturbed.
    Dedup(Dedup),
    /// Check for damage, without changing anything
    ///
    /// Other programs may use the store during the check. The exit code is 1 if there is damage.
    Check(Check),
    /// Rebuild what is damaged, and remove what cannot be rebuilt
    ///
    /// Checks first, and prints what is damaged. Only what is named there is removed.
    Repair(Repair),
    /// Log in to a registry, or to a namespace or repository of one
    ///
    /// Asks the registry whether it accepts the credentials, and stores them where podman, buildah
    /// and skopeo find them. Asks for what is not given, if standard input is a terminal. A login
    /// that is already there is used again if it is still good.
    Login(Login),
    /// Remove the credentials for a registry
    Logout(Logout),
    /// Show the effective configuration, its sources and warnings
    ///
    /// Reads storage.conf, its drop-ins and the environment as podman does, without opening a
    /// store. Ignores options that name another store.
    Config,
    /// Print the completion script for a shell
    Completions(Completions),
}

/// Arguments of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The file or directory [default: an archive from standard input, as with `-`]
    pub path: Option<PathBuf>,
    /// A name for the image, instead of those in the archive
    #[arg(long, short, value_name = "NAME")]
    pub name: Vec<String>,
    /// Load only the image with this name or digest
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// The platform of multi-platform images: OS/ARCHITECTURE[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Leave signatures behind; only a directory that skopeo calls `dir:` has some
    #[arg(long)]
    pub remove_signatures: bool,
}

/// Arguments of `save`.
#[derive(Debug, Args)]
pub struct Save {
    /// The images, by name, ID or unique prefix of an ID
    #[arg(required = true)]
    pub images: Vec<String>,
    /// The file or directory to write [default: an archive to standard output, as with `-`]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// The format to write
    #[arg(long, short, value_enum, default_value = "oci-archive")]
    pub to: SaveKind,
    /// The compression of layers
    #[arg(long, value_enum, default_value = "keep")]
    pub compression: CompressionChoice,
    /// Leave signatures behind; only `--to dir` has a place for them
    #[arg(long)]
    pub remove_signatures: bool,
}

/// What images are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaveKind {
    /// An OCI layout in a directory
    Oci,
    /// An OCI layout in a tar
    OciArchive,
    /// What `docker load` reads
    DockerArchive,
    /// A directory with one image and its signatures, `dir:` in skopeo
    Dir,
}

/// The compression of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompressionChoice {
    /// As when they were loaded
    Keep,
    /// Uncompressed
    None,
    /// gzip
    Gzip,
    /// zstd
    Zstd,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Arguments of the lists.
#[derive(Debug, Args)]
pub struct List {
    /// Print full IDs
    #[arg(long)]
    pub no_trunc: bool,
}

/// Arguments of `tree`.
#[derive(Debug, Args)]
pub struct Tree {
    /// Show only the layers of these layers, images or containers
    pub items: Vec<String>,
}

/// Arguments of `du`.
#[derive(Debug, Args)]
pub struct Usage {
    /// Show only these images, containers or layers
    pub items: Vec<String>,
    /// Measure everything again, and correct wrong records
    #[arg(long)]
    pub verify: bool,
}

/// Arguments of `dedup`.
#[derive(Debug, Args)]
pub struct Dedup {
    /// How equal files are searched for; all bytes are compared in any case
    #[arg(long, value_enum, default_value = "crc", value_name = "METHOD")]
    pub method: HashChoice,
}

/// How equal files are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HashChoice {
    /// A 64-bit checksum
    Crc,
    /// The size alone: reads least where few files are equal
    Size,
    /// SHA-256
    Sha256,
}

/// Arguments of `tag`.
#[derive(Debug, Args)]
pub struct Tag {
    /// The image, by name, ID or unique prefix of an ID
    pub image: String,
    /// The new names
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Arguments of `untag`.
#[derive(Debug, Args)]
pub struct Untag {
    /// The image, by name, ID or unique prefix of an ID
    pub image: String,
    /// The names to remove [default: all names of the image]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct History {
    /// The image, by name, ID or unique prefix of an ID
    pub image: String,
    /// Print full IDs and texts
    #[arg(long)]
    pub no_trunc: bool,
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The image, by name, ID or unique prefix of an ID
    pub image: String,
    /// A name for the container
    #[arg(long, short, value_name = "NAME")]
    pub name: Vec<String>,
}

/// Arguments of `mount`.
#[derive(Debug, Args)]
pub struct Mount {
    /// Layers, containers or images, by name, ID or unique prefix of an ID
    pub items: Vec<String>,
    /// A mount option
    #[arg(long, short, value_name = "OPTION")]
    pub option: Vec<String>,
    /// A command to run while it is mounted
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Arguments of `unmount`.
#[derive(Debug, Args)]
pub struct Unmount {
    /// Layers, containers, images or mount points
    #[arg(required = true)]
    pub items: Vec<String>,
    /// Unmount even if mounted several times
    #[arg(long, short)]
    pub force: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The layer, container or image
    pub item: String,
    /// Compare with this layer, container or image instead of the parent
    pub from: Option<String>,
    /// Write the changes as a tar instead of listing them
    #[arg(long)]
    pub tar: bool,
    /// The file for the tar [default: standard output, as with `-`]
    #[arg(long, short, value_name = "PATH", requires = "tar")]
    pub output: Option<PathBuf>,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The container, image or layer, by name, ID or unique prefix of an ID
    pub item: String,
    /// The file for the tar [default: standard output, as with `-`]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// Arguments of `cp`.
#[derive(Debug, Args)]
pub struct Copy {
    /// The file or directory to copy: PATH or NAME:PATH; or `-`
    pub source: String,
    /// Where it goes: PATH or CONTAINER:PATH; or `-`
    pub target: String,
    /// Whether copies belong to the user there; `false` keeps the owners
    #[arg(
        long,
        short,
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set
    )]
    pub archive: bool,
    /// Let directories and other files replace each other
    #[arg(long)]
    pub overwrite: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The depth of the check
    #[arg(long, value_enum, default_value = "contents")]
    pub depth: DepthChoice,
    /// Report unused layers that are older than this
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub unused_hours: u32,
}

/// The depth of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DepthChoice {
    /// Records, and whether what they name exists
    Records,
    /// Also the digests of layers
    Digests,
    /// Also every file of every layer
    Contents,
}

/// Arguments of `repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// The check before the repair.
    #[command(flatten)]
    pub check: Check,
    /// Only report what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Also remove damaged containers
    #[arg(long)]
    pub containers: bool,
}

/// Arguments of `wipe`.
#[derive(Debug, Args)]
pub struct Wipe {
    /// Do not ask
    #[arg(long, short)]
    pub force: bool,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Only report what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Also remove damaged layers from the quarantine, where repairs move them
    #[arg(long)]
    pub quarantine: bool,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Containers, images or layers, by name, ID or unique prefix of an ID
    #[arg(required = true)]
    pub items: Vec<String>,
    /// Remove images with their containers, and unmount what is mounted
    #[arg(long, short)]
    pub force: bool,
}
