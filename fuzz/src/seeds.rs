//! Makes the initial inputs: the examples of the format's description, and small archives of every
//! kind.

use std::process::{Command, Stdio};

use layerhold_tar_split::{Recorder, tar_format};
use layerhold_testkit::{TarBuilder, TarEntry, TarFormat, hostile};

use crate::image_cases;

const LAYERS: &str = include_str!("../../docs/format/layers.md");
const IMAGES: &str = include_str!("../../docs/format/images.md");
const CONTAINERS: &str = include_str!("../../docs/format/containers.md");
const MOUNTPOINTS: &str = include_str!("../../docs/format/mountpoints.md");
const PODMAN: &str = include_str!("../../docs/format/podman.md");

/// The JSON examples of a page.
#[must_use]
pub fn examples(page: &str) -> Vec<Vec<u8>> {
    let blocks = page.split("```json\n").skip(1);
    blocks
        .filter_map(|block| block.split_once("\n```"))
        .map(|(example, _)| example.as_bytes().to_vec())
        .collect()
}

fn with_edges(mut seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for edge in [
        "",
        "[]",
        "null",
        "[null]",
        "[{}]",
        "{}",
        "[{\"id\":null}]",
        "[{\"ID\":\"x\",\"id\":\"y\"}]",
        "[{\"id\":\"\\ud800\\u003c\",\"unknown\":{\"a\":[1e9,-0,true]},\"names\":[\"a\",\"a\"]}]",
        "[{\"created\":\"0001-01-01T00:00:00Z\"},{\"created\":\"2024-02-29T23:59:59.999999999+14:00\"}]",
        "[{\"flags\":{\"incomplete\":true,\"x\":null,\"MountOpts\":[\"a\",1],\"n\":1.5e300}}]",
        "[{\"uidmap\":[{\"container_id\":0,\"host_id\":100000,\"size\":65536}],\"uidset\":[0,4294967295]}]",
        "[{\"big-data-names\":[\"manifest\"],\"big-data-sizes\":{\"manifest\":1},\"big-data-digests\":{\"manifest\":\"sha256:00\"}}]",
    ] {
        seeds.push(edge.as_bytes().to_vec());
    }
    seeds
}

/// Record files of layers.
#[must_use]
pub fn layers_json() -> Vec<Vec<u8>> {
    with_edges(examples(LAYERS))
}

/// Bytes that generate layers: none, repeated ones, and pseudo-random ones.
#[must_use]
pub fn layers() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new(), vec![0; 64], vec![0xff; 64]];
    let mut state = 1_u32;
    for _ in 0..5 {
        let mut choose = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        seeds.push((0..400).map(|_| choose()).collect());
    }
    seeds
}

/// Record files of layers: complete, truncated, and damaged in the middle.
#[must_use]
pub fn record_store() -> Vec<Vec<u8>> {
    let mut seeds = layers_json();
    for whole in examples(LAYERS) {
        seeds.push(whole[..whole.len() / 2].to_vec());
        seeds.push([whole.as_slice(), b"\0\0\0"].concat());
        let text = String::from_utf8_lossy(&whole).into_owned();
        seeds.push(
            text.replace("\"names\":[\"upper\"]", "\"names\":7")
                .into_bytes(),
        );
        seeds.push(text.replace("},{", "},garbage,{").into_bytes());
        seeds.push(
            text.replace("},{", "},{\"id\":\"the-new-one\",\"names\":[\"upper\"]},{")
                .into_bytes(),
        );
    }
    seeds
}

/// Record files of images.
#[must_use]
pub fn images_json() -> Vec<Vec<u8>> {
    let mut seeds = examples(IMAGES);
    seeds.extend(examples(PODMAN).into_iter().take(1));
    with_edges(seeds)
}

/// Record files of containers.
#[must_use]
pub fn containers_json() -> Vec<Vec<u8>> {
    let mut seeds = examples(CONTAINERS);
    seeds.extend(examples(PODMAN).into_iter().skip(1));
    with_edges(seeds)
}

/// Mount counts.
#[must_use]
pub fn mountpoints_json() -> Vec<Vec<u8>> {
    with_edges(examples(MOUNTPOINTS))
}

/// Contents of lock files.
#[must_use]
pub fn lock_token() -> Vec<Vec<u8>> {
    let old = b"0123456789abcdef".repeat(4);
    vec![
        Vec::new(),
        vec![0; 64],
        old.clone(),
        old[..20].to_vec(),
        [old.as_slice(), b"more"].concat(),
        b"ab\0".to_vec(),
    ]
}

