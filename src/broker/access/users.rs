//! Users and the hashes of their passwords, in the PHC string format that argon2's tools write.

use std::collections::HashMap;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};

/// What a hash may ask of this machine: 64 MiB, ten passes.
const MEMORY_KIB_MAX: u32 = 64 << 10;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 16;
/// Lines of a password file.
const USERS_MAX: usize = 100_000;
const NAME_BYTES_MAX: usize = 256;

/// Compared with where no user has a password: nobody knows one for it.
pub(super) const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$dGlkZWdhdGUtZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsersError {
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: String },
    #[error("more than {USERS_MAX} users")]
    TooMany,
}

/// A password file: `name:hash` on each line; empty lines and those that begin with `#` say nothing.
pub(super) fn parse(text: &str) -> Result<HashMap<String, String>, UsersError> {
    let mut users = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |problem: &str| UsersError::Line { line: index + 1, problem: problem.to_owned() };
        let (name, hash) = line.split_once(':').ok_or_else(|| wrong("not of the form NAME:HASH"))?;
        check_name(name).map_err(wrong)?;
        check_hash(hash).map_err(wrong)?;
        if users.insert(name.to_owned(), hash.to_owned()).is_some() {
            return Err(wrong("a user that a line above has"));
        }
        if users.len() > USERS_MAX {
            return Err(UsersError::TooMany);
        }
    }
    Ok(users)
}

/// What a user's name may be.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err("a user's name has 1 to 256 bytes");
    }
    if name.contains(|c: char| c == ':' || c.is_control()) || name.trim() != name || name.starts_with('#') {
        return Err("a user's name has no \":\", no control characters, no blanks around it and no \"#\" before it");
    }
    Ok(())
}

/// Whether this is a hash that we can and want to compute.
pub(super) fn check_hash(hash: &str) -> Result<(), &'static str> {
    const MAKE: &str = "not an argon2 hash; `tidegate passwd NAME` makes one ($argon2id$v=19$…)";
    let hash = PasswordHash::new(hash).map_err(|_| MAKE)?;
    if !matches!(hash.algorithm.as_str(), "argon2id" | "argon2i" | "argon2d") || hash.hash.is_none() {
        return Err(MAKE);
    }
    let params = Params::try_from(&hash).map_err(|_| MAKE)?;
    if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX || params.p_cost() > LANES_MAX {
        return Err("an argon2 hash that asks for more than 64 MiB (m), 10 passes (t) or 16 lanes (p)");
    }
    Ok(())
}

/// Takes as long as the hash's parameters say.
pub(super) fn is_right(password: &[u8], hash: &str) -> bool {
    PasswordVerifier::<str>::verify_password(&Argon2::default(), password, hash).is_ok()
}

/// Argon2id with 19 MiB, two passes and a random salt, as OWASP recommends.
pub fn hash_password(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    let salt = uuid::Uuid::new_v4();
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password, salt.as_bytes())?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_alone() {
        let hash = hash_password("s3cret ä".as_bytes()).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_right("s3cret ä".as_bytes(), &hash) && !is_right(b"s3cret", &hash));
        assert_ne!(hash, hash_password("s3cret ä".as_bytes()).unwrap(), "the salt is another one");
        assert_eq!(check_hash(&hash), Ok(()));
        assert_eq!(check_hash(DECOY), Ok(()));
    }

    /// The README of the reference implementation has it: `echo -n "password" | ./argon2 somesalt -t 2 -m 16 -p 4 -l 24`.
    #[test]
    fn hashes_of_others_are_understood() {
        let hash = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";
        assert_eq!(check_hash(hash), Ok(()));
        assert!(is_right(b"password", hash));
    }

    #[test]
    fn a_password_file_says_which_line_is_wrong() {
        let hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let users = parse(&format!("# devices\n\nada:{hash}\n")).unwrap();
        assert_eq!(users.keys().collect::<Vec<_>>(), ["ada"]);
        for (text, line) in [
            ("ada".to_owned(), 1),
            (format!("\nada:{hash}\nada:{hash}"), 3),
            ("ada:$6$salt$hash".to_owned(), 1),
            (format!(":{hash}"), 1),
            (
                "ada:$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                    .to_owned(),
                1,
            ),
        ] {
            match parse(&text) {
                Err(UsersError::Line { line: found, .. }) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
