//! The Modbus side of `[source.x]`: the slave's address and its registers.

use std::time::Duration;

use super::super::problem::{Problems, Span};
use super::super::raw;
use super::super::read::{At, Field};
use super::super::settings::{Encoding, Modbus, Register, RegisterTable, WordOrder};
use super::super::text::Text;
use super::source::{ARRIVED_AT, check_column_name};
use super::{choose, missing, number};
use crate::model::DataType;

const PORT: u16 = 502;
const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_secs(86_400);
/// Keeps a row, and the time that one poll takes, bounded.
const REGISTERS_MAX: usize = 2_000;

pub(super) fn check_modbus(name: &str, key: Span, raw: &raw::Source, problems: &mut Problems) -> Option<Modbus> {
    let address = raw.modbus.given().and_then(|given| check_address(given, problems));
    let unit = number(&raw.unit, "unit", 1, 0, 255, problems);
    let interval = check_time(&raw.interval, "interval", INTERVAL, INTERVAL_MIN, problems);
    let timeout = check_time(&raw.timeout, "timeout", TIMEOUT, TIMEOUT_MIN, problems);
    let device = raw.device.given().map_or(name, |given| given.value.value.as_str()).to_owned();
    if let Some(given) = raw.device.given().filter(|given| given.value.value.is_empty()) {
        problems.error(
            given.span,
            "device is empty",
            "the text in the column device; without this key it is the source's name",
        );
    }
    if raw.registers.is_missing() {
        let help = "write registers = [{ name = \"temp\", table = \"holding\", address = 100, type = \"float32\" }]";
        missing("registers", &format!("source {name:?}"), key, help, problems);
    }
    let given = raw.registers.given()?;
    if given.value.is_empty() || given.value.len() > REGISTERS_MAX {
        problems.error(
            given.span,
            format!("registers has {} elements", given.value.len()),
            format!("1 to {REGISTERS_MAX}"),
        );
    }
    let mut registers: Vec<Register> = Vec::new();
    for raw in &given.value {
        let Some(register) = check_register(raw, problems) else { continue };
        if let (true, Some(name)) = (registers.iter().any(|other| other.name == register.name), raw.value.name.given())
        {
            problems.error(
                name.span,
                format!("there are two registers with the name {:?}", register.name),
                "each is a column: it needs a name of its own",
            );
        }
        registers.push(register);
    }
    let (host, port) = address?;
    Some(Modbus { host, port, unit, interval, timeout, device, registers })
}

fn check_time(
    field: &Field<Duration>,
    key: &str,
    default: Duration,
    min: Duration,
    problems: &mut Problems,
) -> Duration {
    let time = field.or(default);
    if let Some(given) = field.given().filter(|_| time < min || time > WAIT_MAX) {
        problems.error(given.span, format!("{key} is out of range"), format!("\"{}ms\" to \"1d\"", min.as_millis()));
    }
    time
}

/// `tcp://host:port`; the port is 502 if it is not said.
fn check_address(text: &At<Text>, problems: &mut Problems) -> Option<(String, u16)> {
    let help = "tcp://, a name or IP address, and a port, such as \"tcp://10.0.0.5:502\"";
    let written = &text.value.written;
    let wrong = |problems: &mut Problems, message: String| {
        problems.error(text.span, message, help);
        None
    };
    let address = match text.value.value.split_once("://") {
        Some(("tcp", address)) => address,
        Some(("rtu" | "serial", _)) => {
            return wrong(problems, format!("{written:?}: serial lines are not supported yet"));
        }
        Some(("tls" | "udp", _)) => return wrong(problems, format!("{written:?}: only Modbus TCP is supported yet")),
        _ => return wrong(problems, format!("modbus cannot be {written:?}")),
    };
    match split_host_port(address, PORT) {
        Some(parts) => Some(parts),
        None => wrong(problems, format!("modbus cannot be {written:?}")),
    }
}

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn split_host_port(address: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let port: u16 = port.map_or(Some(default_port), |port| port.parse().ok())?;
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (port != 0 && !host.is_empty() && host.len() <= 253 && host.chars().all(named)).then(|| (host.to_owned(), port))
}

