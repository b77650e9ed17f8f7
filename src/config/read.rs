//! From the TOML tree to the raw tables: each kind of value, how it is read, and what is said when it is wrong.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::model::{ByteSize, parse_duration};

use super::names::nearest;
use super::problem::{Problems, Span, is_secret};
use super::text::Text;

/// What `${NAME}` (an environment variable) and `${credential:NAME}` stand for.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// A file below `$CREDENTIALS_DIRECTORY` (systemd's LoadCredential=), or why it cannot be read.
    pub credential: &'a dyn Fn(&str) -> Result<String, String>,
}

pub(super) struct Reader<'r, 'a> {
    pub file: &'a str,
    pub problems: &'r mut Problems<'a>,
    pub outside: Outside<'a>,
}

/// A value and the places of it and of its key (of an array's element: its own).
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    pub span: Span,
    pub key: Span,
}

/// One key of a table.
#[derive(Clone, Debug, Default)]
pub(super) enum Field<T> {
    #[default]
    Missing,
    /// It was there, but of the wrong type or form, which is reported already.
    Wrong,
    Given(At<T>),
}

impl<T> Field<T> {
    pub fn given(&self) -> Option<&At<T>> {
        match self {
            Field::Given(at) => Some(at),
            Field::Missing | Field::Wrong => None,
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Field::Missing)
    }
}

impl<T: Copy> Field<T> {
    pub fn or(&self, default: T) -> T {
        self.given().map_or(default, |at| at.value)
    }
}

/// Tables whose keys are names the user chose, in the order of the names.
pub(super) type Named<T> = Vec<Entry<T>>;

#[derive(Clone, Debug)]
pub(super) struct Entry<T> {
    pub name: String,
    pub key: Span,
    /// `None`: wrong, and reported already.
    pub value: Option<At<T>>,
}

/// Librdkafka's options: values may be secrets, and may come from credentials.
#[derive(Clone, Default)]
pub(super) struct Options(pub Named<Text>);

/// Never prints values.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|entry| &entry.name)).finish()
    }
}

/// A text that is not shown, and may come from a credential.
#[derive(Clone)]
pub(super) struct Secret(pub Text);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Clone, Debug)]
pub(super) struct OneOrMany<T>(pub Vec<At<T>>);

/// A limit that can be switched off with `"off"`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OrOff<T> {
    Off,
    On(T),
}

/// Part of the store: a size, or hundredths of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Share {
    Bytes(u64),
    Percent(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub f64);

/// A value that is refused later, whatever it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Any;

/// Something that can stand on the right of a `=`.
pub(super) trait Read: Sized {
    /// Completes "… must be".
    const EXPECTED: &'static str;

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Self, ReadError>;
}

pub(super) enum ReadError {
    /// Another type of value was expected.
    Type,
    /// The type is right, the text is not.
    Form(String),
    Reported,
}

/// Declares a table: its fields, the list of its keys, and how it is read.
macro_rules! raw_table {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $(pub $field: Field<$type>,)*
        }

        impl $name {
            pub fn keys() -> Vec<&'static str> {
                vec![$(stringify!($field).trim_start_matches("r#")),*]
            }
        }

        impl Read for $name {
            const EXPECTED: &'static str = "a table";

            fn read(value: &toml::Spanned<toml::de::DeValue>, reader: &mut Reader) -> Result<$name, ReadError> {
                let toml::de::DeValue::Table(table) = value.get_ref() else { return Err(ReadError::Type) };
                let mut raw = $name::default();
                for (key, value) in table {
                    match key.get_ref().as_ref() {
                        $(name if name == stringify!($field).trim_start_matches("r#") => {
                            raw.$field = reader.at(name, key.span().into(), value).map_or(Field::Wrong, Field::Given);
                        })*
                        _ => reader.unknown_key(key, value, &$name::keys()),
                    }
                }
                Ok(raw)
            }
        }
    };
}
pub(super) use raw_table;

