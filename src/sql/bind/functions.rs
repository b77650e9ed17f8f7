//! Flink's scalar functions: names, arguments, results.
//!
//! A function whose type depends on more than its first argument, or that is bound to something other than a call, is
//! in `calls.rs`. <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/functions/systemfunctions/>

use crate::model::DataType;
use crate::plan::{Function, TimeUnit};

/// What an argument must be, and is cast to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    Text,
    Int,
    BigInt,
    Double,
    /// Any number, as it is.
    Number,
    /// A text or a whole number, as it is.
    TextOrInt,
    Bytes,
    /// A text or BYTES, as it is.
    TextOrBytes,
    /// TIMESTAMP or TIMESTAMP_LTZ.
    Timestamp,
    /// DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ.
    AnyTime,
    /// A text or any number, as it is.
    TextOrNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    Is(DataType),
    /// What the first argument is.
    First,
}

#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    pub name: &'static str,
    pub function: Function,
    pub parameters: &'static [Parameter],
    /// How many of the parameters must be there.
    pub required: usize,
    /// Whether the last parameter may be repeated.
    pub repeats: bool,
    pub returns: Returns,
    /// For the error about the number of arguments.
    pub signature: &'static str,
}

const TEXT: Returns = Returns::Is(DataType::String);
const INT: Returns = Returns::Is(DataType::Int);
const DOUBLE: Returns = Returns::Is(DataType::Double);
const BIGINT: Returns = Returns::Is(DataType::BigInt);
const BOOLEAN: Returns = Returns::Is(DataType::Boolean);
const BYTES: Returns = Returns::Is(DataType::Bytes);

const fn fixed(
    name: &'static str,
    function: Function,
    parameters: &'static [Parameter],
    returns: Returns,
    signature: &'static str,
) -> Builtin {
    Builtin { name, function, parameters, required: parameters.len(), repeats: false, returns, signature }
}

const fn optional(builtin: Builtin, required: usize) -> Builtin {
    Builtin { required, ..builtin }
}

const fn repeating(builtin: Builtin) -> Builtin {
    Builtin { repeats: true, ..builtin }
}

use Parameter as P;

