//! Claims that hold, claims that do not, and what a flood of them costs.

mod layer;

use std::collections::HashMap;

use sec_core::{CollectingSink, ManualClock};

use super::*;

const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// DNS in memory; what it does not hold does not exist.
#[derive(Default)]
struct Zone {
    names: HashMap<IpAddr, Vec<String>>,
    addresses: HashMap<String, Vec<IpAddr>>,
    /// Answers with this instead.
    fault: Mutex<Option<Fault>>,
    asked: AtomicU32,
}

#[derive(Clone, Copy)]
enum Fault {
    Fails,
    Hangs,
    ForwardFails,
}

#[derive(Clone, Default)]
struct Dns(Arc<Zone>);

impl Dns {
    fn of(records: &[(&str, &str, &[&str])]) -> Self {
        let mut zone = Zone::default();
        for (address, name, forward) in records {
            let names = zone.names.entry(address.parse().unwrap()).or_default();
            names.push((*name).to_owned());
            let forward = forward.iter().map(|address| address.parse().unwrap());
            let key = name.trim_end_matches('.').to_lowercase();
            zone.addresses.insert(key, forward.collect());
        }
        Self(Arc::new(zone))
    }

    fn fault(&self, fault: Option<Fault>) {
        *self.0.fault.lock().unwrap() = fault;
    }

    fn asked(&self) -> u32 {
        self.0.asked.load(Ordering::Relaxed)
    }
}

impl Resolver for Dns {
    fn names(&self, address: IpAddr) -> Lookup<'_, String> {
        Box::pin(async move {
            self.0.asked.fetch_add(1, Ordering::Relaxed);
            let fault = *self.0.fault.lock().unwrap();
            match fault {
                Some(Fault::Fails) => return Err(ResolveError::Failed),
                Some(Fault::Hangs) => std::future::pending().await,
                _ => {}
            }
            let names = self.0.names.get(&address).cloned();
            names.ok_or(ResolveError::NotFound)
        })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> Lookup<'a, IpAddr> {
        Box::pin(async move {
            let fault = *self.0.fault.lock().unwrap();
            if matches!(fault, Some(Fault::ForwardFails)) {
                return Err(ResolveError::Failed);
            }
            let found = self.0.addresses.get(name).cloned();
            found.ok_or(ResolveError::NotFound)
        })
    }
}

fn ctx(address: &str, agent: &str) -> RequestContext {
    RequestContext::builder()
        .client(address.parse::<IpAddr>().unwrap())
        .user_agent(agent)
        .clock(ManualClock::new())
        .sink(CollectingSink::new())
        .build()
}

fn bots(dns: &Dns, clock: &Arc<ManualClock>) -> Bots {
    let config = BotsConfig {
        bad: vec!["BadBot".into(), "masscan".into()],
        ..BotsConfig::default()
    };
    Bots::new(&config, dns.clone())
        .unwrap()
        .clock(clock.clone())
}

/// The verdict once the background has answered.
async fn verdict(bots: &Bots, address: &str, agent: &str) -> BotVerdict {
    let _ = bots.classify(&ctx(address, agent));
    bots.refresh().await;
    bots.classify(&ctx(address, agent))
}

fn named(of: fn(Arc<str>) -> BotVerdict, name: &str) -> BotVerdict {
    of(Arc::from(name))
}

#[tokio::test]
async fn a_claim_holds_only_when_name_and_address_confirm_each_other() {
    let dns = Dns::of(&[
        // The example of "Verifying Googlebot".
        (
            "66.249.66.1",
            "crawl-66-249-66-1.googlebot.com.",
            &["66.249.66.1"],
        ),
        (
            "66.249.66.2",
            "CRAWL-2.GOOGLEBOT.COM",
            &["66.249.66.9", "66.249.66.2"],
        ),
        (
            "2001:4860:4801::1",
            "crawl-v6.googlebot.com",
            &["2001:4860:4801::1"],
        ),
        // A PTR record that lies: whoever owns the address writes it.
        (
            "192.0.2.1",
            "crawl-66-249-66-1.googlebot.com",
            &["66.249.66.1"],
        ),
        ("192.0.2.2", "made-up.googlebot.com", &[]),
        ("192.0.2.3", "evilgooglebot.com", &["192.0.2.3"]),
        ("192.0.2.4", "googlebot.com.evil.example", &["192.0.2.4"]),
        (
            "192.0.2.5",
            "4.3.2.1.bc.googleusercontent.com",
            &["192.0.2.5"],
        ),
        ("192.0.2.6", "x_y googlebot.com", &["192.0.2.6"]),
        ("192.0.2.7", "-.googlebot.com", &["192.0.2.7"]),
        // Another engine's crawler is not this one.
        ("192.0.2.8", "msnbot-1.search.msn.com", &["192.0.2.8"]),
        // One of several names is enough, in reason.
        ("192.0.2.9", "other.example", &["192.0.2.9"]),
        ("192.0.2.9", "crawl-9.googlebot.com", &["192.0.2.9"]),
    ]);
    let bots = bots(&dns, &ManualClock::new());
    for (address, is_google) in [
        ("66.249.66.1", true),
        ("::ffff:66.249.66.1", true),
        ("66.249.66.2", true),
        ("2001:4860:4801::1", true),
        ("2001:4860:4801::2", false),
        ("192.0.2.1", false),
        ("192.0.2.2", false),
        ("192.0.2.3", false),
        ("192.0.2.4", false),
        ("192.0.2.5", false),
        ("192.0.2.6", false),
        ("192.0.2.7", false),
        ("192.0.2.8", false),
        ("192.0.2.9", true),
        ("198.51.100.1", false),
    ] {
        let of = if is_google {
            BotVerdict::Verified
        } else {
            BotVerdict::Spoofed
        };
        assert_eq!(
            verdict(&bots, address, GOOGLEBOT).await,
            named(of, "Googlebot"),
            "{address}"
        );
    }
    let bing = verdict(&bots, "192.0.2.8", "bingbot/2.0").await;
    assert_eq!(bing, named(BotVerdict::Verified, "Bingbot"));
}

