//! `tidegate passwd`: the hash of a broker user's password.

use std::fs::Permissions;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::broker::access::{check_name, hash_password};

const PASSWORD_BYTES_MAX: u64 = 4 << 10;

#[derive(Debug, thiserror::Error)]
enum PasswdError {
    #[error("{0:?} cannot be a user: {1}")]
    Name(String, &'static str),
    #[error("the password cannot be read: {0}")]
    Read(std::io::Error),
    #[error("the password is empty")]
    Empty,
    #[error("the password has more than {PASSWORD_BYTES_MAX} bytes")]
    Long,
    #[error("the two passwords are not the same")]
    Different,
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    #[error("{0}: {1}")]
    File(String, std::io::Error),
}

pub fn command(user: &str, file: Option<&Path>) -> ExitCode {
    match run(user, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if matches!(error, PasswdError::Name(..)) { 2 } else { 1 })
        }
    }
}

fn run(user: &str, file: Option<&Path>) -> Result<(), PasswdError> {
    check_name(user).map_err(|why| PasswdError::Name(user.to_owned(), why))?;
    let password = if std::io::stdin().is_terminal() { ask(user)? } else { read_line()? };
    if password.is_empty() {
        return Err(PasswdError::Empty);
    }
    let hash = hash_password(password.as_bytes()).map_err(|error| PasswdError::Hash(error.to_string()))?;
    let line = format!("{user}:{hash}");
    match file {
        None => writeln!(std::io::stdout(), "{line}").map_err(|error| PasswdError::File("stdout".to_owned(), error)),
        Some(file) => put(file, user, &line).map_err(|error| PasswdError::File(file.display().to_string(), error)),
    }
}

/// Twice, without showing it.
fn ask(user: &str) -> Result<String, PasswdError> {
    let password = unseen(|| {
        eprint!("Password for {user}: ");
        read_line()
    })?;
    let again = unseen(|| {
        eprint!("Once more: ");
        read_line()
    })?;
    if password == again { Ok(password) } else { Err(PasswdError::Different) }
}

fn unseen(read: impl FnOnce() -> Result<String, PasswdError>) -> Result<String, PasswdError> {
    let failed = |error: rustix::io::Errno| PasswdError::Read(error.into());
    let before = tcgetattr(std::io::stdin()).map_err(failed)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden).map_err(failed)?;
    let line = read();
    tcsetattr(std::io::stdin(), OptionalActions::Flush, &before).map_err(failed)?;
    eprintln!();
    line
}

/// The first line of stdin, without its end.
fn read_line() -> Result<String, PasswdError> {
    let mut line = String::new();
    std::io::stdin().lock().take(PASSWORD_BYTES_MAX + 2).read_line(&mut line).map_err(PasswdError::Read)?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.len() as u64 > PASSWORD_BYTES_MAX { Err(PasswdError::Long) } else { Ok(password.to_owned()) }
}

/// Replaces the user's line, or adds it. A gateway that reads meanwhile sees the old file or the new one.
fn put(file: &Path, user: &str, line: &str) -> std::io::Result<()> {
    let before = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let found = std::fs::metadata(file).ok();
    let permissions = found.as_ref().map_or(Permissions::from_mode(0o600), std::fs::Metadata::permissions);
    let own = |other: &str| other.trim().split_once(':').is_some_and(|(name, _)| name == user);
    let mut lines: Vec<&str> = before.lines().collect();
    match lines.iter().position(|other| own(other)) {
        Some(at) => lines[at] = line,
        None => lines.push(line),
    }
    let new = file.with_extension("new");
    let mut written = std::fs::File::options().write(true).create(true).truncate(true).open(&new)?;
    written.set_permissions(permissions)?;
    if let Some(found) = found {
        // The gateway's own user may have it; whoever may not give it back could not have read it either.
        std::os::unix::fs::chown(&new, Some(found.uid()), Some(found.gid()))?;
    }
    written.write_all((lines.join("\n") + "\n").as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_added_or_changed_and_the_rest_stays() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passwords");
        put(&file, "ada", "ada:1").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "# devices\nada:1\nadam:2\n").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        put(&file, "ada", "ada:3").unwrap();
        put(&file, "bob", "bob:4").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# devices\nada:3\nadam:2\nbob:4\n");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
