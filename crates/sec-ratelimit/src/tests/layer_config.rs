//! What a section says about the layer beside its limits: blocks, spikes, statistics. It is the same for a limiter in
//! memory and for one that processes share.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use sec_core::config::Loader;
use sec_core::{CollectingSink, EventKind, FieldFaults, ManualClock, RequestContext};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::layer::{Inner, call};
use crate::{MemoryStore, RateLimitConfig, SharedLimitConfig, SharedStores};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn memory(changes: &Value) -> RateLimitConfig {
    let mut section = json!({"tiers": [{"name": "api", "limit": 1, "per": "1h"}]});
    let fields = section.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    serde_json::from_value(section).unwrap()
}

fn shared(changes: &Value) -> SharedLimitConfig {
    let mut section = json!({
        "name": "api", "store": "redis", "secret": SECRET,
        "tiers": [{"name": "api", "limit": 1, "per": "1h"}],
    });
    let fields = section.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    serde_json::from_value(section).unwrap()
}

fn stores() -> SharedStores {
    let store = Arc::new(MemoryStore::new());
    let stores = SharedStores::new().with("redis", store.clone());
    stores.with_blocks("redis", store)
}

fn sharing() -> Value {
    json!({"store": "redis", "list": "web", "secret": SECRET})
}

#[test]
fn each_wrong_value_is_reported_at_its_path() {
    let ban = |ban: Value| json!({ "ban": ban });
    let shared_by = |changes: Value| {
        let mut table = sharing();
        let fields = table.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        json!({"ban": {"shared": table}})
    };
    for (changes, path, reason) in [
        (ban(json!({"after": 0})), "ban.after", "from 1 to 1000000"),
        (ban(json!({"lengths": []})), "ban.lengths", "from 1 to 16"),
        (
            ban(json!({"lengths": ["5m", 0]})),
            "ban.lengths[1]",
            "longer than zero",
        ),
        (ban(json!({"within": 0})), "ban.within", "longer than zero"),
        (
            ban(json!({"forgive_after": 0})),
            "ban.forgive_after",
            "longer than zero",
        ),
        (ban(json!({"capacity": 15})), "ban.capacity", "from 16"),
        (
            shared_by(json!({"store": ""})),
            "ban.shared.store",
            "registered",
        ),
        (shared_by(json!({"list": ""})), "ban.shared.list", "1 to 64"),
        (shared_by(json!({"list": "a{b}"})), "ban.shared.list", "a-z"),
        (
            shared_by(json!({"secret": null})),
            "ban.shared.secret",
            "32 bytes",
        ),
        (
            shared_by(json!({"secret": "short"})),
            "ban.shared.secret",
            "32 bytes",
        ),
        (
            shared_by(json!({"poll": "9ms"})),
            "ban.shared.poll",
            "10 ms to a minute",
        ),
        (
            shared_by(json!({"poll": "61s"})),
            "ban.shared.poll",
            "10 ms to a minute",
        ),
        (
            shared_by(json!({"deadline": "999us"})),
            "ban.shared.deadline",
            "1 ms to 10 s",
        ),
        (
            shared_by(json!({"deadline": "11s"})),
            "ban.shared.deadline",
            "1 ms to 10 s",
        ),
        (
            json!({"spikes": {"factor": 1}}),
            "spikes.factor",
            "from 2 to 1000",
        ),
        (
            json!({"spikes": {"window": 0}}),
            "spikes.window",
            "longer than zero",
        ),
        (json!({"spikes": {"least": 0}}), "spikes.least", "from 1"),
        (
            json!({"spikes": {"routes": 0}}),
            "spikes.routes",
            "from 1 to 65536",
        ),
        (
            json!({"spikes": {"routes": 65_537}}),
            "spikes.routes",
            "from 1 to 65536",
        ),
    ] {
        let (memory, shared) = (memory(&changes), shared(&changes));
        for faults in [FieldFaults::of(&memory), FieldFaults::of(&shared)] {
            let found: Vec<_> = faults.iter().map(|fault| fault.path()).collect();
            assert_eq!(found, [path], "{changes}: {faults}");
            assert!(faults.to_string().contains(reason), "{changes}: {faults}");
        }
        // The check and the constructors follow one set of rules.
        let errors = [
            memory.layer_sharing(&stores()).map(drop).unwrap_err(),
            shared.layer_sharing(&stores()).map(drop).unwrap_err(),
        ];
        assert!(
            errors.iter().all(|error| error.field() == path),
            "{errors:?}"
        );
    }
}

#[test]
fn all_faults_of_a_table_come_at_once() {
    let config = memory(&json!({
        "ban": {"after": 0, "within": 0, "lengths": [0, 1, 0], "shared": {"poll": 0}},
        "spikes": {"factor": 0, "least": 0},
    }));
    let faults = FieldFaults::of(&config);
    let paths: Vec<_> = faults.iter().map(|fault| fault.path()).collect();
    assert_eq!(
        paths,
        [
            "ban.after",
            "ban.within",
            "ban.lengths[0]",
            "ban.lengths[2]",
            "ban.shared.list",
            "ban.shared.secret",
            "ban.shared.poll",
            "ban.shared.store",
            "spikes.factor",
            "spikes.least"
        ]
    );
    for unknown in [
        json!({"ban": {"length": "5m"}}),
        json!({"ban": {"shared": {"lists": "web"}}}),
        json!({"spikes": {"factors": 3}}),
        json!({"spikes": true}),
    ] {
        let mut section = json!({"tiers": []});
        section
            .as_object_mut()
            .unwrap()
            .extend(unknown.as_object().unwrap().clone());
        let error = serde_json::from_value::<RateLimitConfig>(section).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("unknown field") || error.contains("invalid type"),
            "{error}"
        );
    }
}

