//! Who may come in, and what they may do there.
//!
//! What holds always:
//! - A password is compared on a thread of its own kind, with at most [`HASHES_AT_ONCE`] at once (each takes the memory
//!   that its hash asks for), and an unknown user takes as long as a known one.
//! - Rules are replaced as a whole; a connection asks for its rights anew when they were.
//! - Neither a password nor a token is ever logged or kept; of a password that was right, a keyed digest is.

mod rights;
mod throttle;
mod token;
mod users;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ring::hmac;
use tokio::sync::Semaphore;

use super::reason::{BAD_CREDENTIALS, Fault, NOT_AUTHORIZED, SERVER_BUSY};
use crate::config::{self, AclRule};
use throttle::{Throttle, Verdict};
use token::Key;

pub(super) use rights::Rights;
pub(super) use throttle::network;
pub use users::{UsersError, check_name, hash_password};

/// Passwords hashed at the same time: 19 MiB each with the hashes of `tidegate passwd`.
const HASHES_AT_ONCE: usize = 2;
/// Right passwords remembered, so that a fleet that comes back does not wait for its hashes again.
const REMEMBERED_MAX: usize = 10_000;

/// Which of the two it was, nobody is told.
const WRONG: Fault = Fault::new(BAD_CREDENTIALS, "unknown user name or password");

/// What a client says of itself, and what is known of its connection.
pub(super) struct Claim<'a> {
    pub user: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    /// The user that its certificate names.
    pub certificate: Option<&'a str>,
    pub address: Option<IpAddr>,
    pub allow_anonymous: bool,
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// `None`: anonymously.
    pub user: Option<Arc<str>>,
    /// When the token expires, in seconds since 1970.
    pub until_s: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("{}: {problem}", file.display())]
    File { file: PathBuf, problem: String },
    #[error("{}: {error}", file.display())]
    Users { file: PathBuf, error: UsersError },
    #[error("password_hash of user {user:?}: {problem}")]
    Hash { user: String, problem: &'static str },
}

/// Everything that a reload replaces.
struct Known {
    /// Name to hash.
    users: HashMap<String, String>,
    /// A hash with the parameters of the others, for those who are not known.
    decoy: String,
    token: Option<(Key, config::Token)>,
    /// `None`: whoever is in may do everything.
    rules: Option<Vec<AclRule>>,
}

impl Known {
    fn load(settings: &config::Access) -> Result<Known, AccessError> {
        let mut users: HashMap<String, String> = HashMap::new();
        if let Some(file) = &settings.password_file {
            let problem = |problem| AccessError::File { file: file.clone(), problem };
            let text = std::fs::read_to_string(file).map_err(|error| problem(format!("cannot be read: {error}")))?;
            users = users::parse(&text).map_err(|error| AccessError::Users { file: file.clone(), error })?;
        }
        for (user, hash) in &settings.users {
            users::check_hash(hash).map_err(|problem| AccessError::Hash { user: user.clone(), problem })?;
        }
        users.extend(settings.users.iter().map(|(name, hash)| (name.clone(), hash.clone())));
        let token = match &settings.token {
            None => None,
            Some(token) => {
                let problem = |problem: String| AccessError::File { file: token.public_key.clone(), problem };
                let pem =
                    std::fs::read(&token.public_key).map_err(|error| problem(format!("cannot be read: {error}")))?;
                let key = Key::from_pem(&pem).map_err(|error| problem(error.to_string()))?;
                Some((key, token.clone()))
            }
        };
        let decoy = users.values().next().map_or_else(|| users::DECOY.to_owned(), Clone::clone);
        Ok(Known { users, decoy, token, rules: settings.rules.clone() })
    }

    /// Without any, user names and passwords mean nothing.
    fn has_logins(&self) -> bool {
        !self.users.is_empty() || self.token.is_some()
    }
}

pub(super) struct Access {
    known: RwLock<Arc<Known>>,
    settings: Mutex<config::Access>,
    /// Raised with each reload.
    generation: AtomicU64,
    hashing: Arc<Semaphore>,
    throttle: Mutex<Throttle>,
    remembered: Mutex<HashMap<String, hmac::Tag>>,
    remember_key: hmac::Key,
    clock: TrustedClock,
}