/// Small archives in every format, valid and malformed.
#[must_use]
pub fn archives() -> Vec<Vec<u8>> {
    let dialects = [
        TarFormat::Pax,
        TarFormat::Ustar,
        TarFormat::Gnu,
        TarFormat::V7,
    ];
    let mut seeds: Vec<Vec<u8>> = dialects.into_iter().map(archive).collect();
    let padded = [archive(TarFormat::Pax), vec![0; 1024], b"trailing".to_vec()].concat();
    seeds.push(padded);
    seeds.push(
        TarBuilder::new()
            .file("a", 0o644, "no end")
            .finish_without_end(),
    );
    seeds.extend(sparse());
    seeds.extend(
        hostile::malformed()
            .into_iter()
            .map(|case| case.bytes)
            .filter(|bytes| bytes.len() < 100_000),
    );
    seeds
}

fn archive(format: TarFormat) -> Vec<u8> {
    let long = "long/".repeat(30) + "name";
    let name = if matches!(format, TarFormat::Pax | TarFormat::Gnu) {
        long.as_str()
    } else {
        "short"
    };
    TarBuilder::new()
        .entry(TarEntry::dir("d").format(format))
        .entry(
            TarEntry::file("d/f", "content")
                .mode(0o4755)
                .owner(1000, 100)
                .format(format),
        )
        .entry(
            TarEntry::file(name, vec![7; 600])
                .mtime(1_700_000_000)
                .format(format),
        )
        .entry(TarEntry::hard_link("d/h", "d/f").format(format))
        .entry(TarEntry::symlink("d/s", "f").format(format))
        .entry(TarEntry::fifo("d/p").format(format))
        .entry(TarEntry::char_device("d/c", 1, 3).format(format))
        .whiteout("d/gone")
        .opaque("d")
        .finish()
}

/// Sparse files of GNU tar, if it is installed.
fn sparse() -> Vec<Vec<u8>> {
    let place = layerhold_testkit::scratch();
    let file = std::fs::File::create(place.path().join("sparse")).unwrap();
    file.set_len(200_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 100_000).unwrap();
    let formats = [
        vec!["--format=gnu"],
        vec!["--format=pax", "--sparse-version=0.1"],
        vec!["--format=pax", "--sparse-version=1.0"],
    ];
    let made = formats.into_iter().filter_map(|format| {
        let mut tar = Command::new("tar");
        tar.arg("-c")
            .args(format)
            .args(["--sparse", "--owner=0", "--group=0", "--mtime=@0", "-C"])
            .arg(place.path())
            .arg("sparse");
        tar.stderr(Stdio::null())
            .output()
            .ok()
            .map(|output| output.stdout)
    });
    made.filter(|bytes| !bytes.is_empty()).collect()
}

/// Archives, and tar-split files of them.
#[must_use]
pub fn tar_split() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for archive in archives() {
        seeds.push([b"\0", archive.as_slice()].concat());
        let mut lines = Recorder::uncompressed(Vec::new());
        let mut gzip = Recorder::new(Vec::new());
        let read = read_into(&archive, &mut lines).and_then(|()| read_into(&archive, &mut gzip));
        if let (Some(()), Ok(lines), Ok(gzip)) = (read, lines.finish(), gzip.finish()) {
            seeds.push([b"l", lines.as_slice()].concat());
            seeds.push([b"g", gzip.as_slice()].concat());
        }
    }
    seeds.push(
        b"l{\"type\":1,\"name\":\"a\",\"size\":-5,\"payload\":null}\n{\"type\":2}\n{\"type\":3}\n"
            .to_vec(),
    );
    seeds.push(b"l{\"type\":1,\"name_raw\":\"/w==\",\"size\":3,\"payload\":\"AAAAAAAAAAA=\",\"position\":0}\n".to_vec());
    seeds
}

fn read_into(archive: &[u8], recorder: &mut Recorder<Vec<u8>>) -> Option<()> {
    let mut reader =
        tar_format::Reader::with_sink(archive, tar_format::Limits::default(), recorder);
    while reader.next_entry().ok()?.is_some() {}
    reader.drain().ok().map(drop)
}

/// Bytes that choose operations: hand-made ones would have no meaning, so a few patterns of the
/// right length.
#[must_use]
pub fn tar_unpack() -> Vec<Vec<u8>> {
    operations(600)
}

