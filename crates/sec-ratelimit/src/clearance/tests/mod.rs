//! Forged, expired and moved clearances, and solutions that are sent twice.

mod layer;

use std::net::IpAddr;

use http::{Method, Request};
use sec_core::{CollectingSink, ManualClock};

use super::*;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const KEY: [u8; 32] = [7; 32];

struct Client {
    address: &'static str,
    agent: &'static str,
    scheme: Scheme,
}

const ADA: Client = Client {
    address: "2001:db8:1:2::3",
    agent: BROWSER,
    scheme: Scheme::Https,
};

impl Client {
    fn ctx(&self, method: Method, path: &str) -> RequestContext {
        let builder = RequestContext::builder()
            .client(self.address.parse::<IpAddr>().unwrap())
            .user_agent(self.agent)
            .scheme(self.scheme)
            .method(method)
            .path(path)
            .clock(ManualClock::new())
            .sink(CollectingSink::new());
        builder.build()
    }

    fn here(&self) -> RequestContext {
        self.ctx(Method::GET, "/")
    }

    fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method.clone()).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(self.ctx(method, path));
        request
    }
}

fn clearance(clock: &Arc<ManualClock>) -> Clearance {
    Clearance::with_keys([&KEY[..]], 4)
        .unwrap()
        .clock(clock.clone())
}

fn solved(challenge: &Challenge) -> String {
    format!("{}:{}", challenge.token(), challenge.solve())
}

