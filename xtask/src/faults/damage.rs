//! The kinds of damage: shell scripts that run on a copy of the store.

/// One kind of damage.
pub(super) struct Damage {
    /// A description.
    pub(super) what: &'static str,
    /// Run by `sh` with `G` and `R`, the roots; `D`, the driver; `H`, the directory of its layers;
    /// `BASE`, `TOP`, `EXTRA`, `IMAGE`, `CONTAINER` and `UPPER`, the IDs of three layers, the
    /// image, the container and its layer; `ORPHAN`, an unused ID. The helper `incomplete` marks
    /// the layer `EXTRA`.
    pub(super) script: &'static str,
    /// The only driver that has this damage.
    only: Option<&'static str>,
}

impl Damage {
    pub(super) fn is_for(&self, driver: &str) -> bool {
        self.only.is_none_or(|only| only == driver)
    }
}

const fn any(what: &'static str, script: &'static str) -> Damage {
    Damage {
        what,
        script,
        only: None,
    }
}

const fn overlay(what: &'static str, script: &'static str) -> Damage {
    Damage {
        what,
        script,
        only: Some("overlay"),
    }
}

pub(super) const DAMAGES: &[Damage] = &[
    any("none", "true"),
    any("`layers.json` is empty", ": > $G/$D-layers/layers.json"),
    any("`layers.json` is gone", "rm $G/$D-layers/layers.json"),
    any(
        "`layers.json` is torn in the middle",
        "f=$G/$D-layers/layers.json; truncate -s $(($(stat -c %s $f) / 2)) $f",
    ),
    any("`images.json` is empty", ": > $G/$D-images/images.json"),
    any(
        "`containers.json` is empty",
        ": > $G/$D-containers/containers.json",
    ),
    any(
        "all three record files are empty",
        "for k in layers images containers; do : > $G/$D-$k/$k.json; done",
    ),
    any(
        "`images.json` is torn in the middle",
        "f=$G/$D-images/images.json; truncate -s $(($(stat -c %s $f) / 2)) $f",
    ),
    any(
        "one bad digest in `images.json`",
        r#"sed -i 's/\("big-data-digests":{"manifest":"sha256:\)../\1xy/' $G/$D-images/images.json"#,
    ),
    any("a record without its layer's directory", "rm -r $H/$TOP"),
    any(
        "a layer's directory without a record",
        "mkdir -p $H/$ORPHAN/diff",
    ),
    any(
        "the record of a lower layer is gone",
        r#"sed -i "s/{\"id\":\"$BASE\"[^}]*},//" $G/$D-layers/layers.json"#,
    ),
    any(
        "a tar-split file is gone",
        "rm $G/$D-layers/$TOP.tar-split.gz",
    ),
    any(
        "a tar-split file is damaged",
        "printf damaged > $G/$D-layers/$TOP.tar-split.gz",
    ),
    any(
        "a tar-split file of no layer",
        "cp $G/$D-layers/$TOP.tar-split.gz $G/$D-layers/$ORPHAN.tar-split.gz",
    ),
    any(
        "staging and temporary directories left by a crash",
        "for t in $G/$D/tempdirs $G/$D-layers/tmp; do mkdir -p $t/temp-dir-1/0-old; : > $t/lock-1; done
         mkdir -p $G/$D/staging/1/dir; : > $G/$D/staging/1/staging.lock",
    ),
    any(
        "a mount count without a mount",
        r#"p=$H/$UPPER; [ $D = vfs ] || p=$p/merged; mkdir -p $R/$D-layers
         printf '[{"id":"%s","path":"%s","count":2}]' $UPPER $p > $R/$D-layers/mountpoints.json"#,
    ),
    any(
        "a file of a layer is changed",
        "printf other > $H/$TOP/$DIFF/dir/new",
    ),
    any(
        "a file of a layer has got a capability",
        r#"python3 -c 'import os,sys; os.setxattr(sys.argv[1], "security.capability", bytes([1,0,0,2]+[1]*16))' $H/$TOP/$DIFF/dir/new"#,
    ),
    any(
        "a layer is counted wrongly",
        r#"l=$(sed 's/},{/}\n{/g' $G/$D-layers/layers.json | grep "{\"id\":\"$TOP\"")
         c=$(echo "$l" | sed 's/.*"created":"\([^"]*\)".*/\1/'); d=$(echo "$l" | sed 's/.*"diff-digest":"\([^"]*\)".*/\1/')
         printf '\n{"id":"%s","created":"%s","digest":"%s","bytes":1,"inodes":1,"allocated":1,"tar-split":1}' \
             $TOP "$c" "$d" > $G/$D-layers/layerhold-usage.jsonl"#,
    ),
    any("a file of a layer is gone", "rm $H/$TOP/$DIFF/dir/new"),
    any(
        "a data item of an image is gone",
        "rm $G/$D-images/$IMAGE/manifest",
    ),
    any(
        "a data item of an image is changed",
        "printf other > $G/$D-images/$IMAGE/manifest",
    ),
    any("an incomplete layer", "incomplete"),
    any(
        "an incomplete layer that cannot be removed (`chattr +i`)",
        "incomplete; : > $H/$EXTRA/$DIFF/fixed; chattr +i $H/$EXTRA/$DIFF/fixed",
    ),
    any(
        "a container's layer is gone, record and all",
        r#"rm -r $H/$UPPER; sed -i "s/,{\"id\":\"$UPPER\"[^}]*}//" $G/$D-layers/layers.json"#,
    ),
    overlay(
        "a mount without its count",
        "containers-storage -g $G -R $R -s overlay mount $CONTAINER; rm $R/$D-layers/mountpoints.json",
    ),
    overlay(
        "a link in `l/` is gone",
        "rm $G/overlay/l/$(cat $H/$BASE/link)",
    ),
    overlay("`lower` is empty", ": > $H/$TOP/lower"),
    overlay("`link` is empty", ": > $H/$TOP/link"),
];
