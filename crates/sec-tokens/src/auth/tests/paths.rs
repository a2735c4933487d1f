//! A role that is demanded in one part of a service.

use super::*;

fn layer(rules: PathRules) -> RequireRoleLayer {
    RequireRoleLayer::new("admin").paths(rules)
}

/// What somebody without the role gets at this path. A router inside has cut the request's own path.
async fn status(layer: &RequireRoleLayer, path: &str, who: Identity) -> StatusCode {
    let ctx = RequestContext::builder().path(path).build();
    ctx.identify(who);
    let mut request = Request::get("/cut").body(()).unwrap();
    request.extensions_mut().insert(ctx);
    let service = layer.clone().layer(service_fn(hello));
    service.oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn a_role_keeps_to_its_paths() {
    let included = layer(PathRules::all().include("/admin").unwrap());
    let excluded = layer(PathRules::all().exclude("/public").unwrap());
    for (layer, path, demanded) in [
        (&included, "/admin", true),
        (&included, "/admin/users", true),
        (&included, "/administrators", false),
        (&included, "/", false),
        (&excluded, "/public", false),
        (&excluded, "/public/a", false),
        (&excluded, "/publicity", true),
        (&excluded, "/Public", true),
        (&excluded, "/", true),
    ] {
        let user = Principal::new("alice", AuthMethod::Password).with_role("user");
        let expected = if demanded {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::OK
        };
        let found = status(layer, path, Arc::new(user).into()).await;
        assert_eq!(found, expected, "{path}");
        let expected = if demanded {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::OK
        };
        let found = status(layer, path, Identity::Anonymous).await;
        assert_eq!(found, expected, "{path}");
        // Nobody has asked who it is: where the role counts, that is a fault of the wiring.
        let expected = if demanded {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        let found = status(layer, path, Identity::Unresolved).await;
        assert_eq!(found, expected, "{path}");
        let admin = Principal::new("root", AuthMethod::Password).with_role("admin");
        assert_eq!(
            status(layer, path, Arc::new(admin).into()).await,
            StatusCode::OK,
            "{path}"
        );
    }
}

/// Spellings that some hop could read as a guarded path: OWASP WSTG-ATHZ-02 "Testing for Bypassing
/// Authorization Schema", O. Tsai "Breaking Parser Logic" (Black Hat 2018) for `..;`.
#[tokio::test]
async fn no_spelling_of_a_path_gets_around_a_role() {
    let included = layer(PathRules::all().include("/admin").unwrap());
    let excluded = layer(PathRules::all().exclude("/public").unwrap());
    for path in [
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%61dmin",
        "/%2561dmin",
        "/admin%2fusers",
        "/x/..;/admin",
        "/x\\..\\admin",
        "/admin;x=1",
    ] {
        let found = status(&included, path, Identity::Anonymous).await;
        assert_eq!(found, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/..;/admin",
        "/public;/../admin",
        "/public//admin",
        "/public/\\admin",
        "/public%2f..%2fadmin",
        "/public/%252e%252e/admin",
    ] {
        let found = status(&excluded, path, Identity::Anonymous).await;
        assert_eq!(found, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_role_needs_its_context_for_the_path_as_well() {
    let excluded = layer(PathRules::all().exclude("/public").unwrap());
    let request = Request::get("/public").body(()).unwrap();
    let service = excluded.layer(service_fn(hello));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