/// `name=value` of a fresh clearance.
fn cookie(clearance: &Clearance, client: &Client) -> String {
    let ctx = client.here();
    let set = clearance
        .redeem(&ctx, &solved(&clearance.challenge(&ctx, 0)))
        .unwrap();
    let set = set.to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

fn cleared(clearance: &Clearance, client: &Client, cookie: &str) -> bool {
    let request = client.request(Method::GET, "/", &[("cookie", cookie)]);
    clearance.is_cleared(&client.here(), request.headers())
}

#[test]
fn a_clearance_is_good_for_its_client_until_it_expires_and_nobody_else() {
    let clock = ManualClock::new();
    let clearance = clearance(&clock);
    let good = cookie(&clearance, &ADA);
    assert!(good.starts_with("__Host-clearance="));
    assert!(cleared(&clearance, &ADA, &good));
    let with_others = format!("a=b; clearance=x; {good}; theme=dark");
    assert!(cleared(&clearance, &ADA, &with_others));
    let same_network = Client {
        address: "2001:db8:1:2:ffff::9",
        ..ADA
    };
    assert!(cleared(&clearance, &same_network, &good), "the same /64");

    for (what, client) in [
        (
            "another /64",
            Client {
                address: "2001:db8:1:3::3",
                ..ADA
            },
        ),
        (
            "another family",
            Client {
                address: "192.0.2.1",
                ..ADA
            },
        ),
        (
            "another agent",
            Client {
                agent: "curl/8.15.0",
                ..ADA
            },
        ),
        ("no agent", Client { agent: "", ..ADA }),
        (
            "the name of https over http",
            Client {
                scheme: Scheme::Http,
                ..ADA
            },
        ),
    ] {
        assert!(!cleared(&clearance, &client, &good), "{what}");
    }

    clock.advance(LIFETIME - Duration::from_secs(1));
    assert!(cleared(&clearance, &ADA, &good));
    clock.advance(Duration::from_secs(1));
    assert!(!cleared(&clearance, &ADA, &good), "expired");
}

#[test]
fn what_was_not_signed_is_nothing() {
    let clock = ManualClock::new();
    let clearance = clearance(&clock);
    let good = cookie(&clearance, &ADA);
    let value = good.split_once('=').unwrap().1;
    let bytes = URL_SAFE_NO_PAD.decode(value).unwrap();
    assert_eq!(bytes.len(), HEAD + MAC);
    // Every bit of version, expiry and tag.
    for bit in 0..bytes.len() * 8 {
        let mut forged = bytes.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("__Host-clearance={}", URL_SAFE_NO_PAD.encode(forged));
        assert!(!cleared(&clearance, &ADA, &forged), "bit {bit}");
    }
    for length in 0..value.len() {
        let short = format!("__Host-clearance={}", value.get(..length).unwrap());
        assert!(!cleared(&clearance, &ADA, &short), "{length} characters");
    }
    let long = "A".repeat(100_000);
    for odd in ["", "=", "__Host-clearance", "__Host-clearance=%%", &long] {
        assert!(!cleared(&clearance, &ADA, odd));
        assert!(!cleared(
            &clearance,
            &ADA,
            &format!("__Host-clearance={odd}")
        ));
        assert!(!cleared(&clearance, &ADA, &format!("{good}{odd}x")));
    }
    // The head of a proof's token under the same key is no clearance.
    let token = clearance.challenge(&ADA.here(), 0);
    assert!(!cleared(
        &clearance,
        &ADA,
        &format!("__Host-clearance={}", token.token())
    ));
    // Not more than so many are tried.
    let flood = "__Host-clearance=x; ".repeat(MOST_COOKIES);
    assert!(!cleared(&clearance, &ADA, &format!("{flood}{good}")));
}

#[test]
fn a_key_is_replaced_by_one_in_front() {
    let clock = ManualClock::new();
    let old = cookie(&clearance(&clock), &ADA);
    let ring = |keys: &[&[u8]]| {
        let ring = Clearance::with_keys(keys.iter().copied(), 4).unwrap();
        ring.clock(clock.clone())
    };
    let both = ring(&[&[8; 32], &KEY]);
    assert!(cleared(&both, &ADA, &old));
    let new = cookie(&both, &ADA);
    let after = ring(&[&[8; 32]]);
    assert!(cleared(&after, &ADA, &new));
    assert!(!cleared(&after, &ADA, &old), "another key");
    assert!(!cleared(&clearance(&clock), &ADA, &new));
}

#[test]
fn the_cookie_has_every_attribute() {
    let clearance = clearance(&ManualClock::new());
    for (scheme, start, secure) in [
        (Scheme::Https, "__Host-clearance=", true),
        (Scheme::Http, "clearance=", false),
    ] {
        let client = Client { scheme, ..ADA };
        let ctx = client.here();
        let set = clearance.redeem(&ctx, &solved(&clearance.challenge(&ctx, 0)));
        let set = set.unwrap();
        assert!(set.is_sensitive());
        let set = set.to_str().unwrap();
        assert!(set.starts_with(start), "{set}");
        let attributes: Vec<_> = set.split("; ").skip(1).collect();
        for attribute in ["Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax"] {
            assert!(attributes.contains(&attribute), "{set}");
        }
        assert_eq!(attributes.contains(&"Secure"), secure);
        assert!(!set.contains("Domain"), "{set}");
    }
}

#[test]
fn a_solution_counts_once_and_only_where_it_was_asked() {
    let clock = ManualClock::new();
    let clearance = clearance(&clock);
    let ctx = ADA.here();
    let elsewhere = Client {
        address: "192.0.2.1",
        ..ADA
    };
    let solution = solved(&clearance.challenge(&ctx, 0));
    let moved = clearance.redeem(&elsewhere.here(), &solution);
    assert_eq!(moved, Err(ProofError::Foreign));
    assert!(clearance.redeem(&ctx, &solution).is_ok());
    assert_eq!(clearance.redeem(&ctx, &solution), Err(ProofError::Spent));
    let late = solved(&clearance.challenge(&ctx, 0));
    clock.advance(PROOF_LIFETIME);
    assert_eq!(clearance.redeem(&ctx, &late), Err(ProofError::Expired));
    let token = clearance.challenge(&ctx, 0).token().to_owned();
    for odd in [
        "",
        ":",
        "x",
        "x:1",
        &token,
        &format!("{token}:"),
        &format!("{token}:-1"),
    ] {
        let error = clearance.redeem(&ctx, odd).unwrap_err();
        assert!(matches!(error, ProofError::Malformed), "{odd:?}: {error}");
    }
    let huge = format!("{token}:99999999999999999999999");
    assert_eq!(clearance.redeem(&ctx, &huge), Err(ProofError::Malformed));
}

/// What is remembered of spent proofs is bounded: when it is full, one more is refused, not forgotten.
#[test]
fn spent_proofs_take_a_fixed_memory() {
    let clock = ManualClock::new();
    let proofs = ProofOfWork::with_key(&KEY, 1, PROOF_LIFETIME).unwrap();
    let few = clearance(&clock)
        .proofs(proofs.capacity(1))
        .clock(clock.clone());
    let ctx = ADA.here();
    let mut first = None;
    let mut busy = 0;
    for _ in 0..500 {
        let solution = solved(&few.challenge(&ctx, 0));
        match few.redeem(&ctx, &solution) {
            Ok(_) => first = first.or(Some(solution)),
            Err(error) => {
                assert_eq!(error, ProofError::Busy);
                busy += 1;
            }
        }
    }
    assert!(busy > 0);
    assert_eq!(few.redeem(&ctx, &first.unwrap()), Err(ProofError::Spent));
}

#[test]
fn a_harder_challenge_cannot_be_answered_as_an_easy_one() {
    let clearance = clearance(&ManualClock::new());
    let ctx = ADA.here();
    let hard = clearance.challenge(&ctx, 8);
    assert_eq!(hard.difficulty(), 12);
    let easy = crate::solve(hard.token(), 4);
    let right = hard.solve();
    if easy != right {
        let wrong = clearance.redeem(&ctx, &format!("{}:{easy}", hard.token()));
        assert_eq!(wrong, Err(ProofError::Wrong));
    }
    assert!(
        clearance
            .redeem(&ctx, &format!("{}:{right}", hard.token()))
            .is_ok()
    );
    assert_eq!(
        clearance.challenge(&ctx, 255).difficulty(),
        ProofOfWork::MAX_DIFFICULTY
    );
}