#[rustfmt::skip]
static BUILTINS: &[Builtin] = &[
    fixed("ABS", Function::Abs, &[P::Number], Returns::First, "ABS(number)"),
    fixed("SIGN", Function::Sign, &[P::Number], Returns::First, "SIGN(number)"),
    fixed("POWER", Function::Power, &[P::Double, P::Double], DOUBLE, "POWER(base, exponent)"),
    fixed("SQRT", Function::Sqrt, &[P::Double], DOUBLE, "SQRT(number)"),
    fixed("EXP", Function::Exp, &[P::Double], DOUBLE, "EXP(number)"),
    fixed("LN", Function::Ln, &[P::Double], DOUBLE, "LN(number)"),
    fixed("LOG10", Function::Log10, &[P::Double], DOUBLE, "LOG10(number)"),
    fixed("LOG2", Function::Log2, &[P::Double], DOUBLE, "LOG2(number)"),
    optional(fixed("LOG", Function::Log, &[P::Double, P::Double], DOUBLE, "LOG(number) or LOG(base, number)"), 1),
    fixed("SIN", Function::Sin, &[P::Double], DOUBLE, "SIN(number)"),
    fixed("COS", Function::Cos, &[P::Double], DOUBLE, "COS(number)"),
    fixed("TAN", Function::Tan, &[P::Double], DOUBLE, "TAN(number)"),
    fixed("COT", Function::Cot, &[P::Double], DOUBLE, "COT(number)"),
    fixed("ASIN", Function::Asin, &[P::Double], DOUBLE, "ASIN(number)"),
    fixed("ACOS", Function::Acos, &[P::Double], DOUBLE, "ACOS(number)"),
    fixed("ATAN", Function::Atan, &[P::Double], DOUBLE, "ATAN(number)"),
    fixed("ATAN2", Function::Atan2, &[P::Double, P::Double], DOUBLE, "ATAN2(y, x)"),
    fixed("SINH", Function::Sinh, &[P::Double], DOUBLE, "SINH(number)"),
    fixed("COSH", Function::Cosh, &[P::Double], DOUBLE, "COSH(number)"),
    fixed("TANH", Function::Tanh, &[P::Double], DOUBLE, "TANH(number)"),
    fixed("DEGREES", Function::Degrees, &[P::Double], DOUBLE, "DEGREES(radians)"),
    fixed("RADIANS", Function::Radians, &[P::Double], DOUBLE, "RADIANS(degrees)"),
    fixed("PI", Function::Pi, &[], DOUBLE, "PI()"),
    fixed("E", Function::E, &[], DOUBLE, "E()"),
    fixed("BIN", Function::Bin, &[P::BigInt], TEXT, "BIN(integer)"),
    fixed("HEX", Function::Hex, &[P::TextOrInt], TEXT, "HEX(integer or text)"),
    fixed("UPPER", Function::Upper, &[P::Text], TEXT, "UPPER(text)"),
    fixed("LOWER", Function::Lower, &[P::Text], TEXT, "LOWER(text)"),
    fixed("CHAR_LENGTH", Function::CharLength, &[P::Text], INT, "CHAR_LENGTH(text)"),
    fixed("CHARACTER_LENGTH", Function::CharLength, &[P::Text], INT, "CHARACTER_LENGTH(text)"),
    optional(fixed("SUBSTRING", Function::Substring, &[P::Text, P::Int, P::Int], TEXT, "SUBSTRING(text, start [, length])"), 2),
    optional(fixed("SUBSTR", Function::Substring, &[P::Text, P::Int, P::Int], TEXT, "SUBSTR(text, start [, length])"), 2),
    repeating(fixed("CONCAT", Function::Concat, &[P::Text], TEXT, "CONCAT(text, ...)")),
    fixed("||", Function::Concat, &[P::Text, P::Text], TEXT, "text || text"),
    optional(repeating(fixed("CONCAT_WS", Function::ConcatWs, &[P::Text, P::Text], TEXT, "CONCAT_WS(separator, text, ...)")), 1),
    fixed("REPLACE", Function::Replace, &[P::Text, P::Text, P::Text], TEXT, "REPLACE(text, old, new)"),
    optional(fixed("OVERLAY", Function::Overlay, &[P::Text, P::Text, P::Int, P::Int], TEXT, "OVERLAY(text PLACING new FROM start [FOR length])"), 3),
    fixed("REVERSE", Function::Reverse, &[P::Text], TEXT, "REVERSE(text)"),
    fixed("REPEAT", Function::Repeat, &[P::Text, P::Int], TEXT, "REPEAT(text, times)"),
    fixed("LEFT", Function::Left, &[P::Text, P::Int], TEXT, "LEFT(text, length)"),
    fixed("RIGHT", Function::Right, &[P::Text, P::Int], TEXT, "RIGHT(text, length)"),
    fixed("LPAD", Function::Lpad, &[P::Text, P::Int, P::Text], TEXT, "LPAD(text, length, pad)"),
    fixed("RPAD", Function::Rpad, &[P::Text, P::Int, P::Text], TEXT, "RPAD(text, length, pad)"),
    fixed("INITCAP", Function::InitCap, &[P::Text], TEXT, "INITCAP(text)"),
    fixed("ASCII", Function::Ascii, &[P::Text], INT, "ASCII(text)"),
    fixed("CHR", Function::Chr, &[P::BigInt], TEXT, "CHR(integer)"),
    optional(fixed("REGEXP_EXTRACT", Function::RegexpExtract, &[P::Text, P::Text, P::Int], TEXT, "REGEXP_EXTRACT(text, pattern [, group])"), 2),
    fixed("REGEXP_REPLACE", Function::RegexpReplace, &[P::Text, P::Text, P::Text], TEXT, "REGEXP_REPLACE(text, pattern, new)"),
    fixed("REGEXP", Function::Regexp, &[P::Text, P::Text], BOOLEAN, "REGEXP(text, pattern)"),
    fixed("TO_BASE64", Function::ToBase64, &[P::TextOrBytes], TEXT, "TO_BASE64(text or bytes)"),
    fixed("FROM_BASE64", Function::FromBase64, &[P::Text], TEXT, "FROM_BASE64(text)"),
    fixed("MD5", Function::Md5, &[P::TextOrBytes], TEXT, "MD5(text)"),
    fixed("SHA1", Function::Sha1, &[P::TextOrBytes], TEXT, "SHA1(text)"),
    fixed("SHA224", Function::Sha224, &[P::TextOrBytes], TEXT, "SHA224(text)"),
    fixed("SHA256", Function::Sha256, &[P::TextOrBytes], TEXT, "SHA256(text)"),
    fixed("SHA384", Function::Sha384, &[P::TextOrBytes], TEXT, "SHA384(text)"),
    fixed("SHA512", Function::Sha512, &[P::TextOrBytes], TEXT, "SHA512(text)"),
    fixed("SHA2", Function::Sha2, &[P::TextOrBytes, P::Int], TEXT, "SHA2(text, length)"),
    fixed("ENCODE", Function::Encode, &[P::Text, P::Text], BYTES, "ENCODE(text, character set)"),
    fixed("DECODE", Function::Decode, &[P::Bytes, P::Text], TEXT, "DECODE(bytes, character set)"),
    fixed("UNHEX", Function::Unhex, &[P::Text], BYTES, "UNHEX(text)"),
    fixed("URL_ENCODE", Function::UrlEncode, &[P::Text], TEXT, "URL_ENCODE(text)"),
    fixed("URL_DECODE", Function::UrlDecode, &[P::Text], TEXT, "URL_DECODE(text)"),
    optional(fixed("PARSE_URL", Function::ParseUrl, &[P::Text, P::Text, P::Text], TEXT, "PARSE_URL(url, part [, key])"), 2),
    fixed("INET_ATON", Function::InetAton, &[P::Text], BIGINT, "INET_ATON(text)"),
    fixed("INET_NTOA", Function::InetNtoa, &[P::BigInt], TEXT, "INET_NTOA(number)"),
    fixed("REGEXP_COUNT", Function::RegexpCount, &[P::Text, P::Text], INT, "REGEXP_COUNT(text, pattern)"),
    fixed("REGEXP_INSTR", Function::RegexpInstr, &[P::Text, P::Text], INT, "REGEXP_INSTR(text, pattern)"),
    fixed("REGEXP_SUBSTR", Function::RegexpSubstr, &[P::Text, P::Text], TEXT, "REGEXP_SUBSTR(text, pattern)"),
    fixed("TRANSLATE", Function::Translate, &[P::Text, P::Text, P::Text], TEXT, "TRANSLATE(text, from, to)"),
    fixed("TRANSLATE3", Function::Translate, &[P::Text, P::Text, P::Text], TEXT, "TRANSLATE3(text, from, to)"),
    fixed("IS_ALPHA", Function::IsAlpha, &[P::TextOrNumber], BOOLEAN, "IS_ALPHA(text or number)"),
    fixed("IS_DECIMAL", Function::IsDecimal, &[P::TextOrNumber], BOOLEAN, "IS_DECIMAL(text or number)"),
    fixed("IS_DIGIT", Function::IsDigit, &[P::TextOrNumber], BOOLEAN, "IS_DIGIT(text or number)"),
    fixed("JSON_QUOTE", Function::JsonQuote, &[P::Text], TEXT, "JSON_QUOTE(text)"),
    fixed("JSON_UNQUOTE", Function::JsonUnquote, &[P::Text], TEXT, "JSON_UNQUOTE(json)"),
    fixed("JSON", Function::JsonRaw, &[P::Text], TEXT, "JSON(text)"),
    fixed("CONVERT_TZ", Function::ConvertTz, &[P::Text, P::Text, P::Text], TEXT, "CONVERT_TZ(text, from zone, to zone)"),
    fixed("STARTSWITH", Function::StartsWith, &[P::Text, P::Text], BOOLEAN, "STARTSWITH(text, start)"),
    fixed("ENDSWITH", Function::EndsWith, &[P::Text, P::Text], BOOLEAN, "ENDSWITH(text, end)"),
    fixed("YEAR", Function::Extract(TimeUnit::Year), &[P::AnyTime], BIGINT, "YEAR(time)"),
    fixed("QUARTER", Function::Extract(TimeUnit::Quarter), &[P::AnyTime], BIGINT, "QUARTER(time)"),
    fixed("MONTH", Function::Extract(TimeUnit::Month), &[P::AnyTime], BIGINT, "MONTH(time)"),
    fixed("WEEK", Function::Extract(TimeUnit::Week), &[P::AnyTime], BIGINT, "WEEK(time)"),
    fixed("DAYOFYEAR", Function::Extract(TimeUnit::Doy), &[P::AnyTime], BIGINT, "DAYOFYEAR(time)"),
    fixed("DAYOFMONTH", Function::Extract(TimeUnit::Day), &[P::AnyTime], BIGINT, "DAYOFMONTH(time)"),
    fixed("DAYOFWEEK", Function::Extract(TimeUnit::Dow), &[P::AnyTime], BIGINT, "DAYOFWEEK(time)"),
    fixed("HOUR", Function::Extract(TimeUnit::Hour), &[P::AnyTime], BIGINT, "HOUR(time)"),
    fixed("MINUTE", Function::Extract(TimeUnit::Minute), &[P::AnyTime], BIGINT, "MINUTE(time)"),
    fixed("SECOND", Function::Extract(TimeUnit::Second), &[P::AnyTime], BIGINT, "SECOND(time)"),
    optional(fixed("TO_TIMESTAMP", Function::ToTimestamp, &[P::Text, P::Text], Returns::Is(DataType::Timestamp(3)), "TO_TIMESTAMP(text [, format])"), 1),
    optional(fixed("UNIX_TIMESTAMP", Function::UnixTimestamp, &[P::Text, P::Text], BIGINT, "UNIX_TIMESTAMP([text [, format]])"), 0),
    optional(fixed("FROM_UNIXTIME", Function::FromUnixtime, &[P::BigInt, P::Text], TEXT, "FROM_UNIXTIME(seconds [, format])"), 1),
    optional(fixed("TO_DATE", Function::ToDate, &[P::Text, P::Text], Returns::Is(DataType::Date), "TO_DATE(text [, format])"), 1),
    fixed("NOW", Function::CurrentTime, &[], Returns::Is(DataType::TimestampLtz(3)), "NOW()"),
    fixed("CURRENT_ROW_TIMESTAMP", Function::CurrentTime, &[], Returns::Is(DataType::TimestampLtz(3)), "CURRENT_ROW_TIMESTAMP()"),
    fixed("CURRENT_WATERMARK", Function::CurrentWatermark, &[P::Timestamp], Returns::First, "CURRENT_WATERMARK(time)"),
];

