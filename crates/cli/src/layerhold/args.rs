//! The arguments of `layerhold`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What the codes mean that the program exits with.
const EXIT_CODES: &str = "Exit codes: 0 when all was done, 1 when something failed or `check` found damage, \
                          2 when the command line makes no sense.";

/// The heading of the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// Keeps container layers, images and containers on disk, in the format that podman, buildah,
/// skopeo and CRI-O share.
#[derive(Debug, Parser)]
#[command(name = "layerhold", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The store's directory, which `load` makes; with it, nothing of storage.conf counts but the
    /// run root
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// The directory for what does not survive a reboot; each store needs one of its own
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    pub runroot: Option<PathBuf>,
    /// The graph driver; found out from the store when not given
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NAME")]
    pub driver: Option<String>,
    /// An option of the graph driver, as key=value
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "KEY=VALUE")]
    pub driver_option: Vec<String>,
    /// When contents are flushed to the disk
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, value_name = "WHEN")]
    pub sync: Option<SyncChoice>,
    /// How results are printed
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, default_value = "table")]
    pub format: Format,
    /// Show no progress
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// When contents are flushed to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncChoice {
    /// When the kernel gets to it: a power cut may leave empty files
    None,
    /// Before a record that names them is saved
    Filesystem,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring images into the store
    ///
    /// Reads an OCI layout (a directory, or a tar of one) or a docker archive (what `docker save`
    /// and `podman save` write), compressed or not.
    Load(Load),
    /// Write images to a file or directory
    Save(Save),
    /// List images
    Images(List),
    /// List layers
    Layers(List),
    /// List containers
    Containers(List),
    /// Show which layer stands on which, what they take, and what uses them
    Tree(Tree),
    /// Show what images and containers take on the disk
    ///
    /// Layers are counted when they come in, so this does not walk the store; only what containers
    /// write is looked at each time. SHARED is what other images stand on too. With the vfs driver
    /// each layer is a full copy, and counts as such.
    Du(Usage),
    /// Show everything that is recorded of layers, images or containers
    Inspect(Items),
    /// Create a container from an image
    Create(Create),
    /// Mount layers, containers or images, or list what is mounted
    ///
    /// Images are mounted read-only.
    Mount(Mount),
    /// Unmount layers, containers or images
    Unmount(Unmount),
    /// Show what a layer, container or image changes, or write it as a tar
    Diff(Diff),
    /// Remove containers, images or layers that nothing uses
    ///
    /// An image that has several names loses the one that is given. Its ID, the last name, or
    /// --force remove it.
    Rm(Remove),
    /// Remove what killed or crashed programs left behind
    Gc(Gc),
    /// Keep equal files of different images on the disk once
    ///
    /// Takes a filesystem that can share blocks: btrfs, or XFS made with reflink=1. Contents do not
    /// change, and nothing that is in use is disturbed.
    Dedup(Dedup),
    /// Look for damage, without changing anything
    ///
    /// Others may use the store meanwhile. The exit code is 1 when something is found.
    Check(Check),
    /// Rebuild what is damaged, and remove what cannot be rebuilt
    ///
    /// Says what is wrong first. Nothing is removed that is not named there.
    Repair(Repair),
    /// Show where the store is, what says so, and what is odd about it
    ///
    /// Reads storage.conf, its drop-ins and the environment as podman does, without opening a
    /// store. Options that name another store are not looked at.
    Config,
    /// Write a script that completes command lines in a shell
    Completions(Completions),
}

/// Arguments of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The file or directory; `-` or nothing reads an archive from standard input
    pub path: Option<PathBuf>,
    /// Name the image so instead of as the archive says
    #[arg(long, short, value_name = "NAME")]
    pub name: Vec<String>,
    /// Load only the image of this name or digest
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// The platform, of images that exist for several: OS/ARCHITECTURE[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
}

/// Arguments of `save`.
#[derive(Debug, Args)]
pub struct Save {
    /// The images, by name, ID or the beginning of an ID
    #[arg(required = true)]
    pub images: Vec<String>,
    /// Where to write; `-` or nothing writes an archive to standard output
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// The format
    #[arg(long, short, value_enum, default_value = "oci-archive")]
    pub to: SaveKind,
    /// How layers are compressed
    #[arg(long, value_enum, default_value = "keep")]
    pub compression: CompressionChoice,
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
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompressionChoice {
    /// As they came
    Keep,
    /// Not at all
    None,
    /// With gzip
    Gzip,
    /// With zstd
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

/// Arguments that name items.
#[derive(Debug, Args)]
pub struct Items {
    /// Layers, images or containers, by name, ID or the beginning of an ID
    #[arg(required = true)]
    pub items: Vec<String>,
}

/// Arguments of `tree`.
#[derive(Debug, Args)]
pub struct Tree {
    /// Show only what these layers, images or containers stand on
    pub items: Vec<String>,
}

/// Arguments of `du`.
#[derive(Debug, Args)]
pub struct Usage {
    /// Show only these images, containers or layers
    pub items: Vec<String>,
    /// Count everything anew, and put right what was noted wrong
    #[arg(long)]
    pub verify: bool,
}

/// Arguments of `dedup`.
#[derive(Debug, Args)]
pub struct Dedup {
    /// What makes two files worth comparing; in any case all their bytes are compared
    #[arg(long, value_enum, default_value = "crc", value_name = "METHOD")]
    pub method: HashChoice,
}

/// What makes two files worth comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HashChoice {
    /// A 64-bit checksum
    Crc,
    /// The length alone: reads least where few files are alike
    Size,
    /// SHA-256
    Sha256,
}

/// Arguments of `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The image, by name, ID or the beginning of an ID
    pub image: String,
    /// Name the container so
    #[arg(long, short, value_name = "NAME")]
    pub name: Vec<String>,
}

/// Arguments of `mount`.
#[derive(Debug, Args)]
pub struct Mount {
    /// Layers, containers or images, by name, ID or the beginning of an ID
    pub items: Vec<String>,
    /// A mount option
    #[arg(long, short, value_name = "OPTION")]
    pub option: Vec<String>,
}

/// Arguments of `unmount`.
#[derive(Debug, Args)]
pub struct Unmount {
    /// Layers, containers, images or mount points
    #[arg(required = true)]
    pub items: Vec<String>,
    /// Unmount even what is mounted several times
    #[arg(long, short)]
    pub force: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The layer, container or image
    pub item: String,
    /// Compare with this layer, container or image instead of with what it stands on
    pub from: Option<String>,
    /// Write the difference as a tar instead of listing it
    #[arg(long)]
    pub tar: bool,
    /// Where the tar goes; `-` or nothing is standard output
    #[arg(long, short, value_name = "PATH", requires = "tar")]
    pub output: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// How far the check goes
    #[arg(long, value_enum, default_value = "contents")]
    pub depth: DepthChoice,
    /// Report layers that nothing uses when they are older than this
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub unused_hours: u32,
}

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DepthChoice {
    /// Records, and whether what they name is there
    Records,
    /// And the digests of layers
    Digests,
    /// And every file of every layer
    Contents,
}

/// Arguments of `repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// What is checked first
    #[command(flatten)]
    pub check: Check,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Remove damaged containers too
    #[arg(long)]
    pub containers: bool,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Remove the damaged layers, too, that repairs have set aside
    #[arg(long)]
    pub quarantine: bool,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Containers, images or layers, by name, ID or the beginning of an ID
    #[arg(required = true)]
    pub items: Vec<String>,
    /// Remove images with their containers, and unmount what is mounted
    #[arg(long, short)]
    pub force: bool,
}