#[tokio::test]
async fn more_names_than_a_crawler_has_are_not_looked_through() {
    let mut zone = Zone::default();
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let mut names: Vec<_> = (0..8).map(|n| format!("{n}.example.com")).collect();
    names.push("late.googlebot.com".into());
    zone.names.insert(address, names);
    zone.addresses
        .insert("late.googlebot.com".into(), vec![address]);
    let bots = bots(&Dns(Arc::new(zone)), &ManualClock::new());
    let verdict = verdict(&bots, "192.0.2.1", GOOGLEBOT).await;
    assert_eq!(verdict, named(BotVerdict::Spoofed, "Googlebot"));
}

#[tokio::test]
async fn agents_are_told_apart_without_any_look_up() {
    let dns = Dns::default();
    let bots = bots(&dns, &ManualClock::new());
    for (agent, expected) in [
        ("", BotVerdict::Unclaimed),
        ("Mozilla/5.0 (X11; Linux x86_64)", BotVerdict::Unclaimed),
        ("go", BotVerdict::Unclaimed),
        ("Google bot", BotVerdict::Unclaimed),
        ("badbot/1.0", named(BotVerdict::Bad, "badbot")),
        ("x MASSCAN", named(BotVerdict::Bad, "masscan")),
        ("Googlebot BADBOT", named(BotVerdict::Bad, "badbot")),
        ("GOOGLEBOT", named(BotVerdict::Pending, "Googlebot")),
        ("Applebot/0.1", named(BotVerdict::Pending, "Applebot")),
    ] {
        assert_eq!(bots.classify(&ctx("192.0.2.1", agent)), expected, "{agent}");
    }
    assert_eq!(
        (dns.asked(), bots.waiting()),
        (0, 2),
        "nothing was looked up yet"
    );
}

#[tokio::test]
async fn results_are_kept_renewed_and_forgotten() {
    let clock = ManualClock::new();
    let dns = Dns::of(&[("66.249.66.1", "crawl.googlebot.com", &["66.249.66.1"])]);
    let bots = bots(&dns, &clock);
    let google = ctx("66.249.66.1", GOOGLEBOT);
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Pending, "Googlebot")
    );
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Pending, "Googlebot")
    );
    assert_eq!(bots.waiting(), 1, "queued once");
    bots.refresh().await;
    for _ in 0..100 {
        assert_eq!(
            bots.classify(&google),
            named(BotVerdict::Verified, "Googlebot")
        );
    }
    bots.refresh().await;
    assert_eq!(dns.asked(), 1);

    // After half of its time it is renewed while it counts, and a failure takes nothing away.
    clock.advance(Duration::from_secs(3 * 60 * 60));
    dns.fault(Some(Fault::Fails));
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Verified, "Googlebot")
    );
    assert_eq!(bots.waiting(), 1);
    bots.refresh().await;
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Verified, "Googlebot")
    );
    assert_eq!((bots.waiting(), dns.asked()), (0, 2), "not again at once");
    clock.advance(Duration::from_secs(60));
    dns.fault(None);
    let _ = bots.classify(&google);
    bots.refresh().await;
    clock.advance(Duration::from_secs(6 * 60 * 60) - Duration::from_secs(1));
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Verified, "Googlebot")
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Pending, "Googlebot"),
        "too old"
    );
}