/// Those bound in `calls.rs`, for suggestions.
const SPECIAL: [&str; 25] = [
    "ROUND",
    "TRUNCATE",
    "FLOOR",
    "CEIL",
    "CEILING",
    "MOD",
    "GREATEST",
    "LEAST",
    "COALESCE",
    "IFNULL",
    "NULLIF",
    "IF",
    "LTRIM",
    "RTRIM",
    "BTRIM",
    "INSTR",
    "DATE_FORMAT",
    "TRIM",
    "TIMESTAMPADD",
    "TIMESTAMPDIFF",
    "JSON_VALUE",
    "JSON_QUERY",
    "JSON_EXISTS",
    "JSON_OBJECT",
    "JSON_ARRAY",
];

const AGGREGATES: [&str; 16] = [
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STDDEV",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "FIRST_VALUE",
    "LAST_VALUE",
    "LISTAGG",
    "PERCENTILE",
    "APPROX_PERCENTILE",
];

/// Those that stand with OVER alone.
const NUMBERING: [&str; 4] = ["ROW_NUMBER", "RANK", "DENSE_RANK", "LAG"];

/// Flink has them, tidegate not yet.
const NOT_YET: &[&str] = &[
    "COLLECT",
    "LEAD",
    "NTILE",
    "CUME_DIST",
    "PERCENT_RANK",
    "ARRAY_AGG",
    "JSON_OBJECTAGG",
    "JSON_ARRAYAGG",
    "GROUPING_ID",
    "GROUP_ID",
    "PROCTIME",
    "FIELD",
    "OCTET_LENGTH",
    "CURRENT_DATABASE",
    "MATCH_PROCTIME",
    "FIRST",
    "LAST",
    "CLASSIFIER",
    "MATCH_NUMBER",
    "SINGLE_VALUE",
    "APPROX_COUNT_DISTINCT",
];