/// Seconds since 1970, if the clock is to be believed.
pub type TrustedClock = Arc<dyn Fn() -> Option<i64> + Send + Sync>;

impl Access {
    pub fn new(settings: &config::Access, clock: TrustedClock) -> Result<Access, AccessError> {
        // Sixteen random bytes twice: whoever reads our memory has the passwords' way in already.
        let secret = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        Ok(Access {
            known: RwLock::new(Arc::new(Known::load(settings)?)),
            settings: Mutex::new(settings.clone()),
            generation: AtomicU64::new(0),
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            throttle: Mutex::default(),
            remembered: Mutex::default(),
            remember_key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            clock,
        })
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, hmac::Tag>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The files that [`Access::reload`] reads.
    pub fn files(&self) -> Vec<PathBuf> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings
            .password_file
            .iter()
            .cloned()
            .chain(settings.token.iter().map(|token| token.public_key.clone()))
            .collect()
    }

    /// Reads the files again, of new settings if there are any. What is wrong leaves everything as it was.
    pub fn reload(&self, settings: Option<&config::Access>) -> Result<(), AccessError> {
        let mut current = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = settings.unwrap_or(&current).clone();
        let known = Arc::new(Known::load(&settings)?);
        *current = settings;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.remembered().clear();
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Whether a user who came in may still: it is known by the same means as then.
    pub fn still_known(&self, user: &str) -> bool {
        let known = self.known();
        known.users.contains_key(user) || known.token.is_some()
    }

    /// Whether this second since 1970 is past, as far as the clock is to be believed.
    pub fn is_over(&self, second: i64) -> bool {
        (self.clock)().is_some_and(|now| now >= second)
    }

    /// Lets a client in as a user, or anonymously, or says why not. Slow where its address failed before.
    pub async fn admit(&self, claim: &Claim<'_>, patience: Duration) -> Result<Admitted, Fault> {
        if let Some(user) = claim.certificate {
            return Ok(Admitted { user: Some(Arc::from(user)), until_s: None });
        }
        let known = self.known();
        let anonymous = claim.user.is_none() && claim.password.is_none() || !known.has_logins();
        if anonymous {
            return match claim.user {
                _ if claim.allow_anonymous => Ok(Admitted { user: None, until_s: None }),
                Some(_) => Err(WRONG),
                None => Err(Fault::new(NOT_AUTHORIZED, "anonymous clients are not allowed")),
            };
        }
        self.wait_for_turn(claim.address, patience).await?;
        let admitted = self.log_in(&known, claim).await;
        if let (Err(_), Some(address)) = (&admitted, claim.address) {
            self.throttle().failed(address, Instant::now());
        }
        admitted
    }

    async fn wait_for_turn(&self, address: Option<IpAddr>, patience: Duration) -> Result<(), Fault> {
        let Some(address) = address else { return Ok(()) };
        let verdict = self.throttle().ask(address, Instant::now(), patience);
        match verdict {
            Verdict::Now => Ok(()),
            Verdict::At(turn) => {
                tokio::time::sleep_until(turn.into()).await;
                Ok(())
            }
            Verdict::Refused => {
                Err(Fault::new(SERVER_BUSY, "too many failed logins from this address: try again later"))
            }
        }
    }

    async fn log_in(&self, known: &Arc<Known>, claim: &Claim<'_>) -> Result<Admitted, Fault> {
        let password = claim.password.unwrap_or_default();
        if let (Some((key, settings)), Ok(text)) = (&known.token, std::str::from_utf8(password)) {
            if token::looks_like_one(text) {
                let now = (self.clock)();
                return match token::user(text, key, settings, now) {
                    Ok(user) => Ok(Admitted { user: Some(Arc::from(user)), until_s: token::expiry(text) }),
                    Err(why) => Err(Fault::new(BAD_CREDENTIALS, why)),
                };
            }
        }
        let user = claim.user.unwrap_or_default();
        let hash = known.users.get(user);
        let mut seen = hmac::Context::with_key(&self.remember_key);
        for part in [user.as_bytes(), password, hash.map_or("", String::as_str).as_bytes()] {
            seen.update(&(part.len() as u64).to_be_bytes());
            seen.update(part);
        }
        let seen = seen.sign();
        let remembered = self.remembered().get(user).is_some_and(|right| right.as_ref() == seen.as_ref());
        if !remembered {
            let right = self.compare(password.to_vec(), hash.unwrap_or(&known.decoy).clone()).await;
            if !right || hash.is_none() {
                return Err(WRONG);
            }
            let mut remembered = self.remembered();
            if remembered.len() < REMEMBERED_MAX || remembered.contains_key(user) {
                remembered.insert(user.to_owned(), seen);
            }
        }
        Ok(Admitted { user: Some(Arc::from(user)), until_s: None })
    }

    async fn compare(&self, password: Vec<u8>, hash: String) -> bool {
        let Ok(permit) = Arc::clone(&self.hashing).acquire_owned().await else { return false };
        let compared = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            users::is_right(&password, &hash)
        });
        compared.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(users: &[(&str, &str)]) -> Access {
        let hash = |password: &str| hash_password(password.as_bytes()).unwrap();
        let settings = config::Access {
            users: users.iter().map(|(name, password)| ((*name).to_owned(), hash(password))).collect(),
            password_file: None,
            token: None,
            rules: None,
        };
        Access::new(&settings, Arc::new(|| None)).unwrap()
    }

