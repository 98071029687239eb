use super::*;

/// Asks the token server; the token, or the status.
fn token(proxy: &FaultProxy, query: &str, headers: &[&str]) -> Result<String, u16> {
    let target = format!("/token?service=testkit&{query}");
    let reply = client::send_to(&proxy.token_address(), "GET", &target, headers, b"");
    token_of(&reply)
}

fn token_of(reply: &Reply) -> Result<String, u16> {
    if reply.status != 200 {
        return Err(reply.status);
    }
    let text = reply.text();
    let parts: Vec<&str> = text.split('"').collect();
    Ok(format!("{}={}", parts[1], parts[3]))
}

/// The status of a request with a token, as `token` gives it.
fn status(proxy: &FaultProxy, method: &str, target: &str, token: &str) -> u16 {
    let (_, token) = token.split_once('=').unwrap();
    let header = format!("Authorization: Bearer {token}");
    send(proxy, method, target, &[&header], b"").status
}

#[test]
fn peer_registry_tokens_expire_in_the_middle() {
    let Some((behind, proxy)) = start([Personality::Tokens(Tokens::lasting(2))]) else {
        return;
    };
    let reply = ask(&proxy, "GET", MANIFEST);
    let realm = format!("Bearer realm=\"http://{}/token\"", proxy.token_address());
    let scope = "service=\"testkit\",scope=\"repository:app:pull\"";
    let challenge = reply.header("WWW-Authenticate").unwrap();
    assert_eq!(
        (reply.status, challenge),
        (401, &format!("{realm},{scope}")[..])
    );

    let first = token(&proxy, "scope=repository%3Aapp%3Apull", &[]).unwrap();
    let blob = behind.blob();
    let statuses = [(); 3].map(|()| status(&proxy, "GET", &blob, &first));
    assert_eq!(statuses, [200, 200, 401]);
    let second = token(&proxy, "scope=repository:app:pull", &[]).unwrap();
    assert_ne!(first, second);
    assert_eq!(status(&proxy, "GET", &blob, &second), 200);
    assert_eq!(proxy.token_requests().len(), 2);
}

#[test]
fn peer_registry_tokens_have_scopes() {
    let Some((_behind, proxy)) = start([Personality::Tokens(Tokens::lasting(9))]) else {
        return;
    };
    let pull = token(
        &proxy,
        "scope=repository:app:pull&scope=repository:b:push",
        &[],
    )
    .unwrap();
    assert_eq!(status(&proxy, "GET", "/v2/", &pull), 200);
    assert_eq!(status(&proxy, "GET", MANIFEST, &pull), 200);
    assert_eq!(status(&proxy, "POST", "/v2/b/blobs/uploads/", &pull), 202);
    let header = format!("Authorization: Bearer {}", pull.split_once('=').unwrap().1);
    let reply = send(&proxy, "POST", "/v2/app/blobs/uploads/", &[&header], b"");
    let challenge = reply.header("WWW-Authenticate").unwrap();
    assert!(challenge.ends_with("scope=\"repository:app:pull,push\",error=\"insufficient_scope\""));
}

#[test]
fn peer_registry_tokens_take_a_login() {
    let tokens = Tokens::lasting(1)
        .with_login()
        .padded_to(10_000)
        .as_access_token();
    let Some((_behind, proxy)) = start([Personality::Tokens(tokens)]) else {
        return;
    };
    // tester:open:sesame
    let right = "Authorization: Basic dGVzdGVyOm9wZW46c2VzYW1l";
    assert_eq!(token(&proxy, "", &[]), Err(401));
    assert_eq!(token(&proxy, "", &["Authorization: Basic eDp5"]), Err(401));
    let given = token(&proxy, "", &[right]).unwrap();
    assert!(given.starts_with("access_token=token-"));
    assert_eq!(given.len(), "access_token=".len() + 10_000);

    let by_post = |form: &str| {
        let address = proxy.token_address();
        token_of(&client::send_to(
            &address,
            "POST",
            "/token",
            &[],
            form.as_bytes(),
        ))
    };
    let scope = "scope=repository%3Aapp%3Apull";
    let password = "grant_type=password&username=tester&password=open%3Asesame";
    let identity = format!("grant_type=refresh_token&refresh_token={IDENTITY_TOKEN}");
    for form in [password, &identity] {
        let given = by_post(&format!("{form}&{scope}")).unwrap();
        assert_eq!(status(&proxy, "GET", MANIFEST, &given), 200);
    }
    assert_eq!(
        by_post("grant_type=refresh_token&refresh_token=x"),
        Err(401)
    );
}

#[test]
fn peer_registry_a_token_server_misbehaves_too() {
    let Some((_behind, proxy)) = start([
        Personality::Tokens(Tokens::lasting(1)).into(),
        Personality::ServerError(503).on(Kind::Token).first(1),
    ]) else {
        return;
    };
    assert_eq!(token(&proxy, "", &[]), Err(503));
    assert!(token(&proxy, "", &[]).is_ok());
    assert_eq!(proxy.bytes_sent(), 0);
}