/// Functions of other systems → what Flink has for it.
const FOREIGN: [(&str, &str); 21] = [
    ("LENGTH", "CHAR_LENGTH(text)"),
    ("LEN", "CHAR_LENGTH(text)"),
    ("NVL", "COALESCE(a, b)"),
    ("ISNULL", "x IS NULL"),
    ("IFF", "IF(condition, a, b)"),
    ("IIF", "IF(condition, a, b)"),
    ("POW", "POWER(base, exponent)"),
    ("TRUNC", "TRUNCATE(number, digits)"),
    ("DATE_TRUNC", "FLOOR(time TO MINUTE)"),
    ("DATE_ADD", "time + INTERVAL '1' DAY, or TIMESTAMPADD(DAY, 1, time)"),
    ("DATE_SUB", "time - INTERVAL '1' DAY"),
    ("DATEADD", "TIMESTAMPADD(DAY, 1, time)"),
    ("DATEDIFF", "TIMESTAMPDIFF(DAY, from, to)"),
    ("DATE_DIFF", "TIMESTAMPDIFF(DAY, from, to)"),
    ("DATE_PART", "EXTRACT(HOUR FROM time)"),
    ("GETDATE", "CURRENT_TIMESTAMP"),
    ("MEAN", "AVG(x)"),
    ("AVERAGE", "AVG(x)"),
    ("UCASE", "UPPER(text)"),
    ("LCASE", "LOWER(text)"),
    ("TO_CHAR", "DATE_FORMAT(time, 'yyyy-MM-dd')"),
];

