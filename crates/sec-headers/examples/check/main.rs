//! Asks a service and grades what it tells browsers.
//!
//! `cargo run -p sec-headers --example check -- http://127.0.0.1:3000/`

mod client;
mod print;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use client::{Answer, Client, Failure, parts};
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_SECURITY_POLICY, LOCATION, ORIGIN,
    STRICT_TRANSPORT_SECURITY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use sec_headers::Scheme;
use sec_headers::check::{CODES, Check, Grade, Redirect, Report};

const HELP: &str = "\
Grades the security headers of a service as Mozilla's HTTP Observatory does, and looks further.

check [--json] [--min-grade GRADE] [--accept CODE]... [--forwarded] URL

  URL               http:// or https://. Redirects are followed; what answers last is graded.
  --json            the report as JSON
  --min-grade G     a grade below G (A+ A A- B+ B B- C+ C C- D+ D D- F) is a failure
  --accept CODE     leaves the finding of this code out; it keeps its points
  --forwarded       sends X-Forwarded-Proto: https and grades as if over https: for a service that
                    stands behind a proxy and trusts it. In its configuration that is
                    [context] forwarding = \"x-forwarded\", trusted_proxies = [\"127.0.0.1\"]

An https address is asked three times, for its http counterpart, for what a foreign origin may do,
and again for whether nonces change. The counterpart is only known where the port is 443. Roots are
the system's, or those in the file that SSL_CERT_FILE names.

Exit status: 0 it was graded; 1 the grade is below --min-grade; 2 there was nothing to grade, or the
arguments are wrong. Colours are left out where NO_COLOR is set or nobody reads at a terminal.
";
/// Nobody's: what it may do, anybody may.
const FOREIGN: &str = "https://check.invalid";

const DOUBT: &str =
    "the service did not believe X-Forwarded-Proto: is 127.0.0.1 among its trusted proxies?";

struct Arguments {
    uri: Uri,
    json: bool,
    min_grade: Option<Grade>,
    accepted: Vec<String>,
    forwarded: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "check: {failure}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let Some(arguments) = Arguments::read(std::env::args().skip(1))? else {
        let _ = io::stdout().write_all(HELP.as_bytes());
        return Ok(ExitCode::SUCCESS);
    };
    let mut client = Client::new()?;
    let mut doubt = None;
    if arguments.forwarded {
        let name = HeaderName::from_static("x-forwarded-proto");
        let forwarded = client
            .clone()
            .always(name, HeaderValue::from_static("https"));
        if !is_believed(&client, &forwarded, &arguments.uri).await? {
            doubt = Some(DOUBT);
        }
        client = forwarded;
    }
    let (answer, report, untested) = match (inspect(&client, &arguments).await, doubt) {
        (Err(failure), Some(doubt)) => return Err(Failure::plain(format!("{failure}. {doubt}"))),
        (result, _) => result?,
    };
    let text = if arguments.json {
        print::json(&answer, &report, &untested, doubt)
    } else {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colours = io::stdout().is_terminal() && !no_color;
        print::text(&answer, &report, &untested, doubt, colours)
    };
    // Nobody may be reading: `check … | head`.
    let _ = io::stdout().write_all(text.as_bytes());
    let below = arguments.min_grade.is_some_and(|min| report.grade() < min);
    Ok(ExitCode::from(u8::from(below)))
}

/// Whether the service takes this client for a proxy: it answers otherwise over "https", or with what is for https alone.
async fn is_believed(plain: &Client, forwarded: &Client, uri: &Uri) -> Result<bool, Failure> {
    let none = HeaderMap::new();
    let (status, headers, _) = plain.ask(Method::GET, uri, &none).await?;
    let (told_status, told, _) = forwarded.ask(Method::GET, uri, &none).await?;
    let upgrades = |value: &HeaderValue| {
        let value = String::from_utf8_lossy(value.as_bytes());
        value.contains("upgrade-insecure-requests")
    };
    Ok(told.contains_key(STRICT_TRANSPORT_SECURITY)
        || told.get_all(CONTENT_SECURITY_POLICY).iter().any(upgrades)
        || status != told_status
        || headers.get(LOCATION) != told.get(LOCATION))
}

/// The error for a code that no finding has, with those that are most like it.
fn unknown_code(code: &str) -> Failure {
    let words: Vec<_> = code.split('-').collect();
    let alike = |known: &str| known.split('-').filter(|word| words.contains(word)).count();
    let most = CODES.iter().map(|known| alike(known)).max().unwrap_or(0);
    let known = CODES.iter().filter(|known| alike(known) == most);
    let list: Vec<_> = known.map(|known| format!("  {known}")).collect();
    Failure::plain(format!(
        "no finding has the code {code:?}. {}:\n{}",
        if most == 0 {
            "Those that there are"
        } else {
            "Those most like it"
        },
        list.join("\n")
    ))
}

