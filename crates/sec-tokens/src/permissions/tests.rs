use std::sync::Arc;

use sec_core::{AuthMethod, CollectingSink, EventKind, Identity, Principal, RequestContext};

use super::*;
use crate::auth::AuthRefusalKind;

fn who(name: &str, role: &str) -> Principal {
    Principal::new(name, AuthMethod::BearerToken).with_role(role)
}

#[test]
fn the_sample_matrix_is_what_it_says() {
    let permissions = Permissions::sample();
    let rows = [
        ("user", "comment", "create", None, true),
        ("user", "comment", "delete", Some("alice"), true),
        ("user", "comment", "delete", Some("bob"), false),
        ("user", "comment", "delete", None, false),
        ("user", "audit", "read", None, false),
        ("moderator", "comment", "delete", Some("bob"), true),
        ("moderator", "comment", "update", Some("bob"), false),
        ("moderator", "audit", "read", None, false),
        ("admin", "audit", "read", None, true),
        ("admin", "comment", "delete", Some("bob"), true),
        ("Admin", "audit", "read", None, false),
        ("nobody", "comment", "create", None, false),
        ("user", "*", "*", None, false),
        ("user", "", "", Some("alice"), false),
    ];
    for (role, resource, action, owner, granted) in rows {
        let access = permissions.decide(&who("alice", role), resource, action, owner);
        assert_eq!(
            access.is_granted(),
            granted,
            "{role} {resource} {action} {owner:?}"
        );
    }
    let without = Principal::new("alice", AuthMethod::BearerToken);
    assert!(
        !permissions
            .decide(&without, "comment", "read", None)
            .is_granted()
    );
}

#[test]
fn inheritance_reaches_through_and_one_role_suffices() {
    let permissions = Permissions::builder()
        .role("editor")
        .inherits("author")
        .may("post", "publish", Scope::Any)
        .role("author")
        .inherits("reader")
        .may("post", "write", Scope::Own)
        .role("reader")
        .may("post", Permissions::ALL, Scope::Own)
        .may("post", "read", Scope::Any)
        .build()
        .unwrap();
    let editor = who("eve", "editor");
    assert!(
        permissions
            .decide(&editor, "post", "read", None)
            .is_granted()
    );
    assert!(
        permissions
            .decide(&editor, "post", "archive", Some("eve"))
            .is_granted()
    );
    assert!(
        !permissions
            .decide(&editor, "post", "archive", Some("bob"))
            .is_granted()
    );
    assert!(
        !permissions
            .decide(&who("rita", "reader"), "post", "publish", None)
            .is_granted()
    );
    let both = who("rita", "reader").with_role("editor");
    assert!(
        permissions
            .decide(&both, "post", "publish", None)
            .is_granted()
    );
}

#[test]
fn a_matrix_that_means_nothing_is_refused() {
    let rows = [
        (
            Permissions::builder().role("").build(),
            PermissionsError::Unnamed,
        ),
        (
            Permissions::builder().role("a").role("a").build(),
            PermissionsError::Repeated("a".into()),
        ),
        (
            Permissions::builder().role("a").inherits("b").build(),
            PermissionsError::Unknown("a".into(), "b".into()),
        ),
        (
            Permissions::builder()
                .role("a")
                .inherits("b")
                .role("b")
                .inherits("a")
                .build(),
            PermissionsError::Circle("a".into()),
        ),
        (
            Permissions::builder()
                .role("a")
                .may("", "read", Scope::Any)
                .build(),
            PermissionsError::Empty("a".into()),
        ),
    ];
    for (built, expected) in rows {
        assert_eq!(built.unwrap_err(), expected);
    }
    let empty = Permissions::builder().build().unwrap();
    assert!(
        !empty
            .decide(&who("a", "admin"), "x", "y", None)
            .is_granted()
    );
}

#[tokio::test]
async fn authorizing_answers_401_403_and_500_and_leaves_a_trace_of_denials() {
    let sink = CollectingSink::new();
    let ctx = RequestContext::builder()
        .sink(Arc::clone(&sink) as _)
        .build();
    let permissions = Permissions::sample();
    let ask = async |owner| {
        permissions
            .authorize(&ctx, "comment", "delete", owner)
            .await
    };

    assert_eq!(
        ask(None).await.unwrap_err().kind(),
        AuthRefusalKind::Internal
    );
    ctx.identify(Identity::Anonymous);
    assert_eq!(
        ask(None).await.unwrap_err().kind(),
        AuthRefusalKind::NoCredentials
    );
    assert!(sink.events().is_empty());

    ctx.identify(who("alice", "user"));
    assert!(ask(Some("alice")).await.is_ok());
    assert!(sink.events().is_empty());
    assert_eq!(
        ask(Some("bob")).await.unwrap_err().kind(),
        AuthRefusalKind::InsufficientRole
    );
    let events = sink.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind(), &EventKind::ACCESS_DENIED);
    assert_eq!(events[0].actor(), Some("alice"));
    assert_eq!(events[0].detail()["action"], "delete");
}