fn check_register(raw: &At<raw::Register>, problems: &mut Problems) -> Option<Register> {
    let register = &raw.value;
    for (key, is_missing) in [("name", register.name.is_missing()), ("address", register.address.is_missing())] {
        if is_missing {
            missing(
                key,
                "this register",
                raw.span,
                "as in { name = \"temp\", table = \"holding\", address = 100, type = \"float32\" }",
                problems,
            );
        }
    }
    let tables = [
        ("holding", RegisterTable::Holding),
        ("input", RegisterTable::Input),
        ("coil", RegisterTable::Coil),
        ("discrete", RegisterTable::Discrete),
    ];
    let table = choose(&register.table, "table", RegisterTable::Holding, &tables, &[], problems);
    let encoding = check_encoding(raw, table, problems);
    let orders =
        [("ABCD", WordOrder::Abcd), ("CDAB", WordOrder::Cdab), ("BADC", WordOrder::Badc), ("DCBA", WordOrder::Dcba)];
    let order = choose(&register.order, "order", WordOrder::Abcd, &orders, &[], problems);
    let scale = register.scale.given().map_or(1.0, |given| given.value.0);
    if let Some(given) = register.scale.given() {
        if scale == 0.0 || encoding == Encoding::Bool {
            let message = if scale == 0.0 { "scale cannot be 0" } else { "a bit has no scale" };
            problems.error(given.span, message, "the number that is read is multiplied by it, such as 0.1");
        }
    }
    let data_type = if register.scale.is_missing() { data_type(encoding) } else { DataType::Double };
    let address: u16 = number(&register.address, "address", 0, 0, 65_535, problems);
    let words = words(encoding);
    if let Some(given) = register.address.given().filter(|_| u32::from(address) + words > 65_536) {
        problems.error(
            given.span,
            format!("a value of {words} registers from {address} on goes beyond the last one"),
            "addresses end at 65535",
        );
    }
    let name = register.name.given()?;
    check_register_name(name, problems).then(|| Register {
        name: name.value.value.clone(),
        table,
        address,
        encoding,
        order,
        scale,
        data_type,
    })
}

fn check_register_name(name: &At<Text>, problems: &mut Problems) -> bool {
    let text = name.value.value.as_str();
    if text == "device" || text == ARRIVED_AT {
        problems.error(
            name.span,
            format!("a register cannot have the name {text:?}"),
            "a Modbus source has columns device and arrived_at already",
        );
        return false;
    }
    check_column_name(text, name.span, problems)
}

fn check_encoding(raw: &At<raw::Register>, table: RegisterTable, problems: &mut Problems) -> Encoding {
    let numbers = [
        ("int16", Encoding::Int16),
        ("uint16", Encoding::Uint16),
        ("int32", Encoding::Int32),
        ("uint32", Encoding::Uint32),
        ("float32", Encoding::Float32),
        ("float64", Encoding::Float64),
    ];
    let of_bits = matches!(table, RegisterTable::Coil | RegisterTable::Discrete);
    if of_bits {
        if let Some(given) = raw.value.order.given() {
            problems.error(given.key, "a bit has no order", "order belongs to holding and input registers");
        }
        return choose(&raw.value.r#type, "type", Encoding::Bool, &[("bool", Encoding::Bool)], &[], problems);
    }
    if raw.value.r#type.is_missing() {
        missing("type", "this register", raw.span, "int16, uint16, int32, uint32, float32 or float64", problems);
    }
    choose(
        &raw.value.r#type,
        "type",
        Encoding::Int16,
        &numbers,
        &[("int64", "read it as two uint32"), ("uint64", "read it as two uint32")],
        problems,
    )
}

fn words(encoding: Encoding) -> u32 {
    match encoding {
        Encoding::Bool | Encoding::Int16 | Encoding::Uint16 => 1,
        Encoding::Int32 | Encoding::Uint32 | Encoding::Float32 => 2,
        Encoding::Float64 => 4,
    }
}

fn data_type(encoding: Encoding) -> DataType {
    match encoding {
        Encoding::Bool => DataType::Boolean,
        Encoding::Int16 | Encoding::Uint16 | Encoding::Int32 => DataType::Int,
        Encoding::Uint32 => DataType::BigInt,
        Encoding::Float32 => DataType::Float,
        Encoding::Float64 => DataType::Double,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let split = |text| split_host_port(text, 502);
        assert_eq!(split("10.0.0.5"), Some(("10.0.0.5".into(), 502)));
        assert_eq!(split("plc-1.local:1502"), Some(("plc-1.local".into(), 1502)));
        assert_eq!(split("[fe80::1]:77"), Some(("fe80::1".into(), 77)));
        assert_eq!(split("[fe80::1]"), Some(("fe80::1".into(), 502)));
        for wrong in ["", ":502", "host:", "host:0", "host:70000", "a b:1", "[x]:1", "[::1]x", "::1", "user@host:1"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
