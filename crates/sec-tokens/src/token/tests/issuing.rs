//! What is issued, and what is not.

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Plan {
    plan: String,
    seats: u32,
}

#[test]
fn own_claims_are_typed_and_cannot_shadow_ours() {
    let bench = bench();
    let verifier: Verifier<Plan> = bench.issuer.verifier_with();
    let plan = Plan {
        plan: "gold".into(),
        seats: 3,
    };
    let issued = bench.issuer.issue_with(&alice(), &plan, at(NOW)).unwrap();
    assert_eq!(
        verifier.verify(issued.expose(), at(NOW)).unwrap().custom(),
        &plan
    );
    assert!(bench.verifier.verify(issued.expose(), at(NOW)).is_ok());

    let plain = bench.issuer.issue(&alice(), at(NOW)).unwrap();
    let refused = verifier.verify(plain.expose(), at(NOW)).unwrap_err();
    assert_eq!(refused.kind(), TokenErrorKind::CustomClaims);

    for name in crate::token::claims::RESERVED {
        let refused = bench
            .issuer
            .issue_with(&alice(), &json!({ name: 1 }), at(NOW))
            .unwrap_err();
        assert_eq!(refused, IssueError::ReservedClaim(name));
    }
    let refused = bench
        .issuer
        .issue_with(&alice(), &[1, 2], at(NOW))
        .unwrap_err();
    assert_eq!(refused, IssueError::CustomClaims);
}

#[test]
fn nothing_is_issued_that_would_be_read_otherwise() {
    let bench = bench();
    let new = |subject: &str| Principal::new(subject, AuthMethod::Password);
    let rows = [
        (new(""), IssueError::BadClaim("sub")),
        (new("a\u{0}"), IssueError::BadClaim("sub")),
        (new(&"a".repeat(256)), IssueError::BadClaim("sub")),
        (new("a").with_role("x\ny"), IssueError::BadClaim("roles")),
        (new("a").with_session(""), IssueError::BadClaim("sid")),
        (
            new("a").with_tenant("\u{85}"),
            IssueError::BadClaim("tenant"),
        ),
        (new("a").with_scope("read admin"), IssueError::BadScope),
        (new("a").with_scope(""), IssueError::BadScope),
        (
            new("a").with_roles((0..100).map(|n| format!("{n:0100}"))),
            IssueError::TooLong,
        ),
    ];
    for (who, expected) in rows {
        assert_eq!(bench.issuer.issue(&who, at(NOW)).unwrap_err(), expected);
    }
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(
        bench.issuer.issue(&alice(), before).unwrap_err(),
        IssueError::Clock
    );
}

#[test]
fn issuer_audience_and_lifetime_are_mandatory_and_bounded() {
    let ring = || KeyRing::new(SigningKey::generate_ed25519().unwrap()).unwrap();
    assert_eq!(
        Issuer::new(ring(), "", AUD).unwrap_err(),
        TokenConfigError::Issuer
    );
    assert_eq!(
        Issuer::new(ring(), ISS, "").unwrap_err(),
        TokenConfigError::Audience
    );
    let verifier = Verifier::<NoClaims>::new(&ring(), ISS, "");
    assert_eq!(verifier.unwrap_err(), TokenConfigError::Audience);
    for bad in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(86_401),
    ] {
        let issuer = Issuer::new(ring(), ISS, AUD).unwrap();
        assert_eq!(
            issuer.lifetime(bad).unwrap_err(),
            TokenConfigError::Lifetime
        );
    }
}

#[test]
fn debug_and_display_show_no_token() {
    let bench = bench();
    let issued = bench.issuer.issue(&alice(), at(NOW)).unwrap();
    for shown in [
        format!("{issued:?}"),
        issued.to_string(),
        format!("{:?}", bench.issuer),
    ] {
        assert!(!shown.contains(issued.expose()), "{shown}");
        assert!(!shown.contains("eyJ"), "{shown}");
    }
}
