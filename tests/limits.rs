//! The quickstart's limits over real HTTP: what the tour does not show.

use std::time::Duration;

use serde_json::json;

use crate::support::{ADMIN_PASSWORD, PASSWORD, Running};

#[tokio::test]
async fn an_account_has_one_quota_from_wherever_it_comes() {
    let service = Running::with(|settings| {
        settings.limits.caller.tiers[0].limit = Some(3);
        settings.limits.caller.tiers[0].burst = Some(3);
    })
    .await;
    service.sign_up("nomad").await;
    let nomad = service.logged_in("nomad", PASSWORD, [1, 1]).await;
    let mut answers = Vec::new();
    for host in 2..6 {
        let elsewhere = service
            .client([1, host])
            .with_token(nomad.token.clone().unwrap());
        answers.push(elsewhere.get("/me").await.unwrap());
    }
    let last = answers.pop().unwrap();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(last.status, 429);
    assert_eq!(last.json()["violated-policies"], json!(["caller"]));
    let other = service.client([1, 6]);
    assert_eq!(other.get("/comments").await.unwrap().status, 200);
}

#[tokio::test]
async fn the_operator_blocks_networks_and_is_told_what_cannot_be() {
    let service = Running::start().await;
    let admin = service.logged_in("admin", ADMIN_PASSWORD, [1, 1]).await;
    let block = async |address: &str| {
        let form = json!({"address": address, "for": "1h"});
        admin.post("/admin/limits/blocks", &form).await.unwrap()
    };
    assert_eq!(block("127.0.7.0/24").await.status, 201);
    for host in [1, 200] {
        let answer = service.client([7, host]).get("/healthz").await.unwrap();
        assert!(answer.is_problem("blocked"), "{}", answer.json());
        assert!((3500..=3600).contains(&answer.retry_after()));
    }
    assert_eq!(
        service.client([8, 1]).get("/healthz").await.unwrap().status,
        200
    );
    let seen = admin.get("/admin/limits").await.unwrap().json();
    assert_eq!(seen["blocks"][0]["address"], "127.0.7.0/24");
    assert_eq!(seen["blocks"][0]["by_hand"], true);

    for wrong in ["127.0.0.0/8", "127.0.7.1/33", "127.0.7", "", "/", "::1/0"] {
        let answer = block(wrong).await;
        assert_eq!(answer.status, 422, "{wrong:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/address");
    }
    let path = |address: &str| format!("/admin/limits/blocks?address={address}");
    let lift = async |address: &str| admin.delete(&path(address)).await.unwrap().status.as_u16();
    assert_eq!(lift("127.0.9.1").await, 404, "was not blocked");
    assert_eq!(lift("127.0.7.0/24").await, 204);
    assert_eq!(
        service.client([7, 1]).get("/healthz").await.unwrap().status,
        200
    );
    let nobody = service.client([7, 1]);
    let form = json!({"address": "127.0.7.1", "for": "1h"});
    for answer in [
        nobody.get("/admin/limits").await,
        nobody.post("/admin/limits/blocks", &form).await,
        nobody.delete(&path("127.0.7.1")).await,
    ] {
        assert_eq!(answer.unwrap().status, 401);
    }
}

#[tokio::test]
async fn a_spike_of_one_route_is_told_and_refuses_nobody() {
    let window = Duration::from_secs(1);
    let service = Running::with(|settings| {
        settings.limits.spikes.window = window;
        settings.limits.spikes.least = 5;
    })
    .await;
    let client = service.client([1, 1]);
    let ask = async |path| client.get(path).await.unwrap().status.as_u16();
    assert_eq!(ask("/comments").await, 200);
    assert_eq!(ask("/").await, 200);
    // The first window is over then: it has nothing to be compared with.
    tokio::time::sleep(window).await;
    for _ in 0..40 {
        assert_eq!(ask("/comments").await, 200);
    }
    assert_eq!(ask("/").await, 200);
    let told = service.entries("excess_spike_started").await;
    assert!(!told.is_empty());
    assert!(
        told.iter()
            .all(|entry| entry.to_string().contains("/comments")),
        "{told:?}"
    );
}
