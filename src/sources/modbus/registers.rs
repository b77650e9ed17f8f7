//! Registers and bits: which requests read them all, and what the answers mean. Pure.
//!
//! "Modbus Application Protocol Specification V1.1b3": at most 125 registers or 2,000 bits a request.

use crate::config::{Encoding, Register, RegisterTable, WordOrder};
use crate::model::{DataType, Value};

const REGISTERS_MAX: u16 = 125;
const BITS_MAX: u16 = 2_000;

/// Registers nobody asked for are read along up to this gap: one request less is worth more than a few words.
pub const GAP_MAX: u16 = 8;

/// One read of adjacent registers or bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub table: RegisterTable,
    pub address: u16,
    pub count: u16,
}

/// What a request gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Words(Vec<u16>),
    Bits(Vec<bool>),
}

fn words(register: &Register) -> u16 {
    match register.encoding {
        Encoding::Bool | Encoding::Int16 | Encoding::Uint16 => 1,
        Encoding::Int32 | Encoding::Uint32 | Encoding::Float32 => 2,
        Encoding::Float64 => 4,
    }
}

fn is_bits(table: RegisterTable) -> bool {
    matches!(table, RegisterTable::Coil | RegisterTable::Discrete)
}

/// The fewest requests that read all registers, in order of table and address, over gaps of up to `gap_max`.
pub fn requests(registers: &[Register], gap_max: u16) -> Vec<Request> {
    let mut wanted: Vec<(RegisterTable, u32, u32)> =
        registers.iter().map(|r| (r.table, u32::from(r.address), u32::from(r.address) + u32::from(words(r)))).collect();
    wanted.sort_unstable();
    let mut requests: Vec<(RegisterTable, u32, u32)> = Vec::new();
    for (table, start, end) in wanted {
        let count_max = u32::from(if is_bits(table) { BITS_MAX } else { REGISTERS_MAX });
        match requests.last_mut() {
            Some((last_table, first, last_end))
                if *last_table == table
                    && start <= *last_end + u32::from(gap_max)
                    && end.max(*last_end) - *first <= count_max =>
            {
                *last_end = end.max(*last_end);
            }
            _ => requests.push((table, start, end)),
        }
    }
    // The check of the configuration keeps every register below 65,536.
    let narrow = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    requests
        .into_iter()
        .map(|(table, first, end)| Request { table, address: narrow(first), count: narrow(end - first) })
        .collect()
}

/// The values of the registers, in their order, from the answers to [`requests`]. `None`: an answer is too short.
pub fn values(registers: &[Register], requests: &[Request], answers: &[Answer]) -> Option<Vec<Value>> {
    registers.iter().map(|register| value(register, requests, answers)).collect()
}

fn value(register: &Register, requests: &[Request], answers: &[Answer]) -> Option<Value> {
    let holds = |request: &Request| {
        let (from, to) = (u32::from(request.address), u32::from(request.address) + u32::from(request.count));
        let end = u32::from(register.address) + u32::from(words(register));
        request.table == register.table && (from..to).contains(&u32::from(register.address)) && end <= to
    };
    let at = requests.iter().position(holds)?;
    let offset = usize::from(register.address - requests[at].address);
    let raw = match answers.get(at)? {
        Answer::Bits(bits) => return Some(Value::Boolean(*bits.get(offset)?)),
        Answer::Words(found) => found.get(offset..offset + usize::from(words(register)))?,
    };
    Some(scaled(register, number(register.encoding, register.order, raw)))
}

enum Number {
    Boolean(bool),
    Int(i64),
    Double(f64),
}

fn number(encoding: Encoding, order: WordOrder, words: &[u16]) -> Number {
    let bytes = most_significant_first(order, words);
    let narrow = || bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    match encoding {
        Encoding::Bool => Number::Boolean(narrow() != 0),
        Encoding::Int16 => Number::Int(i64::from(narrow() as u16 as i16)),
        Encoding::Uint16 => Number::Int(i64::from(narrow() as u16)),
        Encoding::Int32 => Number::Int(i64::from(narrow() as u32 as i32)),
        Encoding::Uint32 => Number::Int(i64::from(narrow() as u32)),
        Encoding::Float32 => Number::Double(f64::from(f32::from_bits(narrow() as u32))),
        Encoding::Float64 => Number::Double(f64::from_bits(narrow())),
    }
}

/// On the wire a word has its high byte first; the orders say how a device puts longer values into words.
fn most_significant_first(order: WordOrder, words: &[u16]) -> Vec<u8> {
    let swap_bytes = matches!(order, WordOrder::Badc | WordOrder::Dcba);
    let word = |word: &u16| if swap_bytes { word.to_le_bytes() } else { word.to_be_bytes() };
    match order {
        WordOrder::Abcd | WordOrder::Badc => words.iter().flat_map(word).collect(),
        WordOrder::Cdab | WordOrder::Dcba => words.iter().rev().flat_map(word).collect(),
    }
}

fn scaled(register: &Register, number: Number) -> Value {
    match (number, register.data_type) {
        (Number::Boolean(value), _) => Value::Boolean(value),
        (Number::Int(value), DataType::Double) => Value::Double(times(value as f64, register.scale)),
        (Number::Int(value), _) => Value::Int(value),
        // Devices say "no value" with NaN.
        (Number::Double(value), _) if !value.is_finite() => Value::Null,
        (Number::Double(value), _) => Value::Double(times(value, register.scale)),
    }
}

