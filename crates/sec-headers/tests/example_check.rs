//! The example `check`, run as a program against a server on a free port.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

/// Answers every request with these header lines until the test ends; gives its address.
fn serve(head: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // One read is enough: a request without a body, or the first words of TLS.
            let _ = stream.read(&mut [0_u8; 4096]);
            let answer =
                format!("HTTP/1.1 200 OK\r\n{head}content-length: 0\r\nconnection: close\r\n\r\n");
            // A client that has seen enough may be gone.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    addr
}

/// Cargo builds examples with the tests, beside them.
fn run(arguments: &[&str]) -> Output {
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.push("examples");
    program.push("check");
    program.set_extension(std::env::consts::EXE_EXTENSION);
    Command::new(&program)
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .expect("`cargo test` builds the examples before it runs this")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

#[test]
fn a_service_is_graded_and_a_pipeline_can_ask_for_more() {
    let open = serve("content-type: text/html\r\nx-powered-by: PHP/5.2\r\n");
    let url = format!("http://{open}/");
    let shown = run(&[&url]);
    assert_eq!(code(&shown), 0);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("content-security-policy"), "{text}");
    assert!(text.contains("x-powered-by"), "{text}");
    assert!(!text.contains('\u{1b}'), "NO_COLOR is minded");

    let json = run(&["--json", &url]);
    let answer: Value = serde_json::from_slice(&json.stdout).unwrap();
    let report = &answer["report"];
    assert_eq!(answer["status"], 200);
    assert_eq!(report["grade"], "F", "{report}");
    assert!(!report["findings"].as_array().unwrap().is_empty());

    assert_eq!(code(&run(&["--min-grade", "B", &url])), 1);
    assert_eq!(code(&run(&["--min-grade", "F", &url])), 0);
}

#[test]
fn what_cannot_be_graded_is_said() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let service = serve("");
    for (arguments, expected) in [
        (vec![format!("http://{gone}/")], "reached"),
        (vec!["ftp://a.example/".to_owned()], "http"),
        (vec![format!("https://{service}/")], "TLS"),
        (
            vec![
                "--accept".to_owned(),
                "nope".to_owned(),
                format!("http://{service}/"),
            ],
            "nope",
        ),
        (vec![], "check"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let help = run(&["--help"]);
    assert_eq!(code(&help), 0);
}