/// Asks all that the report needs, and says what could not be asked.
async fn inspect(
    client: &Client,
    arguments: &Arguments,
) -> Result<(Answer, Report, Vec<String>), Failure> {
    let mut untested = Vec::new();
    let (host, port, secure) = parts(&arguments.uri)?;
    let usual = port == if secure { 443 } else { 80 };
    let at = |scheme: &str| -> Option<Uri> {
        let path = arguments
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str());
        format!("{scheme}://{host}{path}").parse().ok()
    };
    // The counterpart at the other scheme's usual port.
    let (http, https) = match (usual && !arguments.forwarded, secure) {
        (true, _) => (at("http"), at("https")),
        (false, true) => (None, Some(arguments.uri.clone())),
        (false, false) => (Some(arguments.uri.clone()), None),
    };

    let plain = match &http {
        Some(uri) => Some(client.get(uri).await),
        None => None,
    };
    let encrypted = match &https {
        Some(uri) => Some(client.get(uri).await),
        None => None,
    };
    let redirect = match &plain {
        Some(Ok(answer)) => {
            let route: Vec<_> = answer.route.iter().map(String::as_str).collect();
            Some(Redirect::of(&route))
        }
        Some(Err(_)) => Some(Redirect::NoHttp),
        None => None,
    };
    let (answer, scheme, redirect) = match (encrypted, plain) {
        (Some(Ok(answer)), _) => (answer, Scheme::Https, redirect),
        (Some(Err(failure)), _) if secure => return Err(failure),
        (_, Some(Ok(answer))) if arguments.forwarded => (answer, Scheme::Https, None),
        (_, Some(Ok(answer))) => {
            let scheme = if parts(&answer.uri)?.2 {
                Scheme::Https
            } else {
                Scheme::Http
            };
            (answer, scheme, redirect)
        }
        (Some(Err(failure)), _) | (None, Some(Err(failure))) => return Err(failure),
        (None, None) => return Err(Failure::plain("there is nothing to ask")),
    };
    if redirect.is_none() {
        untested.push("whether http is redirected to https".to_owned());
    }
    if scheme == Scheme::Http && !usual {
        untested.push(format!(
            "https: {host} was asked at port {port} only (see --forwarded)"
        ));
    }
    untested.push("preload lists of browsers".to_owned());

    let cors = ask_across_origins(client, &answer.uri, &mut untested).await;
    let again = client.get(&answer.uri).await;
    let mut check = Check::new(&answer.headers)
        .scheme(scheme)
        .host(answer.uri.host().unwrap_or(host))
        .html(&answer.body);
    if let Some(cors) = &cors {
        check = check.cors(FOREIGN, cors);
    }
    match &again {
        Ok(again) => check = check.earlier(&again.headers),
        Err(_) => untested.push("whether nonces change".to_owned()),
    }
    if let Some(redirect) = redirect {
        check = check.redirect(redirect);
    }
    for code in &arguments.accepted {
        check = check.accept(code);
    }
    let report = check.run();
    Ok((answer, report, untested))
}

async fn ask_across_origins(
    client: &Client,
    uri: &Uri,
    untested: &mut Vec<String>,
) -> Option<HeaderMap> {
    let mut more = HeaderMap::new();
    more.insert(ORIGIN, HeaderValue::from_static(FOREIGN));
    more.insert(
        ACCESS_CONTROL_REQUEST_METHOD,
        HeaderValue::from_static("GET"),
    );
    match client.ask(Method::OPTIONS, uri, &more).await {
        Ok((status, headers, _)) if status.is_success() => Some(headers),
        Ok(_) => Some(HeaderMap::new()),
        Err(_) => {
            untested.push("what a foreign origin may read".to_owned());
            None
        }
    }
}

impl Arguments {
    /// `None` when help was asked for.
    fn read(words: impl Iterator<Item = String>) -> Result<Option<Self>, Failure> {
        let (mut json, mut forwarded) = (false, false);
        let (mut min_grade, mut accepted, mut address) = (None, Vec::new(), None);
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || {
                let missing = || Failure::plain(format!("{word} wants a value"));
                words.next().ok_or_else(missing)
            };
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--json" => json = true,
                "--forwarded" => forwarded = true,
                "--accept" => {
                    let code = value()?;
                    if !CODES.contains(&code.as_str()) {
                        return Err(unknown_code(&code));
                    }
                    accepted.push(code);
                }
                "--min-grade" => {
                    let grade = value()?.parse::<Grade>();
                    min_grade = Some(grade.map_err(|error| Failure::plain(error.to_string()))?);
                }
                _ if word.starts_with('-') => {
                    return Err(Failure::plain(format!("{word} is not known (see --help)")));
                }
                _ if address.is_some() => {
                    return Err(Failure::plain("one address at a time (see --help)"));
                }
                _ => address = Some(word),
            }
        }
        let address = address.ok_or_else(|| Failure::plain("which address? (see --help)"))?;
        let wrong = |error| Failure::plain(format!("{address} is no address: {error}"));
        let uri: Uri = address.parse().map_err(wrong)?;
        let (_, _, secure) = parts(&uri)?;
        if forwarded && secure {
            return Err(Failure::plain("--forwarded is for http:// addresses"));
        }
        Ok(Some(Self {
            uri,
            json,
            min_grade,
            accepted,
            forwarded,
        }))
    }
}