impl Reader<'_, '_> {
    /// Reads a value of a key; what is wrong with it is reported under that name.
    pub fn at<T: Read>(&mut self, name: &str, key: Span, value: &Spanned<DeValue>) -> Option<At<T>> {
        let span = place_of(key, value);
        match T::read(value, self) {
            Ok(value) => return Some(At { value, span, key }),
            Err(ReadError::Reported) => {}
            Err(ReadError::Type) => {
                let found = describe(value.get_ref());
                self.problems.error(span, format!("{name} must be {}, found {found}", T::EXPECTED), "");
            }
            Err(ReadError::Form(message)) => {
                self.problems.error(span, message, format!("{name} must be {}", T::EXPECTED));
            }
        }
        None
    }

    pub fn unknown_key(&mut self, key: &Spanned<DeString>, value: &Spanned<DeValue>, known: &[&str]) {
        let name = key.get_ref().as_ref();
        let what = if value.get_ref().is_table() { "table" } else { "key" };
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("what can stand here: {}", known.join(", ")),
        };
        if is_secret(name) {
            self.problems.hide(value.span().into());
        }
        self.problems.error(key.span().into(), format!("unknown {what} {name:?}"), help);
    }

    fn text(&mut self, value: &Spanned<DeValue>, secrets: Secrets) -> Result<Text, ReadError> {
        let DeValue::String(string) = value.get_ref() else { return Err(ReadError::Type) };
        let mut text = Text::decode(self.file, value.span().into(), string);
        let outside = self.outside;
        let expanded = text.expand(|name| match (name.strip_prefix("credential:"), secrets) {
            (None, _) => (outside.variable)(name).ok_or_else(|| format!("the environment variable {name} is not set")),
            (Some(name), Secrets::Allowed) => (outside.credential)(name),
            (Some(_), Secrets::Forbidden) => {
                Err("a credential can only be a password or stand in a sink's options".to_owned())
            }
        });
        match expanded {
            Ok(()) => Ok(text),
            Err((at, message)) => {
                let help = "${NAME} is an environment variable, ${credential:NAME} a systemd credential; write $${ for a plain ${";
                self.problems.error(at, message, help);
                Err(ReadError::Reported)
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Secrets {
    Allowed,
    Forbidden,
}

/// For a table with a header of its own the parser's span reaches over all of it; the key says enough.
fn place_of(key: Span, value: &Spanned<DeValue>) -> Span {
    match value.get_ref() {
        DeValue::Table(_) => key,
        _ => value.span().into(),
    }
}

fn describe(value: &DeValue) -> String {
    match value {
        DeValue::String(text) => format!("the text {:?}", text.as_ref()),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => format!("{value}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

impl Read for Text {
    const EXPECTED: &'static str = "a text in quotes";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Text, ReadError> {
        reader.text(value, Secrets::Forbidden)
    }
}

impl Read for Secret {
    const EXPECTED: &'static str = Text::EXPECTED;

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Secret, ReadError> {
        reader.problems.hide(value.span().into());
        reader.text(value, Secrets::Allowed).map(Secret)
    }
}

impl Read for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(value: &Spanned<DeValue>, _: &mut Reader) -> Result<bool, ReadError> {
        value.get_ref().as_bool().ok_or(ReadError::Type)
    }
}

impl Read for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn read(value: &Spanned<DeValue>, _: &mut Reader) -> Result<i64, ReadError> {
        let DeValue::Integer(number) = value.get_ref() else { return Err(ReadError::Type) };
        i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| ReadError::Type)
    }
}

impl Read for Number {
    const EXPECTED: &'static str = "a number";

    fn read(value: &Spanned<DeValue>, _: &mut Reader) -> Result<Number, ReadError> {
        let text = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(ReadError::Type),
        };
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Number).ok_or(ReadError::Type)
    }
}

impl Read for Duration {
    const EXPECTED: &'static str =
        "a number and a unit (ms, s, m, h, d) in quotes, such as \"500ms\", \"5s\" or \"24h\"";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Duration, ReadError> {
        let text = reader.text(value, Secrets::Forbidden)?;
        parse_duration(&text.value).map_err(|_| ReadError::Form(format!("{:?} is no duration", text.written)))
    }
}

