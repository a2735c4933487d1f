//! One call of the script at one server.

use std::time::Instant;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};

use super::lanes::Lanes;
use crate::StoreError;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// There was no connection: nothing was asked.
    Lane(StoreError),
    /// The server said so, or the connection failed.
    Server(RedisError),
}

/// Asks over a connection of these lanes, and hands it back or has it replaced.
///
/// `call` makes the command, with the script's name or with the whole script. A server that does not
/// know the name executed nothing and is asked once more; nothing else is repeated. `asking` goes
/// ahead to a server of a cluster that is taking a slot over.
pub(super) async fn exchange(
    lanes: &Lanes,
    call: &(impl Fn(Script) -> Cmd + Sync),
    asking: bool,
    deadline: Instant,
) -> Result<Value, Fault> {
    let mut loan = lanes.borrow(deadline).await.map_err(Fault::Lane)?;
    let mut answer = send(&mut loan.connection, call(Script::Named), asking).await;
    if answer.as_ref().is_err_and(is_unknown_script) {
        answer = send(&mut loan.connection, call(Script::Whole), asking).await;
    }
    match &answer {
        // A replica after a fail-over, or one that still loads: another connection may find better.
        Err(error) if is_broken(error) || kind(error) == Some(ServerErrorKind::ReadOnly) => {
            loan.failed();
        }
        _ => loan.answered(),
    }
    answer.map_err(Fault::Server)
}

/// How a command says which script it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Named,
    Whole,
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lane(error) => error,
            Fault::Server(error) if is_broken(&error) => Self::Unreachable(error.to_string()),
            Fault::Server(error) if is_refusal(&error) => Self::Refused(error.to_string()),
            Fault::Server(error) => Self::Answer(error.to_string()),
        }
    }
}

/// What kind of error the server answered with, if it answered.
pub(super) fn kind(error: &RedisError) -> Option<ServerErrorKind> {
    match error.kind() {
        ErrorKind::Server(kind) => Some(kind),
        _ => None,
    }
}

async fn send(
    connection: &mut MultiplexedConnection,
    command: Cmd,
    asking: bool,
) -> Result<Value, RedisError> {
    if !asking {
        return command.query_async(connection).await;
    }
    // It holds for the next command of a connection, and others use this one: both go in one piece.
    let mut both = Pipeline::with_capacity(2);
    both.cmd("ASKING").add_command(command);
    let mut answers = connection.send_packed_commands(&both, 0, 2).await?;
    answers.pop().unwrap_or(Value::Nil).extract_error()
}

fn is_unknown_script(error: &RedisError) -> bool {
    kind(error) == Some(ServerErrorKind::NoScript)
}

/// A password or a right is missing.
fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "NOPERM" | "WRONGPASS"))
}

fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_io_error()
}
