//! Texts that are policies, and texts that are none.

use std::path::PathBuf;

use layerhold_image_policy::{
    FormatError, KeyType, Material, Pki, PkiSubject, Policy, PolicyError, Problem, Requirement,
    ShapeProblem, SignedIdentity, Signers,
};

/// A policy with one requirement, which is read.
fn requirement(json: &str) -> Requirement {
    let policy = Policy::parse(format!("{{\"default\":[{json}]}}").as_bytes());
    let policy = policy.unwrap_or_else(|error| panic!("{json}: {error}"));
    policy.default_requirements()[0].clone()
}

/// A requirement that is refused at a place within it.
#[track_caller]
fn refused(json: &str, at: &str, problem: &Problem) {
    let error = Policy::parse(format!("{{\"default\":[{json}]}}").as_bytes()).unwrap_err();
    let PolicyError::Invalid {
        at: found,
        problem: found_problem,
    } = &error
    else {
        panic!("{json}: {error:?}");
    };
    assert_eq!(
        (found.as_str(), found_problem),
        (&*format!("default[0]{at}"), problem),
        "{json}"
    );
}

/// A text that has the wrong shape.
#[track_caller]
fn misshapen(json: &str, at: &str, problem: &ShapeProblem) {
    match Policy::parse(json.as_bytes()).unwrap_err() {
        PolicyError::Format(FormatError::Shape {
            at: found,
            problem: found_problem,
        }) => assert_eq!((found.as_str(), &found_problem), (at, problem), "{json}"),
        error => panic!("{json}: {error:?}"),
    }
}

fn files(paths: &[&str]) -> Material {
    Material::Files(paths.iter().map(PathBuf::from).collect())
}

fn data(contents: &[&str]) -> Material {
    Material::Data(
        contents
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect(),
    )
}