/// Likewise.
#[must_use]
pub fn truncindex() -> Vec<Vec<u8>> {
    operations(200)
}

fn operations(length: usize) -> Vec<Vec<u8>> {
    let pattern = |seed: u64| {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    (0..32).map(pattern).collect()
}

/// Layers, plain and compressed by the installed programs.
#[must_use]
pub fn import() -> Vec<Vec<u8>> {
    let plain = archives();
    let small = archive(TarFormat::Pax);
    let mut seeds = plain;
    for program in [
        ["gzip", "-c"],
        ["zstd", "-qc"],
        ["bzip2", "-c"],
        ["xz", "-c"],
    ] {
        if let Some(packed) = filter(&program, &small) {
            seeds.push(packed.clone());
            seeds.push(packed[..packed.len() / 2].to_vec());
            seeds.push([packed.as_slice(), packed.as_slice()].concat());
        }
    }
    seeds
}

fn filter(command: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let place = layerhold_testkit::scratch();
    let path = place.path().join("input");
    std::fs::write(&path, input).unwrap();
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    (output.status.success() && !output.stdout.is_empty()).then_some(output.stdout)
}

/// Texts about ID maps.
#[must_use]
pub fn idmap_strings() -> Vec<Vec<u8>> {
    let texts = [
        "0:100000:65536",
        "0:100000:65536,65536:1:1",
        "0:1:2:3:4:5",
        "",
        ":",
        "0:0:0",
        "0:4294967295:2",
        "4294967295:0:1",
        "user:100000:65536\n1000:200000:65536\nALL:1:2\n# comment\n\nbad\n",
        "user:4294967295:4294967295\n",
        "0:0:0644:file",
        "1:2:07777:char-1-3",
        "0:0:0:block-0-0",
        "0:0:0755:dir:more",
        "0:0:99:symlink",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// A key and a file of credentials, separated by NUL.
#[must_use]
pub fn auth_json() -> Vec<Vec<u8>> {
    let texts = [
        "quay.io/a\0{\n\t\"auths\": {\n\t\t\"quay.io\": {\n\t\t\t\"auth\": \"dTpw\"\n\t\t}\n\t}\n}",
        "docker.io\0{\"auths\": {\"https://index.docker.io/v1/\": {}, \"a/b\": {\"identitytoken\": \"t\"}}, \"credsStore\": \"x\"}",
        "a\0{\"AUTHS\": null, \"auths\": {\"a\": {\"auth\": \"!\"}, \"\\u0061\": {}}, \"credHelpers\": {\"a\": \"../x\", \"b\": 1}}",
        "a.b\0 {\"https://a.b/v1/\" : {\"auth\":\"dTo=\"} , \"c\":[1e5]} ",
        "\0null",
        "a\0{",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// A name and configurations of registries, separated by NUL.
#[must_use]
pub fn registries_conf() -> Vec<Vec<u8>> {
    let texts = [
        "a.io/p/x:1\0unqualified-search-registries = ['a.io', 'b.io:5000']\nshort-name-mode = 'enforcing'\n[[registry]]\nprefix = 'a.io/p'\nlocation = 'b.io/q'\n[[registry.mirror]]\nlocation = 'm.io'\ninsecure = true\npull-from-mirror = 'tag-only'\n",
        "x.a.io/y\0[[registry]]\nprefix = '*.a.io'\nblocked = true\n\0[[registry]]\nlocation = 'x.a.io'\n",
        "app:1\0credential-helpers = ['x']\n[aliases]\n'app' = 'quay.io/app'\n'lib/x' = ''\n\0[aliases]\napp = 'a.io/b'\n",
        "app\0[registries.search]\nregistries = ['a.io']\n[registries.insecure]\nregistries = ['b.io']\n[registries.block]\nregistries = []\n",
        "\0",
        "a\0[",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// A name and files of `registries.d`, separated by NUL.
#[must_use]
pub fn registries_d() -> Vec<Vec<u8>> {
    let texts = [
        "a.io/f/x:1\0default-docker:\n  sigstore: file:///s\ndocker:\n  a.io/f:\n    lookaside: https://u:p@h.io:1/a%20b?q#f\n    lookaside-staging: 'file:///t'\n    use-sigstore-attachments: yes\n",
        "x.b.io:80/y\0docker: {'*.b.io': &a {sigstore-staging: \"file:///\\x41\"}, c: *a}\n\0docker: {b.io: ~, 1: {}}",
        "a\0? [a, {b: c}]\n: - |\n   x\n  - !!str y\n---\nz",
        "a\0\u{feff}%YAML 1.2\n--- # c\n{}\n...\n",
        "a\0docker: {a: {}, a: {}}",
        "a\0[",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// A short name, an image and a file of aliases, separated by NUL.
#[must_use]
pub fn short_names() -> Vec<Vec<u8>> {
    let texts = [
        "app\0quay.io/app:1\0[aliases]\n  app = \"a.io/b\"\n  \"lib/x\" = \"docker.io/library/x\"\n  off = \"\"\n",
        "Lib/app\0busybox\0aliases = {a = 'localhost/x'}\nother = 1\n",
        "a.io/x\0\0",
        "1.0\0x\0aliases = 1",
        "\0\0[",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Names of images, complete, short and wrong.
#[must_use]
pub fn reference() -> Vec<Vec<u8>> {
    let texts = [
        "busybox",
        "docker.io/library/busybox:latest",
        "quay.io:5000/a-b/c.d/e__f:1.0-rc_1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "localhost/x@sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        "a_b.c/x",
        "Host/app",
        "127.0.0.1:1/a:b",
        "3b5c0d1c5c4d1f2e6e8a1c0f3b5c0d1c5c4d1f2e6e8a1c0f3b5c0d1c5c4d1f2e",
        "a:b:c@sha256:00",
        "",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Challenges of registries.
#[must_use]
pub fn www_authenticate() -> Vec<Vec<u8>> {
    let texts = [
        "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull,push\",error=\"insufficient_scope\"",
        "Basic realm=\"Registry \\\"x\\\" \\\\\", charset=UTF-8",
        "Negotiate YWJj==, BASIC Realm = x , bearer",
        "Digest a=1,a=2,,b",
        "Bearer realm=\"open",
        "=",
        "",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// An address and the value of `Link`, separated by NUL.
#[must_use]
pub fn link() -> Vec<Vec<u8>> {
    let texts = [
        "https://a.b:5000/v2/x/tags/list?n=2\0</v2/x/tags/list?last=b&n=2>; rel=\"next\"",
        "http://[::1]/a/b\0<../c?d#e>; title=\"a,\\\"b;\"; rel=\"last next\", <x>; rel=prev",
        "\0<https://s3.example/b c?X-Amz-Signature=0f>",
        "\0//u:p@h:99999/\\",
        "http://a/./../..//b\0?",
        "\0<",
        "",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Ranges of answers and of uploads.
#[must_use]
pub fn content_range() -> Vec<Vec<u8>> {
    let texts = [
        "bytes 0-9/10",
        "Bytes  18446744073709551614-18446744073709551615/*",
        "bytes */10",
        "0-0",
        "bytes=0-1023",
        "0-18446744073709551615",
        "bytes +1-2/3",
        "",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Policies for images.
#[must_use]
pub fn policy_json() -> Vec<Vec<u8>> {
    let mut seeds = image_cases::policy_texts();
    for text in [
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"insecureAcceptAnything"}],"*.io":[{"type":"signedBy","keyType":"GPGKeys","keyPaths":["/k"],"signedIdentity":{"type":"remapIdentity","prefix":"a.b:1/c","signedPrefix":"d"}}]}}}"#,
        r#"{"default":[{"type":"signedBaseLayer","baseLayerIdentity":{"type":"exactReference","dockerReference":"a:1"}}],"transports":{"oci":{"/a":[{"type":"reject"}]},"containers-storage":{"[overlay@/g]quay.io":[{"type":"insecureAcceptAnything"}]}}}"#,
        r#"{"default":[{"type":"sigstoreSigned","pki":{"caRootsPath":"/r","caIntermediatesData":"aQ==","subjectEmail":"e","subjectHostname":"h"}},{"type":"sigstoreSigned","keyDatas":["aw=="],"rekorPublicKeyPaths":["/r"]}],"\u0074ransports":{}}"#,
        "{}",
        "null",
    ] {
        seeds.push(text.as_bytes().to_vec());
    }
    seeds
}

/// Stored signatures of both kinds.
#[must_use]
pub fn signature_blob() -> Vec<Vec<u8>> {
    let mut seeds = image_cases::signatures();
    for blob in [
        "",
        "\0",
        "\0simple-signing\nx",
        "\0sigstore-json\n{\"mimeType\":\"t\",\"payload\":null,\"annotations\":{\"a\":\"\\u003c\"}}",
        "\0new\n{}",
    ] {
        seeds.push(blob.as_bytes().to_vec());
    }
    seeds
}

/// What signatures say.
#[must_use]
pub fn simple_signing_payload() -> Vec<Vec<u8>> {
    let payload = |name: &str, optional: &str| {
        let digest = image_cases::DIGEST;
        let text = format!(
            r#"{{"critical":{{"type":"{name}","image":{{"docker-manifest-digest":"{digest}"}},"identity":{{"docker-reference":"a:1"}}}},"optional":{optional}}}"#
        );
        text.into_bytes()
    };
    vec![
        payload(
            "atomic container signature",
            r#"{"creator":"c","timestamp":1}"#,
        ),
        payload("atomic container signature", r#"{"x":{"y":[null,1e3]}}"#),
        payload("cosign container image signature", "null"),
        payload("new", "{}"),
        b"{}".to_vec(),
    ]
}

/// Configuration files, several of them separated by NUL.
#[must_use]
pub fn storage_conf() -> Vec<Vec<u8>> {
    let texts = [
        "[storage]\ndriver = 'overlay'\nrunroot = '/run/$UID'\ngraphroot = \"$HOME/${X}/s\"\n",
        "[storage.options]\nadditionalimagestores = ['/a', {append = true}]\nforce_mask = 0o755\nsize = '1G'\n",
        "[storage.options.overlay]\nmountopt = 'nodev'\nsync = \"filesystem\"\n[storage.options.pull_options]\na = 'b'\n",
        "[storage]\ndriver_priority = ['a']\0[storage]\ndriver_priority = ['b', {append = true}]\n",
        "[Storage]\nDRIVER = 'overlay2'\ntransient_store = true\nimagestore = '/var/lib/containers/storage'\n",
        "storage.options.auto-userns-min-size = 4294967295\nstorage.options.vfs = {sync = 'none', x = [1, 2.5, 1979-05-27]}\n",
        "[storage]\nrootless_storage_path = '$'\ngraphroot = '${'\n",
        "a = \"\\u00e9\\U0001F600\\x41\"\n[[b]]\nc.d.e = 1\n",
        "[storage",
        "",
    ];
    texts
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// Configurations and manifests of both formats, and slightly invalid ones.
#[must_use]
pub fn image_json() -> Vec<Vec<u8>> {
    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let configuration = r#"{"created":"2024-01-02T03:04:05.6+02:00","architecture":"amd64","os":"linux","config":{"User":"1:1","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Entrypoint":["/e"],"Cmd":["/c"],"Volumes":{"/v":{}},"WorkingDir":"/","Labels":{"k":"v"},"StopSignal":"TERM","StopTimeout":3,"Shell":["sh","-c"],"Healthcheck":{"Test":["NONE"],"Interval":1000,"Retries":3},"OnBuild":[]},"container_config":{"Cmd":"sh"},"rootfs":{"type":"layers","diff_ids":["DIGEST"]},"history":[{"created":"2024-01-02T03:04:05Z","created_by":"x","empty_layer":true}]}"#;
    let oci = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"DIGEST","size":1,"data":"e30="},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"DIGEST","size":2,"urls":[],"annotations":{"a":"b"}}],"subject":{"digest":"DIGEST"},"annotations":{"k":"v"}}"#;
    let docker = r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":1,"digest":"DIGEST"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":2,"digest":"DIGEST"}]}"#;
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"DIGEST","size":1,"platform":{"architecture":"arm","os":"linux","variant":"v7","os.features":["x"]}}]}"#;
    let mut texts: Vec<String> = [configuration, oci, docker, index]
        .into_iter()
        .map(|text| text.replace("DIGEST", DIGEST))
        .collect();
    for whole in texts.clone() {
        texts.push(whole.replace("\"os\":\"linux\"", "\"OS\":null,\"os\":5"));
        texts.push(whole.replace("\"layers\"", "\"Layers\""));
        texts.push(whole.replace(":[", ":[null,"));
        texts.push(whole.replace(":1,", ":1.0,"));
        texts.push(whole.replace(
            "\"schemaVersion\":2,",
            "\"schemaVersion\":2,\"history\":[],",
        ));
        texts.push(whole[..whole.len() / 2].to_owned());
    }
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "{\"schemaVersion\":1}",
        "{\"o\u{17f}\":\"\\ud800\"}",
    ] {
        texts.push(text.to_owned());
    }
    texts.into_iter().map(String::into_bytes).collect()
}
