//! CONVERT_TZ: wall clock times of one time zone as those of another.
//!
//! The rules of the zones are those that jiff carries in it (the IANA database of its release), not the machine's: a
//! replay must see the same ones. Names are Java's: IANA's, `GMT+2`, `GMT-08:30`, and the old three-letter ones. An
//! unknown name is GMT to Java, and so to CONVERT_TZ; to TO_TIMESTAMP_LTZ it is an error.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::date_pattern::DatePattern;
use super::values::{Body, Outcome, string, text};
use super::{EvalError, Reason, excerpt};
use crate::model::Value;
use crate::model::civil::write_timestamp;
use crate::plan::Function;

/// Java's old names that are not IANA's.
const OLD_NAMES: [(&str, &str); 25] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

pub fn body(function: Function) -> Option<Body> {
    match function {
        Function::ConvertTz => Some(Body::Strict(convert)),
        _ => None,
    }
}

/// NULL for a text that is no time.
fn convert(values: &[Value]) -> Outcome {
    let zone = |name: &Value| text(name).map(|name| zone(name).unwrap_or(TimeZone::UTC));
    let (from, to) = (zone(&values[1])?, zone(&values[2])?);
    let Some(micros) = DatePattern::simple("yyyy-MM-dd HH:mm:ss").parse(text(&values[0])?)? else {
        return Ok(Value::Null);
    };
    let converted = moment_in(&from, micros).and_then(|moment| wall_clock(&to, moment));
    let Some(micros) = converted else { return Err(Reason::TimeRange("CONVERT_TZ").into()) };
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_timestamp(micros, ' ', 0, &mut out);
    string(out)
}

/// The moment of a wall clock time in a zone, both in microseconds.
pub fn moment(zone_name: &str, wall_micros: i64) -> Result<i64, EvalError> {
    let known = fixed(zone_name).map(TimeZone::fixed).or_else(|| zone(zone_name));
    let Some(zone) = known else {
        let why = "there is no such time zone".to_owned();
        return Err(Reason::Argument { function: "TO_TIMESTAMP_LTZ", value: excerpt(zone_name), why }.into());
    };
    moment_in(&zone, wall_micros).ok_or_else(|| Reason::TimeRange("TO_TIMESTAMP_LTZ").into())
}

/// Upper and lower case differ.
fn zone(name: &str) -> Option<TimeZone> {
    let known = OLD_NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, iana)| *iana);
    match known.strip_prefix("GMT").filter(|offset| !offset.is_empty()) {
        Some(offset) => fixed(offset).map(TimeZone::fixed),
        None => TimeZone::get(known).ok().filter(|zone| zone.iana_name() == Some(known)),
    }
}

/// `+2`, `-08:30`, `+0830`
fn fixed(offset: &str) -> Option<Offset> {
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &offset[1..];
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some(parts), _) => parts,
        (None, 1 | 2) => (digits, "00"),
        (None, 3 | 4) => digits.split_at_checked(digits.len() - 2)?,
        _ => return None,
    };
    if minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// The moment of a wall clock time, both in microseconds. A time that the clock skips is counted on from before the
/// gap, of one that comes twice the later counts, as in Java.
fn moment_in(zone: &TimeZone, wall_micros: i64) -> Option<i64> {
    let wall = date_time(wall_micros)?;
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    ambiguous.later().ok().map(|moment| moment.as_microsecond())
}

fn wall_clock(zone: &TimeZone, micros: i64) -> Option<i64> {
    let moment = jiff::Timestamp::from_microsecond(micros).ok()?;
    micros.checked_add(i64::from(zone.to_offset(moment).seconds()) * 1_000_000)
}

fn date_time(micros: i64) -> Option<DateTime> {
    jiff::Timestamp::from_microsecond(micros).ok().map(|moment| Offset::UTC.to_datetime(moment))
}