/// A replay must give the same rows, so nothing may depend on chance.
const BY_CHANCE: [&str; 3] = ["RAND", "RAND_INTEGER", "UUID"];

/// What is known of a name that is no function here.
pub enum Unknown {
    NotYet,
    /// Refused for good.
    ByChance,
    /// What to write instead, if there is something.
    Never(Option<String>),
}

pub fn find(upper: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == upper)
}

/// What the function is called by.
pub fn name_of(function: Function) -> Option<&'static str> {
    let named = match function {
        Function::Round => Some("ROUND"),
        Function::Truncate => Some("TRUNCATE"),
        Function::Floor => Some("FLOOR"),
        Function::Ceil => Some("CEIL"),
        Function::Greatest => Some("GREATEST"),
        Function::Least => Some("LEAST"),
        Function::DateFormat => Some("DATE_FORMAT"),
        Function::Instr => Some("INSTR"),
        Function::TextToTimestampLtz => Some("TO_TIMESTAMP_LTZ"),
        _ => None,
    };
    let builtin = || BUILTINS.iter().find(|builtin| builtin.function == function).map(|builtin| builtin.name);
    let collection = || super::collections::name_of(function);
    named.or_else(builtin).or_else(collection).or_else(|| super::mixed::name_of(function))
}

/// Every function and aggregate, in capitals.
pub fn names() -> impl Iterator<Item = &'static str> {
    let builtins = BUILTINS.iter().map(|builtin| builtin.name);
    builtins
        .chain(SPECIAL)
        .chain(AGGREGATES)
        .chain(NUMBERING)
        .chain(super::collections::names())
        .chain(super::mixed::names())
        .chain(super::report::names())
        .chain(super::group_window::names())
}

pub fn explain(upper: &str) -> Unknown {
    if NOT_YET.contains(&upper) {
        return Unknown::NotYet;
    }
    if upper == "CUMULATE" {
        let help = "it stands in FROM: TABLE(CUMULATE(TABLE source, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))";
        return Unknown::Never(Some(help.to_owned()));
    }
    if upper == "MATCH_ROWTIME" {
        return Unknown::Never(Some("it stands in MEASURES of MATCH_RECOGNIZE".to_owned()));
    }
    if NUMBERING.contains(&upper) {
        return Unknown::Never(Some(format!("it needs OVER: {upper}(…) OVER (PARTITION BY device ORDER BY ts)")));
    }
    if BY_CHANCE.contains(&upper) {
        return Unknown::ByChance;
    }
    if let Some((_, instead)) = FOREIGN.iter().find(|(name, _)| *name == upper) {
        return Unknown::Never(Some(format!("in Flink it is {instead}")));
    }
    let near = crate::sql::span::nearest(upper, names());
    Unknown::Never(near.map(|near| format!("did you mean {near}?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once() {
        let mut names: Vec<&str> = names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in names {
            assert!(!NOT_YET.contains(&name) && !FOREIGN.iter().any(|(foreign, _)| *foreign == name), "{name}");
        }
    }

    #[test]
    fn a_signature_begins_with_the_name() {
        for builtin in BUILTINS.iter().filter(|builtin| builtin.name != "||") {
            assert!(builtin.signature.starts_with(builtin.name), "{}", builtin.name);
            assert!(builtin.required <= builtin.parameters.len(), "{}", builtin.name);
        }
    }
}
