//! The types that podman, buildah and skopeo decode documents into.
//!
//! Where several types are decoded from one document (a configuration is read as OCI's and as
//! docker's), a table has the fields of all of them. Go:
//! `github.com/opencontainers/image-spec/specs-go/v1`, and `manifest/docker_schema2.go` and
//! `docker/internal/tarfile/types.go` of the `image` library.

use super::shape::Shape::{
    self, Any, Bytes, Flag, Integer, List, Map, Nothing, Other, Record, Text, Time, Words,
};

/// The fields that tell the type of a document.
pub(crate) static MANIFEST_TYPE: Shape = Record(&[
    ("mediaType", Text),
    ("schemaVersion", Integer),
    ("config", Record(&[("mediaType", Text)])),
    ("fsLayers", Any),
    ("history", Any),
    ("layers", Any),
    ("manifests", List(&Any)),
]);

static PLATFORM: Shape = Record(&[
    ("architecture", Text),
    ("os", Text),
    ("os.version", Text),
    ("os.features", List(&Text)),
    ("variant", Text),
]);

/// A descriptor in OCI documents.
pub(crate) static OCI_DESCRIPTOR: Shape = Record(&[
    ("mediaType", Text),
    ("digest", Text),
    ("size", Integer),
    ("urls", List(&Text)),
    ("annotations", Map(&Text)),
    ("data", Bytes),
    ("platform", Other(&PLATFORM)),
    ("artifactType", Text),
]);

/// An OCI image manifest.
pub(crate) static OCI_MANIFEST: Shape = Record(&[
    ("schemaVersion", Integer),
    ("mediaType", Text),
    ("artifactType", Text),
    ("config", Other(&OCI_DESCRIPTOR)),
    ("layers", List(&OCI_DESCRIPTOR)),
    ("subject", Other(&OCI_DESCRIPTOR)),
    ("annotations", Map(&Text)),
]);

/// An OCI index.
pub(crate) static OCI_INDEX: Shape = Record(&[
    ("schemaVersion", Integer),
    ("mediaType", Text),
    ("artifactType", Text),
    ("manifests", List(&OCI_DESCRIPTOR)),
    ("subject", Other(&OCI_DESCRIPTOR)),
    ("annotations", Map(&Text)),
]);

static DOCKER_DESCRIPTOR: Shape = Record(&[
    ("mediaType", Text),
    ("size", Integer),
    ("digest", Text),
    ("urls", List(&Text)),
]);

/// A docker image manifest.
pub(crate) static DOCKER_MANIFEST: Shape = Record(&[
    ("schemaVersion", Integer),
    ("mediaType", Text),
    ("config", Other(&DOCKER_DESCRIPTOR)),
    ("layers", List(&DOCKER_DESCRIPTOR)),
]);

static DOCKER_PLATFORM: Shape = Record(&[
    ("architecture", Text),
    ("os", Text),
    ("os.version", Text),
    ("os.features", List(&Text)),
    ("variant", Text),
    ("features", List(&Text)),
]);

static DOCKER_LIST_ENTRY: Shape = Record(&[
    ("mediaType", Text),
    ("size", Integer),
    ("digest", Text),
    ("urls", List(&Text)),
    ("platform", Other(&DOCKER_PLATFORM)),
]);

/// A docker manifest list.
pub(crate) static DOCKER_LIST: Shape = Record(&[
    ("schemaVersion", Integer),
    ("mediaType", Text),
    ("manifests", List(&DOCKER_LIST_ENTRY)),
]);

static HEALTH_CHECK: Shape = Record(&[
    ("Test", List(&Text)),
    ("StartPeriod", Integer),
    ("StartInterval", Integer),
    ("Interval", Integer),
    ("Timeout", Integer),
    ("Retries", Integer),
]);

/// How a container of the image runs: OCI's `ImageConfig` and docker's `Config`.
static RUN: Shape = Record(&[
    ("Hostname", Text),
    ("Domainname", Text),
    ("User", Text),
    ("AttachStdin", Flag),
    ("AttachStdout", Flag),
    ("AttachStderr", Flag),
    ("ExposedPorts", Map(&Nothing)),
    ("Tty", Flag),
    ("OpenStdin", Flag),
    ("StdinOnce", Flag),
    ("Env", List(&Text)),
    ("Cmd", List(&Text)),
    ("Healthcheck", Other(&HEALTH_CHECK)),
    ("ArgsEscaped", Flag),
    ("Image", Text),
    ("Volumes", Map(&Nothing)),
    ("WorkingDir", Text),
    ("Entrypoint", List(&Text)),
    ("NetworkDisabled", Flag),
    ("MacAddress", Text),
    ("OnBuild", List(&Text)),
    ("Labels", Map(&Text)),
    ("StopSignal", Text),
    ("StopTimeout", Integer),
    ("Shell", Words),
]);

/// The configuration of the container that the image was built from: docker's `Config` alone, in
/// which a command may be one text.
static BUILT: Shape = Record(&[
    ("Hostname", Text),
    ("Domainname", Text),
    ("User", Text),
    ("AttachStdin", Flag),
    ("AttachStdout", Flag),
    ("AttachStderr", Flag),
    ("ExposedPorts", Map(&Nothing)),
    ("Tty", Flag),
    ("OpenStdin", Flag),
    ("StdinOnce", Flag),
    ("Env", List(&Text)),
    ("Cmd", Words),
    ("Healthcheck", Other(&HEALTH_CHECK)),
    ("ArgsEscaped", Flag),
    ("Image", Text),
    ("Volumes", Map(&Nothing)),
    ("WorkingDir", Text),
    ("Entrypoint", Words),
    ("NetworkDisabled", Flag),
    ("MacAddress", Text),
    ("OnBuild", List(&Text)),
    ("Labels", Map(&Text)),
    ("StopSignal", Text),
    ("StopTimeout", Integer),
    ("Shell", Words),
]);

static ROOT: Shape = Record(&[("type", Text), ("diff_ids", List(&Text))]);

static HISTORY: Shape = Record(&[
    ("created", Time),
    ("created_by", Text),
    ("author", Text),
    ("comment", Text),
    ("empty_layer", Flag),
]);

/// An image configuration.
pub(crate) static CONFIG: Shape = Record(&[
    ("id", Text),
    ("parent", Text),
    ("comment", Text),
    ("created", Time),
    ("container", Text),
    ("container_config", Other(&BUILT)),
    ("docker_version", Text),
    ("author", Text),
    ("config", Other(&RUN)),
    ("architecture", Text),
    ("variant", Text),
    ("os", Text),
    ("os.version", Text),
    ("os.features", List(&Text)),
    ("Size", Integer),
    ("rootfs", Other(&ROOT)),
    ("history", List(&HISTORY)),
]);

static ARCHIVE_ITEM: Shape = Record(&[
    ("Config", Text),
    ("RepoTags", List(&Text)),
    ("Layers", List(&Text)),
    ("Parent", Text),
    ("LayerSources", Map(&DOCKER_DESCRIPTOR)),
]);

/// The `manifest.json` of a docker archive.
pub(crate) static ARCHIVE_ITEMS: Shape = List(&ARCHIVE_ITEM);
