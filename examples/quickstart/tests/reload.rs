//! The program itself: what a SIGHUP changes, and what it does not.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use quickstart::tour::client::Client;

/// Ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads on to the line that holds a text.
fn until(lines: &mut impl BufRead, text: &str) -> String {
    for line in lines.lines() {
        let line = line.unwrap();
        if line.contains(text) {
            return line;
        }
    }
    panic!("the program ended without {text:?}");
}

#[tokio::test]
async fn the_lists_are_read_again_at_sighup_and_a_fault_in_them_changes_nothing() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reload.toml");
    let write = |block: &str| {
        let text = include_str!("../sec.toml").replace("block = []", &format!("block = [{block}]"));
        fs::write(&file, text).unwrap();
    };
    write("\"127.0.66.0/24\"");
    let program = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .env("SEC_CONFIG", &file)
        .env("SEC_ADDR", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut program = Program(program.unwrap());
    let mut out = BufReader::new(program.0.stdout.take().unwrap());
    let mut err = BufReader::new(program.0.stderr.take().unwrap());
    let line = until(&mut out, "listening on http://");
    let server: SocketAddr = line.rsplit('/').next().unwrap().parse().unwrap();
    let status = async |host| {
        let client = Client::new(server, [host, 1]);
        client.get("/comments").await.unwrap().status.as_u16()
    };
    let hang_up = || {
        let pid = program.0.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(sent.success());
    };
    assert_eq!((status(66).await, status(67).await), (403, 200));

    write("\"127.0.67.0/24\"");
    hang_up();
    until(&mut out, "read again");
    assert_eq!((status(66).await, status(67).await), (200, 403));

    write("\"127.0.67.0/42\"");
    hang_up();
    let why = until(&mut err, "limits.lists.block[0]: ");
    assert!(why.contains("reload.toml:"), "{why}");
    assert_eq!((status(66).await, status(67).await), (200, 403));
}