/// 723 times 0.1 is 72.3, not 72.30000000000001: scales that are one over a whole number divide.
fn times(value: f64, scale: f64) -> f64 {
    let divisor = (1.0 / scale).round();
    if divisor != 0.0 && divisor.is_finite() && 1.0 / divisor == scale { value / divisor } else { value * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(table: RegisterTable, address: u16, encoding: Encoding, order: WordOrder, scale: f64) -> Register {
        let data_type = match encoding {
            Encoding::Bool => DataType::Boolean,
            Encoding::Float32 | Encoding::Float64 => DataType::Double,
            _ if scale != 1.0 => DataType::Double,
            _ => DataType::BigInt,
        };
        Register { name: String::new(), table, address, encoding, order, scale, data_type }
    }

    fn plain(address: u16, encoding: Encoding) -> Register {
        register(RegisterTable::Holding, address, encoding, WordOrder::Abcd, 1.0)
    }

    #[test]
    fn adjacent_registers_are_read_in_one_request() {
        let coil = |address| register(RegisterTable::Coil, address, Encoding::Bool, WordOrder::Abcd, 1.0);
        let registers = [
            plain(100, Encoding::Float32),
            plain(10, Encoding::Int16),
            plain(102, Encoding::Int16),
            coil(5),
            plain(111, Encoding::Float64),
            plain(200, Encoding::Uint32),
            coil(0),
        ];
        let request = |table, address, count| Request { table, address, count };
        assert_eq!(
            requests(&registers, GAP_MAX),
            [
                request(RegisterTable::Holding, 10, 1),
                request(RegisterTable::Holding, 100, 15),
                request(RegisterTable::Holding, 200, 2),
                request(RegisterTable::Coil, 0, 6),
            ]
        );
    }

    #[test]
    fn gaps_can_be_left_out() {
        let registers = [plain(0, Encoding::Int16), plain(1, Encoding::Int32), plain(5, Encoding::Int16)];
        let read = |gap_max| requests(&registers, gap_max).iter().map(|r| (r.address, r.count)).collect::<Vec<_>>();
        assert_eq!(read(GAP_MAX), [(0, 6)]);
        assert_eq!(read(0), [(0, 3), (5, 1)]);
    }

    #[test]
    fn a_request_never_grows_beyond_the_protocol() {
        let many: Vec<Register> = (0..300).map(|at| plain(at, Encoding::Int16)).collect();
        assert_eq!(requests(&many, GAP_MAX).iter().map(|r| r.count).collect::<Vec<_>>(), [125, 125, 50]);
        let last = [plain(65_535, Encoding::Int16), plain(65_534, Encoding::Int16)];
        assert_eq!(requests(&last, GAP_MAX), [Request { table: RegisterTable::Holding, address: 65_534, count: 2 }]);
    }

    #[test]
    fn every_encoding_in_every_order() {
        // 123456.789f32 is 0x47F12065; -2 as a 32-bit integer is 0xFFFFFFFE; 0x0102030405060708 is a double.
        let read = |encoding, order, scale, words: &[u16]| {
            let register = register(RegisterTable::Input, 7, encoding, order, scale);
            let request = Request { table: RegisterTable::Input, address: 7, count: words.len() as u16 };
            values(&[register], &[request], &[Answer::Words(words.to_vec())]).expect("long enough").remove(0)
        };
        let float = f64::from(f32::from_bits(0x47F1_2065));
        for (order, words) in [
            (WordOrder::Abcd, [0x47F1, 0x2065]),
            (WordOrder::Cdab, [0x2065, 0x47F1]),
            (WordOrder::Badc, [0xF147, 0x6520]),
            (WordOrder::Dcba, [0x6520, 0xF147]),
        ] {
            assert_eq!(read(Encoding::Float32, order, 1.0, &words), Value::Double(float));
            assert_eq!(read(Encoding::Uint32, order, 1.0, &words), Value::Int(0x47F1_2065));
        }
        assert_eq!(read(Encoding::Int32, WordOrder::Abcd, 1.0, &[0xFFFF, 0xFFFE]), Value::Int(-2));
        assert_eq!(read(Encoding::Int16, WordOrder::Abcd, 0.5, &[0xFFFB]), Value::Double(-2.5));
        assert_eq!(read(Encoding::Uint16, WordOrder::Badc, 1.0, &[0x0100]), Value::Int(1));
        assert_eq!(read(Encoding::Int16, WordOrder::Abcd, 0.1, &[723]), Value::Double(72.3));
        assert_eq!(read(Encoding::Int16, WordOrder::Abcd, 0.25, &[0xFFFD]), Value::Double(-0.75));
        assert_eq!(read(Encoding::Uint16, WordOrder::Abcd, 20.0, &[3]), Value::Double(60.0));
        assert_eq!(read(Encoding::Float32, WordOrder::Abcd, 1.0, &[0x7FC0, 0]), Value::Null);
        let double = f64::from_bits(0x0102_0304_0506_0708);
        assert_eq!(
            read(Encoding::Float64, WordOrder::Cdab, 1.0, &[0x0708, 0x0506, 0x0304, 0x0102]),
            Value::Double(double)
        );
    }

    #[test]
    fn a_short_answer_is_no_value() {
        let registers = [plain(0, Encoding::Float32)];
        let requests = requests(&registers, GAP_MAX);
        assert_eq!(values(&registers, &requests, &[Answer::Words(vec![1])]), None);
        assert_eq!(values(&registers, &requests, &[]), None);
    }
}