/// Who spawns nothing would share nothing.
#[test]
fn shared_blocks_need_the_function_that_gives_the_follower() {
    let changes = json!({"ban": {"shared": sharing()}});
    let errors = [
        memory(&changes).layer().unwrap_err(),
        shared(&changes).layer(&stores()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.field(), "ban.shared");
        assert!(error.to_string().contains("`layer_sharing`"), "{error}");
    }
    // The store for blocks is a name of its own.
    let only_counters = SharedStores::new().with("redis", Arc::new(MemoryStore::new()));
    let error = shared(&changes).layer_sharing(&only_counters).unwrap_err();
    assert_eq!(error.field(), "ban.shared.store");
    let (_, follower) = memory(&json!({"ban": {}}))
        .layer_sharing(&stores())
        .unwrap();
    assert!(follower.is_none(), "there is nothing to share");
}

fn request(
    route: &'static str,
    clock: &Arc<ManualClock>,
    sink: &Arc<CollectingSink>,
) -> Request<()> {
    let mut request = Request::new(());
    let ctx = RequestContext::builder()
        .clock(clock.clone())
        .sink(sink.clone());
    request.extensions_mut().insert(ctx.build());
    crate::MatchedRoute::set(&mut request, route);
    request
}

/// Two processes from one section, of each kind of limiter.
#[tokio::test(start_paused = true)]
async fn blocks_of_a_section_are_shared() {
    let changes = json!({"ban": {"after": 1, "lengths": ["5m"], "shared": sharing()}});
    let (clock, sink, stores) = (ManualClock::new(), CollectingSink::new(), stores());
    let (here, follower) = shared(&changes).layer_sharing(&stores).unwrap();
    tokio::spawn(follower.unwrap().run());
    let (there, follower) = memory(&changes).layer_sharing(&stores).unwrap();
    tokio::spawn(follower.unwrap().run());
    for expected in [200, 429] {
        let service = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Inner::default()));
        let request = request("/", &clock, &sink);
        let response = here.layer(service).oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    // Each asks once a second, and time passes as soon as nobody has anything to do.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let blocks = there.bans().unwrap().blocks();
    assert_eq!(blocks.len(), 1);
    assert_eq!(
        call(&there, request("/", &clock, &sink)).await.status(),
        429
    );
}

#[tokio::test]
async fn statistics_and_spikes_are_as_the_section_says() {
    let changes = json!({
        "statistics": true,
        "spikes": {"factor": 2, "window": "10s", "least": 5, "routes": 8},
    });
    assert!(
        shared(&json!({}))
            .limiter(&stores())
            .unwrap()
            .statistics()
            .is_none()
    );
    assert!(
        shared(&changes)
            .limiter(&stores())
            .unwrap()
            .statistics()
            .is_some()
    );

    let (clock, sink) = (ManualClock::new(), CollectingSink::new());
    let config = memory(&changes);
    let limiter = config
        .builder()
        .unwrap()
        .clock(clock.clone())
        .build()
        .unwrap();
    let layer = config.layer_of(limiter.clone()).unwrap();
    for requests in [3, 7] {
        for _ in 0..requests {
            call(&layer, request("/search", &clock, &sink)).await;
        }
        clock.advance(Duration::from_secs(10));
    }
    let policies = limiter.statistics().unwrap().policies();
    assert_eq!((policies[0].allowed(), policies[0].refused()), (1, 9));
    let events = sink.events();
    let mut spikes = events
        .iter()
        .filter(|event| *event.kind() == EventKind::SPIKE_STARTED);
    assert_eq!(spikes.next().unwrap().entity(), Some(("route", "/search")));
}

#[test]
fn the_loader_says_where_each_fault_stands() {
    let file = "\
[limits]
statistics = true
tiers = [{ name = \"api\", preset = \"api\" }]

[limits.ban]
after = 0
lengths = [\"5m\", \"0s\"]

[limits.ban.shared]
store = \"redis\"
list = \"Web\"

[limits.spikes]
window = \"0s\"
";
    let mut load = Loader::new()
        .text("sec.toml", file)
        .unwrap()
        .env_prefix("SEC")
        .env_from([("SEC_LIMITS__BAN__SHARED__SECRET", "hush")]);
    let limits = load.section::<RateLimitConfig>("limits");
    let faults = load.finish(limits).unwrap_err();
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    for (line, path) in [
        ("sec.toml:6", "limits.ban.after"),
        ("sec.toml:7", "limits.ban.lengths[1]"),
        ("sec.toml:11", "limits.ban.shared.list"),
        ("sec.toml:14", "limits.spikes.window"),
        ("SEC_LIMITS__BAN__SHARED__SECRET", ""),
    ] {
        let mut lines = lines.iter();
        let found = lines.any(|l| l.starts_with(line) && l.contains(path));
        assert!(found, "{line} {path}: {faults}");
    }
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(!faults.to_string().contains("hush"));
}