    fn claim<'a>(user: Option<&'a str>, password: Option<&'a str>) -> Claim<'a> {
        let password = password.map(str::as_bytes);
        Claim { user, password, certificate: None, address: Some([192, 0, 2, 1].into()), allow_anonymous: false }
    }

    #[tokio::test]
    async fn users_come_in_with_their_password_alone() {
        let access = access(&[("press-7", "right")]);
        let patience = Duration::from_secs(60);
        let code = async |claim: Claim<'_>| {
            access.admit(&claim, patience).await.map(|in_| in_.user).map_err(|fault| fault.code)
        };
        for _ in 0..2 {
            assert_eq!(code(claim(Some("press-7"), Some("right"))).await, Ok(Some(Arc::from("press-7"))));
        }
        assert_eq!(code(claim(Some("press-7"), Some("wrong"))).await, Err(BAD_CREDENTIALS));
        assert_eq!(code(claim(Some("press-7"), None)).await, Err(BAD_CREDENTIALS));
        assert_eq!(code(claim(Some("press-8"), Some("right"))).await, Err(BAD_CREDENTIALS));
        assert_eq!(code(claim(None, None)).await, Err(NOT_AUTHORIZED));
        assert_eq!(code(Claim { allow_anonymous: true, ..claim(None, None) }).await, Ok(None));
        let wrong = Claim { allow_anonymous: true, ..claim(Some("press-8"), Some("right")) };
        assert_eq!(code(wrong).await, Err(BAD_CREDENTIALS), "who says a name must be that one");
        let certified = Claim { certificate: Some("line-2"), ..claim(Some("press-8"), None) };
        assert_eq!(code(certified).await, Ok(Some(Arc::from("line-2"))));
    }

    #[tokio::test]
    async fn a_changed_password_is_asked_for_at_once() {
        let access = access(&[("a", "old")]);
        let patience = Duration::from_secs(60);
        assert!(access.admit(&claim(Some("a"), Some("old")), patience).await.is_ok());
        let mut settings = access.settings.lock().unwrap().clone();
        settings.users.insert("a".to_owned(), hash_password(b"new").unwrap());
        access.reload(Some(&settings)).unwrap();
        assert!(access.admit(&claim(Some("a"), Some("old")), patience).await.is_err());
        assert!(access.admit(&claim(Some("a"), Some("new")), patience).await.is_ok());
        assert_eq!(access.generation(), 1);
    }

    #[tokio::test]
    async fn without_logins_a_name_means_nothing() {
        let access = access(&[]);
        let patience = Duration::from_secs(60);
        let named = Claim { allow_anonymous: true, ..claim(Some("press-8"), Some("x")) };
        assert_eq!(access.admit(&named, patience).await.unwrap().user, None);
        let fault = access.admit(&claim(Some("press-8"), Some("x")), patience).await.unwrap_err();
        assert_eq!(fault.code, BAD_CREDENTIALS);
    }
}
