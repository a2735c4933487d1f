//! `quickstart` serves; `quickstart tour` serves, attacks itself, and says how that went.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;

use quickstart::app::{App, Failure};
use quickstart::config::{self, Settings};
use quickstart::tour;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve().await.map(|()| true),
        ["tour"] => take_the_tour().await,
        _ => Err("usage: quickstart [tour]".into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failure> {
    // Its complaints about markup are as long as an attacker likes.
    log_to_stderr("info,html5ever=error");
    let mut settings = Settings::load()?;
    let addr = settings.server.addr;
    let password = match settings.admin.password.take() {
        Some(password) => password,
        None => {
            let password = sec_tokens::random_password()?;
            println!(
                "administrator: {} / {}   (made up for this run)",
                settings.admin.username,
                password.expose()
            );
            password
        }
    };
    let app = App::new(settings, password).await?;
    tokio::spawn(reload(app.clone(), signal(SignalKind::hangup())?));
    let listener = TcpListener::bind(addr)
        .await
        .map_err(|error| format!("{addr}: {error}"))?;
    println!("configuration: {}", config::file().display());
    println!("listening on http://{}", listener.local_addr()?);
    app.serve(listener, stop()).await
}

async fn take_the_tour() -> Result<bool, Failure> {
    // What the attacks leave in the log is in the audit trail as well.
    log_to_stderr("off");
    let settings = Settings::embedded()?;
    let admin = settings.admin.username.clone();
    let password = sec_tokens::random_password()?;
    let app = App::new(settings, password.clone()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    println!("the service of sec.toml on http://{server}, attacked by itself");
    let serving = tokio::spawn(app.clone().serve(listener, std::future::pending()));
    let held = tour::run(app, server, (&admin, password.expose())).await?;
    serving.abort();
    Ok(held)
}

fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// At each SIGHUP, what may change while requests run is read again. With a fault in it, everything stays.
async fn reload(app: Arc<App>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        let read = Settings::load().map_err(Failure::from);
        match read.and_then(|settings| app.reload(&settings)) {
            Ok(()) => println!("the lists of addresses were read again"),
            Err(error) => eprintln!("nothing was changed: {error}"),
        }
    }
}

/// Ctrl-C, or SIGTERM as a container's host sends it.
async fn stop() {
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler can be installed");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
