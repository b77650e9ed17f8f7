//! `[broker.user.NAME]`, `password_file`, `[broker.jwt]` and `[[broker.acl]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::problem::Problems;
use super::super::raw;
use super::super::read::{At, Entry, Field, OneOrMany};
use super::super::settings::{Access, AclRule, Token, Who};
use super::super::text::Text;
use super::missing;

const NAME_BYTES_MAX: usize = 256;

pub(super) fn check_access(raw: &raw::Broker, problems: &mut Problems) -> Access {
    let mut users = BTreeMap::new();
    for entry in raw.user.given().into_iter().flat_map(|at| &at.value) {
        if let Some(hash) = check_user(entry, problems) {
            users.insert(entry.name.clone(), hash);
        }
    }
    let rules = raw.acl.given().map(|rules| {
        let rule = |rule| check_rule(rule, problems);
        rules.value.iter().filter_map(rule).collect()
    });
    let password_file = raw.password_file.given().map(|given| PathBuf::from(&given.value.value));
    Access { users, password_file, token: check_token(&raw.jwt, problems), rules }
}

/// The hash. Whether argon2 understands it is seen when it is loaded.
fn check_user(entry: &Entry<raw::User>, problems: &mut Problems) -> Option<String> {
    let (name, table) = (&entry.name, entry.value.as_ref()?);
    let strange = |c: char| c == ':' || c.is_control();
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(strange) || name.trim() != name {
        let help = "1 to 256 bytes, no \":\", no control characters, no blanks at its ends";
        problems.error(entry.key, format!("{name:?} cannot be a user's name"), help);
    }
    const MAKE: &str = "`tidegate passwd NAME` asks for the password and prints the hash ($argon2id$v=19$…)";
    if table.value.password_hash.is_missing() {
        missing("password_hash", &format!("[broker.user.{name}]"), entry.key, MAKE, problems);
    }
    let given = table.value.password_hash.given()?;
    // A hash is no secret like a password, and yet nothing for a log.
    problems.hide(given.span);
    if !given.value.value.starts_with("$argon2") {
        problems.error(given.span, format!("password_hash of {name:?} is not an argon2 hash"), MAKE);
    }
    Some(given.value.value.clone())
}

fn check_token(raw: &Field<raw::Jwt>, problems: &mut Problems) -> Option<Token> {
    let at = raw.given()?;
    let table = &at.value;
    if table.public_key.is_missing() {
        let help = "write public_key = \"/etc/tidegate/jwt.pem\": the key of whoever signs the tokens, \
                    as `openssl pkey -in KEY -pubout` prints it";
        missing("public_key", "[broker.jwt]", at.key, help, problems);
    }
    let text = |field: &Field<Text>| field.given().map(|given| given.value.value.clone());
    const ANY: &str = "leave it out if any will do";
    for (key, field, help) in [
        ("user_claim", &table.user_claim, "leave it out for \"sub\""),
        ("audience", &table.audience, ANY),
        ("issuer", &table.issuer, ANY),
    ] {
        if let Some(given) = field.given().filter(|given| given.value.value.is_empty()) {
            problems.error(given.span, format!("{key} is empty"), help);
        }
    }
    Some(Token {
        public_key: PathBuf::from(text(&table.public_key)?),
        user_claim: text(&table.user_claim).unwrap_or_else(|| "sub".to_owned()),
        audience: text(&table.audience),
        issuer: text(&table.issuer),
    })
}

fn check_rule(raw: &At<raw::Acl>, problems: &mut Problems) -> Option<AclRule> {
    let table = &raw.value;
    let anonymous = table.anonymous.or(false);
    if let (true, Some(users)) = (anonymous, table.users.given()) {
        let help = "write two rules: one with users, one with anonymous = true; without both, a rule is for everyone";
        problems.error(users.key, "a rule is for users or for anonymous clients", help);
    }
    let who = match table.users.given() {
        Some(users) => Who::Users(check_names(&users.value, problems)),
        None if anonymous => Who::Anonymous,
        None => Who::Everyone,
    };
    if table.publish.is_missing() && table.subscribe.is_missing() {
        let help = "write publish = [\"dev/%c/#\"] or subscribe = [\"cmd/%c/#\"]";
        problems.error(raw.key, "[[broker.acl]] allows nothing", help);
    }
    let publish = check_filters("publish", &table.publish, &who, problems);
    let subscribe = check_filters("subscribe", &table.subscribe, &who, problems);
    Some(AclRule { who, publish, subscribe })
}

fn check_names(names: &OneOrMany<Text>, problems: &mut Problems) -> Vec<String> {
    for name in &names.0 {
        let text = name.value.value.as_str();
        if text.is_empty() || text.find('*').is_some_and(|at| at + 1 != text.len()) {
            let help = "a user name, or its beginning and a \"*\": \"press-*\"; \"*\" alone is every user";
            problems.error(name.span, format!("users cannot have {:?}", name.value.written), help);
        }
    }
    names.0.iter().map(|name| name.value.value.clone()).collect()
}

fn check_filters(key: &str, filters: &Field<OneOrMany<Text>>, who: &Who, problems: &mut Problems) -> Vec<String> {
    let Some(filters) = filters.given() else { return Vec::new() };
    for filter in &filters.value.0 {
        let text = filter.value.value.as_str();
        let wrong = match text {
            _ if text.starts_with("$share/") => Some("a rule speaks of topics: leave out $share and the group"),
            _ if !is_filter(text) => Some("a topic filter: \"+\" and \"#\" are whole levels, \"#\" is the last one"),
            _ if text.contains("%u") && *who == Who::Anonymous => Some("anonymous clients have no user name for %u"),
            _ => unknown_sign(text),
        };
        if let Some(help) = wrong {
            problems.error(filter.span, format!("{key} cannot have {:?}", filter.value.written), help);
        }
    }
    filters.value.0.iter().map(|filter| filter.value.value.clone()).collect()
}

fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let right = |(index, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => index + 1 == levels.len(),
        level => !level.contains(['+', '#', '\0']),
    };
    !text.is_empty() && levels.iter().enumerate().all(right)
}

/// A `%` that stands for nothing.
fn unknown_sign(text: &str) -> Option<&'static str> {
    let known = |rest: &str| rest.starts_with("%c") || rest.starts_with("%u");
    let all = text.match_indices('%').all(|(at, _)| known(&text[at..]));
    (!all).then_some("%c is the client identifier, %u the user name; other signs after % have no meaning")
}
