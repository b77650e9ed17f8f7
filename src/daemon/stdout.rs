//! What commands print. A reader that has had enough (`| head`) is no failure; a full disk is one, and no panic.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Prints, and gives `done`, unless that failed.
pub fn print(text: &str, done: ExitCode) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("stdout: {error}");
            ExitCode::FAILURE
        }
        _ => done,
    }
}