/// A failure is no verdict, and is not asked for at every request.
#[tokio::test(start_paused = true)]
async fn failures_and_time_outs_leave_the_claim_open() {
    for fault in [Fault::Fails, Fault::Hangs, Fault::ForwardFails] {
        let clock = ManualClock::new();
        let dns = Dns::of(&[("66.249.66.1", "crawl.googlebot.com", &["66.249.66.1"])]);
        dns.fault(Some(fault));
        let bots = bots(&dns, &clock);
        let pending = named(BotVerdict::Pending, "Googlebot");
        assert_eq!(verdict(&bots, "66.249.66.1", GOOGLEBOT).await, pending);
        bots.refresh().await;
        assert_eq!(dns.asked(), 1);
        dns.fault(None);
        clock.advance(Duration::from_secs(60));
        let verified = named(BotVerdict::Verified, "Googlebot");
        assert_eq!(verdict(&bots, "66.249.66.1", GOOGLEBOT).await, verified);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_is_dropped_can_be_begun_again() {
    let dns = Dns::of(&[("66.249.66.1", "crawl.googlebot.com", &["66.249.66.1"])]);
    dns.fault(Some(Fault::Hangs));
    let bots = bots(&dns, &ManualClock::new());
    let google = ctx("66.249.66.1", GOOGLEBOT);
    let _ = bots.classify(&google);
    let cut = tokio::time::timeout(Duration::from_secs(1), bots.refresh()).await;
    assert!(cut.is_err());
    dns.fault(None);
    let verified = named(BotVerdict::Verified, "Googlebot");
    assert_eq!(verdict(&bots, "66.249.66.1", GOOGLEBOT).await, verified);
}

#[tokio::test]
async fn a_flood_of_false_claims_takes_bounded_memory_and_pushes_no_real_bot_out() {
    let clock = ManualClock::new();
    let dns = Dns::of(&[
        ("66.249.66.1", "crawl-1.googlebot.com", &["66.249.66.1"]),
        ("66.249.66.2", "crawl-2.googlebot.com", &["66.249.66.2"]),
        ("66.249.66.3", "crawl-3.googlebot.com", &["66.249.66.3"]),
    ]);
    let config = BotsConfig {
        capacity: 2,
        waiting: 8,
        ..BotsConfig::default()
    };
    let bots = Bots::new(&config, dns.clone())
        .unwrap()
        .clock(clock.clone());
    let verified = named(BotVerdict::Verified, "Googlebot");
    assert_eq!(verdict(&bots, "66.249.66.1", GOOGLEBOT).await, verified);
    for host in 0..200 {
        let _ = bots.classify(&ctx(&format!("203.0.113.{host}"), GOOGLEBOT));
        assert!(bots.waiting() <= 8);
        if host % 20 == 19 {
            bots.refresh().await;
            assert!(bots.remembered() <= 2);
        }
    }
    assert_eq!(
        dns.asked(),
        1 + 10 * 8,
        "what found no place was not looked up"
    );
    assert_eq!(bots.classify(&ctx("66.249.66.1", GOOGLEBOT)), verified);
    assert_eq!(verdict(&bots, "66.249.66.2", GOOGLEBOT).await, verified);
    // Full of real ones: a false claim finds no place, another real one takes the oldest.
    let spoofed = verdict(&bots, "203.0.113.1", GOOGLEBOT).await;
    assert_eq!(spoofed, named(BotVerdict::Pending, "Googlebot"));
    bots.refresh().await;
    assert_eq!(bots.classify(&ctx("66.249.66.1", GOOGLEBOT)), verified);
    assert_eq!(verdict(&bots, "66.249.66.3", GOOGLEBOT).await, verified);
    assert_eq!(bots.remembered(), 2);
}

#[tokio::test]
async fn a_spawner_looks_up_in_the_background_with_few_tasks() {
    let dns = Dns::of(&[("66.249.66.1", "crawl.googlebot.com", &["66.249.66.1"])]);
    let tasks = Arc::new(Mutex::new(Vec::new()));
    let spawned = tasks.clone();
    let bots =
        bots(&dns, &ManualClock::new()).spawner(move |work| spawned.lock().unwrap().push(work));
    let google = ctx("66.249.66.1", GOOGLEBOT);
    let _ = bots.classify(&google);
    for host in 0..50 {
        let _ = bots.classify(&ctx(&format!("203.0.113.{host}"), GOOGLEBOT));
    }
    let first = std::mem::take(&mut *tasks.lock().unwrap());
    assert_eq!(
        (first.len(), dns.asked()),
        (4, 0),
        "no look-up while a request waits"
    );
    // Tasks that a host drops make room for others.
    drop(first);
    let _ = bots.classify(&google);
    let second = std::mem::take(&mut *tasks.lock().unwrap());
    assert_eq!(second.len(), 1);
    for task in second {
        task.await;
    }
    assert_eq!(
        bots.classify(&google),
        named(BotVerdict::Verified, "Googlebot")
    );
    assert_eq!((bots.waiting(), dns.asked()), (0, 51));
}