#[test]
fn requirements_without_fields() {
    for (json, wanted) in [
        (r#"{"type":"reject"}"#, Requirement::Reject),
        (
            r#" {"\u0074ype" : "insecureAcceptAnything" } "#,
            Requirement::InsecureAcceptAnything,
        ),
        (
            r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#,
            Requirement::SignedBaseLayer(SignedIdentity::MatchExact),
        ),
    ] {
        assert_eq!(requirement(json), wanted);
    }
}

#[test]
fn keys_of_signed_by() {
    for (keys, wanted) in [
        (r#""keyPath":"/k""#, files(&["/k"])),
        (r#""keyPaths":["/k","l"]"#, files(&["/k", "l"])),
        (r#""keyPaths":[]"#, files(&[])),
        (r#""keyPaths":[null]"#, files(&[""])),
        (r#""keyData":"aw==""#, data(&["k"])),
        (r#""keyData":"a\nw\r=\n=""#, data(&["k"])),
        (r#""keyData":"""#, data(&[""])),
    ] {
        let json = format!(r#"{{"type":"signedBy","keyType":"GPGKeys",{keys}}}"#);
        let Requirement::SignedBy(signed_by) = requirement(&json) else {
            panic!("{json}");
        };
        assert_eq!(signed_by.keys, wanted, "{keys}");
        assert_eq!(signed_by.key_type, KeyType::GpgKeys);
        assert_eq!(signed_by.identity, SignedIdentity::MatchRepoDigestOrExact);
    }
    for keys in [
        r#""signedIdentity":{"type":"matchExact"}"#,
        r#""keyPath":"""#,
        r#""keyPath":null"#,
        r#""keyPaths":null"#,
        r#""keyData":null"#,
        r#""keyPath":"/k","keyData":"aw==""#,
        r#""keyPath":"/k","keyData":null"#,
        r#""keyPath":"","keyPaths":["/k"]"#,
    ] {
        let json = format!(r#"{{"type":"signedBy","keyType":"GPGKeys",{keys}}}"#);
        refused(&json, "", &Problem::SignedByKeys);
    }
}

#[test]
fn key_types() {
    for (name, wanted) in [
        ("GPGKeys", KeyType::GpgKeys),
        ("signedByGPGKeys", KeyType::SignedByGpgKeys),
        ("X509Certificates", KeyType::X509Certificates),
        ("signedByX509CAs", KeyType::SignedByX509Cas),
    ] {
        let json = format!(r#"{{"type":"signedBy","keyType":"{name}","keyPath":"/k"}}"#);
        let Requirement::SignedBy(signed_by) = requirement(&json) else {
            panic!("{json}");
        };
        assert_eq!(signed_by.key_type, wanted);
    }
    let json = r#"{"type":"signedBy","keyType":"gpgKeys","keyPath":"/k"}"#;
    let name = "gpgKeys".to_owned();
    refused(json, ".keyType", &Problem::KeyType { name });
    misshapen(
        r#"{"default":[{"type":"signedBy","keyPath":"/k"}]}"#,
        "default[0]",
        &ShapeProblem::Missing { key: "keyType" },
    );
}

#[test]
fn identities() {
    let reference = |text: &str| text.parse().unwrap();
    for (json, wanted) in [
        (r#""matchExact""#, SignedIdentity::MatchExact),
        (
            r#""matchRepoDigestOrExact""#,
            SignedIdentity::MatchRepoDigestOrExact,
        ),
        (r#""matchRepository""#, SignedIdentity::MatchRepository),
        (
            r#""exactReference","dockerReference":"busybox:1""#,
            SignedIdentity::ExactReference(reference("busybox:1")),
        ),
        (
            r#""exactRepository","dockerRepository":"busybox:1""#,
            SignedIdentity::ExactRepository(reference("busybox:1")),
        ),
        (
            r#""remapIdentity","prefix":"host:1","signedPrefix":"a/b_c""#,
            SignedIdentity::RemapIdentity {
                prefix: "host:1".into(),
                signed_prefix: "a/b_c".into(),
            },
        ),
    ] {
        let json = format!(
            r#"{{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{{"type":{json}}}}}"#
        );
        let Requirement::SignedBy(signed_by) = requirement(&json) else {
            panic!("{json}");
        };
        assert_eq!(signed_by.identity, wanted, "{json}");
    }
}

#[test]
fn identities_that_are_refused() {
    let identity = |json: &str| {
        format!(r#"{{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{{"type":{json}}}}}"#)
    };
    let name = "matchAll".to_owned();
    let at = ".signedIdentity";
    refused(
        &identity(r#""matchAll""#),
        at,
        &Problem::IdentityType { name },
    );
    refused(
        &identity(r#""exactReference","dockerReference":"busybox""#),
        ".signedIdentity.dockerReference",
        &Problem::NameOnly {
            name: "docker.io/library/busybox".into(),
        },
    );
    for prefix in [
        "", "a b", "a/B", "a/", "/a", "a/b:1", "a@b", "a_b", "a_b/c", "[::1]",
    ] {
        let json = identity(&format!(
            r#""remapIdentity","prefix":"a","signedPrefix":"{prefix}""#
        ));
        let prefix = prefix.to_owned();
        refused(
            &json,
            ".signedIdentity.signedPrefix",
            &Problem::Prefix { prefix },
        );
    }
    let json = identity(r#""exactRepository","dockerRepository":"A""#);
    let error = "A".parse::<layerhold_reference::Reference>();
    refused(
        &json,
        ".signedIdentity.dockerRepository",
        &Problem::Reference(error.unwrap_err()),
    );
}

#[test]
fn signers_of_sigstore() {
    let keys = |keys, rekor| Signers::Keys { keys, rekor };
    for (json, wanted) in [
        (r#""keyPath":"/k""#, keys(files(&["/k"]), None)),
        (
            r#""keyPaths":["/k","/l"]"#,
            keys(files(&["/k", "/l"]), None),
        ),
        (r#""keyData":"aw==""#, keys(data(&["k"]), None)),
        (
            r#""keyDatas":["aw==","bA==",null]"#,
            keys(data(&["k", "l", ""]), None),
        ),
        (r#""keyPath":"","keyData":"aw==""#, keys(data(&["k"]), None)),
        (
            r#""keyPath":"/k","keyData":null"#,
            keys(files(&["/k"]), None),
        ),
        (
            r#""keyPath":"/k","rekorPublicKeyPath":"/r""#,
            keys(files(&["/k"]), Some(files(&["/r"]))),
        ),
        (
            r#""keyPath":"/k","rekorPublicKeyPath":"","rekorPublicKeyDatas":["cg=="]"#,
            keys(files(&["/k"]), Some(data(&["r"]))),
        ),
    ] {
        let json = format!(r#"{{"type":"sigstoreSigned",{json}}}"#);
        let Requirement::SigstoreSigned(signed) = requirement(&json) else {
            panic!("{json}");
        };
        assert_eq!(signed.signers, wanted, "{json}");
    }
}

#[test]
fn authorities_of_sigstore() {
    let json = r#"{"type":"sigstoreSigned","rekorPublicKeyPaths":["/r"],
        "fulcio":{"caPath":"/ca","caData":null,"oidcIssuer":"i","subjectEmail":"e"}}"#;
    let Requirement::SigstoreSigned(signed) = requirement(json) else {
        panic!();
    };
    let Signers::Fulcio { fulcio, rekor } = signed.signers else {
        panic!();
    };
    assert_eq!((fulcio.ca, rekor), (files(&["/ca"]), files(&["/r"])));
    assert_eq!((&*fulcio.oidc_issuer, &*fulcio.subject_email), ("i", "e"));

    let pki = |json: &str| -> Pki {
        let json = format!(r#"{{"type":"sigstoreSigned","pki":{{{json}}}}}"#);
        match requirement(&json) {
            Requirement::SigstoreSigned(signed) => match signed.signers {
                Signers::Pki(pki) => pki,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let (email, hostname) = ("e".to_owned(), "h".to_owned());
    let both = pki(
        r#""caRootsData":"cg==","caIntermediatesPath":"/i","subjectEmail":"e","subjectHostname":"h""#,
    );
    assert_eq!(
        (both.roots, both.intermediates),
        (data(&["r"]), Some(files(&["/i"])))
    );
    assert_eq!(
        both.subject,
        PkiSubject::Both {
            email: email.clone(),
            hostname: hostname.clone()
        }
    );
    let one = pki(r#""caRootsPath":"/r","subjectEmail":"e","subjectHostname":"""#);
    assert_eq!(
        (one.intermediates, one.subject),
        (None, PkiSubject::Email(email))
    );
    let one = pki(r#""caRootsPath":"/r","subjectHostname":"h""#);
    assert_eq!(one.subject, PkiSubject::Hostname(hostname));
}

#[test]
fn sigstore_that_is_refused() {
    let fulcio = r#""fulcio":{"caPath":"/c","oidcIssuer":"i","subjectEmail":"e"}"#;
    let pki = r#""pki":{"caRootsPath":"/c","subjectEmail":"e"}"#;
    for (json, at, problem) in [
        ("", "", Problem::SigstoreKeys),
        (r#""keyPath":"""#, "", Problem::SigstoreKeys),
        (
            r#""keyPath":"/k","keyData":"aw==""#,
            "",
            Problem::SigstoreKeys,
        ),
        (
            &format!(r#""keyPath":"/k",{pki}"#),
            "",
            Problem::SigstoreKeys,
        ),
        (&format!("{fulcio},{pki}"), "", Problem::SigstoreKeys),
        (r#""keyPaths":[]"#, ".keyPaths", Problem::EmptyList),
        (
            r#""keyDatas":null,"keyPath":"/k""#,
            ".keyDatas",
            Problem::EmptyList,
        ),
        (
            r#""keyPath":"/k","rekorPublicKeyPaths":[]"#,
            ".rekorPublicKeyPaths",
            Problem::EmptyList,
        ),
        (
            r#""keyPath":"/k","rekorPublicKeyDatas":null"#,
            ".rekorPublicKeyDatas",
            Problem::EmptyList,
        ),
        (
            r#""keyPath":"/k","rekorPublicKeyPath":"/r","rekorPublicKeyData":"cg==""#,
            "",
            Problem::SeveralRekorKeys,
        ),
        (fulcio, "", Problem::RekorKeyNeeded),
        (
            &format!(r#"{pki},"rekorPublicKeyPath":"/r""#),
            "",
            Problem::RekorKeyOfPki,
        ),
        (
            r#""fulcio":{"oidcIssuer":"i","subjectEmail":"e"}"#,
            ".fulcio",
            Problem::FulcioCa,
        ),
        (
            r#""fulcio":{"caPath":"/c","caData":"","oidcIssuer":"i","subjectEmail":"e"}"#,
            ".fulcio",
            Problem::FulcioCa,
        ),
        (
            r#""fulcio":{"caPath":"/c","oidcIssuer":"","subjectEmail":"e"}"#,
            ".fulcio",
            Problem::Empty { key: "oidcIssuer" },
        ),
        (
            r#""fulcio":{"caPath":"/c","oidcIssuer":"i"}"#,
            ".fulcio",
            Problem::Empty {
                key: "subjectEmail",
            },
        ),
        (r#""pki":{"subjectEmail":"e"}"#, ".pki", Problem::PkiRoots),
        (
            r#""pki":{"caRootsPath":"/r","caIntermediatesPath":"/i","caIntermediatesData":"","subjectEmail":"e"}"#,
            ".pki",
            Problem::PkiIntermediates,
        ),
        (r#""pki":{"caRootsPath":"/r"}"#, ".pki", Problem::PkiSubject),
        (r#""keyData":"?""#, ".keyData", Problem::Base64),
    ] {
        let comma = if json.is_empty() { "" } else { "," };
        refused(
            &format!(r#"{{"type":"sigstoreSigned"{comma}{json}}}"#),
            at,
            &problem,
        );
    }
}

#[test]
fn requirements_that_are_refused() {
    let name = "signedby".to_owned();
    refused(
        r#"{"type":"signedby"}"#,
        "",
        &Problem::RequirementType { name },
    );
    refused("{}", "", &Problem::NoType);
    let empty = Policy::parse(br#"{"default":[]}"#).unwrap_err();
    assert_eq!(
        empty.to_string(),
        r#"default: no requirement is given: write [{"type": "reject"}] to refuse all images"#
    );
}

#[test]
fn shapes_that_are_refused() {
    let key = || "x".to_owned();
    let wrong = |expected, found| ShapeProblem::Type { expected, found };
    let root = "the top level";
    for (json, at, problem) in [
        ("null", root, wrong("an object", "null")),
        ("[]", root, wrong("an object", "a list")),
        ("{}", root, ShapeProblem::Missing { key: "default" }),
        (r#"{"default":null}"#, "default", wrong("a list", "null")),
        (
            r#"{"default":[1]}"#,
            "default[0]",
            wrong("an object", "a number"),
        ),
        (
            r#"{"default":[{"type":1}]}"#,
            "default[0].type",
            wrong("a text", "a number"),
        ),
        (
            r#"{"x":1,"x":1}"#,
            root,
            ShapeProblem::Duplicate { key: key() },
        ),
        (r#"{"x":1}"#, root, ShapeProblem::Unknown { key: key() }),
        (
            r#"{"default":[{"type":"reject","x":1}]}"#,
            "default[0]",
            ShapeProblem::Unknown { key: key() },
        ),
        (
            r#"{"default":[{"type":"reject"}],"transports":null}"#,
            "transports",
            wrong("an object", "null"),
        ),
        (
            r#"{"default":[{"type":"reject"}],"transports":{"x":{},"\u0078":{}}}"#,
            "transports",
            ShapeProblem::Duplicate { key: key() },
        ),
        (
            r#"{"default":[{"type":"reject"}],"transports":{"docker":{"a b":true}}}"#,
            r#"transports.docker."a b""#,
            wrong("a list", "true or false"),
        ),
        (
            r#"{"default":[{"type":"sigstoreSigned","keyPaths":["/k",{}]}]}"#,
            "default[0].keyPaths[1]",
            wrong("a text", "an object"),
        ),
    ] {
        misshapen(json, at, &problem);
    }
}

#[test]
fn texts_that_are_not_json() {
    for json in [
        &b""[..],
        b"{",
        br#"{"default":[{"type":"reject"}]} x"#,
        br#"{"default":[{"type":"reject"}],}"#,
        b"{\"default\":[{\"type\":\"reject\"}],\"transports\":{\"\xff\":{}}}",
        b"\xef\xbb\xbf{}",
    ] {
        let error = Policy::parse(json).unwrap_err();
        let is_syntax = matches!(error, PolicyError::Format(FormatError::Syntax(_)));
        assert!(is_syntax, "{error:?}");
    }
    let deep = "[".repeat(100_000);
    assert!(Policy::parse(deep.as_bytes()).is_err());
}

#[test]
fn scopes_are_checked_for_known_transports() {
    let with = |transport: &str, scope: &str| {
        let json = format!(
            r#"{{"default":[{{"type":"reject"}}],"transports":{{"{transport}":{{"{scope}":[{{"type":"reject"}}]}}}}}}"#
        );
        Policy::parse(json.as_bytes())
    };
    for (transport, scope) in [("docker", "a"), ("new", "/"), ("dir", ""), ("tarball", "")] {
        let policy = with(transport, scope).unwrap();
        let scopes: Vec<_> = policy.scopes().collect();
        assert_eq!(scopes, [(transport, scope, &[Requirement::Reject][..])]);
    }
    let error = with("dir", "a/b").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"transports.dir."a/b": the transport dir has no such scope"#
    );
}