impl Read for ByteSize {
    const EXPECTED: &'static str = "a number and a unit in quotes, such as \"64KiB\", \"512MiB\" or \"2GiB\"";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<ByteSize, ReadError> {
        let text = reader.text(value, Secrets::Forbidden)?;
        text.value.parse().map_err(|_| ReadError::Form(format!("{:?} is no size", text.written)))
    }
}

impl Read for Share {
    const EXPECTED: &'static str = "a size or a part of max_size in quotes, such as \"512MiB\" or \"40%\"";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Share, ReadError> {
        let text = reader.text(value, Secrets::Forbidden)?;
        let share = match text.value.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().filter(|p| (1..=100).contains(p)).map(Share::Percent),
            None => text.value.parse().ok().map(|ByteSize(bytes)| Share::Bytes(bytes)),
        };
        share.ok_or_else(|| ReadError::Form(format!("{:?} is no share", text.written)))
    }
}

impl Read for OrOff<Duration> {
    const EXPECTED: &'static str =
        "\"off\", or a number and a unit (ms, s, m, h, d) in quotes, such as \"5s\" or \"24h\"";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<OrOff<Duration>, ReadError> {
        match value.get_ref() {
            DeValue::String(text) if text.as_ref() == "off" => Ok(OrOff::Off),
            _ => Duration::read(value, reader).map(OrOff::On),
        }
    }
}

impl Read for Any {
    const EXPECTED: &'static str = "anything";

    fn read(_: &Spanned<DeValue>, _: &mut Reader) -> Result<Any, ReadError> {
        Ok(Any)
    }
}

impl<T: Read> Read for Vec<At<T>> {
    const EXPECTED: &'static str = "a list [ … ]";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Vec<At<T>>, ReadError> {
        let DeValue::Array(array) = value.get_ref() else { return Err(ReadError::Type) };
        let element = |value: &Spanned<DeValue>| reader.at("each element", value.span().into(), value);
        Ok(array.iter().filter_map(element).collect())
    }
}

impl<T: Read> Read for OneOrMany<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<OneOrMany<T>, ReadError> {
        if let DeValue::Array(_) = value.get_ref() {
            return Vec::read(value, reader).map(OneOrMany);
        }
        let span = value.span().into();
        T::read(value, reader).map(|value| OneOrMany(vec![At { value, span, key: span }]))
    }
}

impl<T: Read> Read for Named<T> {
    const EXPECTED: &'static str = "a table";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Named<T>, ReadError> {
        let DeValue::Table(table) = value.get_ref() else { return Err(ReadError::Type) };
        Ok(entries(table, |name, key, value| reader.at(name, key, value)))
    }
}

impl Read for Options {
    const EXPECTED: &'static str = "a table";

    fn read(value: &Spanned<DeValue>, reader: &mut Reader) -> Result<Options, ReadError> {
        let DeValue::Table(table) = value.get_ref() else { return Err(ReadError::Type) };
        let option = |name: &str, key, value: &Spanned<DeValue>| {
            if is_secret(name) {
                reader.problems.hide(value.span().into());
            }
            match reader.text(value, Secrets::Allowed) {
                Ok(text) => return Some(At { value: text, span: value.span().into(), key }),
                Err(ReadError::Reported) => {}
                Err(_) => {
                    let message =
                        format!("{name} must be a text in quotes: librdkafka reads numbers and booleans from text");
                    reader.problems.error(value.span().into(), message, "");
                }
            }
            None
        };
        Ok(Options(entries(table, option)))
    }
}

fn entries<T>(table: &DeTable, mut read: impl FnMut(&str, Span, &Spanned<DeValue>) -> Option<At<T>>) -> Named<T> {
    let entry = |(key, value): (&Spanned<DeString>, &Spanned<DeValue>)| {
        let (name, key) = (key.get_ref().to_string(), key.span().into());
        Entry { value: read(&name, key, value), name, key }
    };
    table.iter().map(entry).collect()
}
