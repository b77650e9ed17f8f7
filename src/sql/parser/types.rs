//! Data types as they are written.

use super::{Parsed, Parser};
use crate::model::{DataType, Decimal};
use crate::sql::ast::{CastTarget, TextLength};
use crate::sql::lexer::TokenKind;
use crate::sql::span::{Problem, Span, nearest};

/// For the suggestion when a type is misspelt.
const NAMES: [&str; 25] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "STRING",
    "CHAR",
    "VARCHAR",
    "BYTES",
    "BINARY",
    "VARBINARY",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "ARRAY",
    "MAP",
    "ROW",
    "REAL",
    "CHARACTER",
];

/// Types of other systems → Flink's.
const FOREIGN: [(&str, &str); 10] = [
    ("TEXT", "STRING"),
    ("DATETIME", "TIMESTAMP(3)"),
    ("TIMESTAMPTZ", "TIMESTAMP_LTZ(3)"),
    ("INT64", "BIGINT"),
    ("INT32", "INT"),
    ("LONG", "BIGINT"),
    ("BOOL", "BOOLEAN"),
    ("FLOAT64", "DOUBLE"),
    ("NVARCHAR", "STRING"),
    ("BLOB", "BYTES"),
];

/// Digits of a second that a value can hold.
const TIME_PRECISION_MAX: u32 = 6;

impl Parser {
    pub(super) fn data_type(&mut self) -> Parsed<DataType> {
        Ok(self.cast_target()?.data_type)
    }

    pub(super) fn cast_target(&mut self) -> Parsed<CastTarget> {
        let mut target = self.nested(|parser| parser.named_type())?;
        while self.take_word("ARRAY") {
            target.data_type = DataType::array_of(target.data_type);
        }
        Ok(target)
    }

    fn named_type(&mut self) -> Parsed<CastTarget> {
        let span = self.span();
        let TokenKind::Word(word) = &self.token(0).kind else { return Err(self.unexpected("a data type")) };
        let word = word.clone();
        let upper = word.to_ascii_uppercase();
        self.advance();
        let mut length = TextLength::Any;
        let data_type = match upper.as_str() {
            "BOOLEAN" => DataType::Boolean,
            "TINYINT" => DataType::TinyInt,
            "SMALLINT" => DataType::SmallInt,
            "INT" | "INTEGER" => DataType::Int,
            "BIGINT" => DataType::BigInt,
            "FLOAT" | "REAL" => DataType::Float,
            "DOUBLE" => {
                self.take_word("PRECISION");
                DataType::Double
            }
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal()?,
            "STRING" => DataType::String,
            "CHAR" | "CHARACTER" | "VARCHAR" => {
                let varying = upper == "VARCHAR" || self.take_word("VARYING");
                length = match (self.type_parameter(1, i32::MAX as u32)?, varying) {
                    (Some(n), true) => TextLength::AtMost(n),
                    (None, true) => return Err(missing_length(span, &word)),
                    (n, false) => TextLength::Exactly(n.unwrap_or(1)),
                };
                DataType::String
            }
            "BYTES" => DataType::Bytes,
            "BINARY" | "VARBINARY" => {
                length = match (self.type_parameter(1, i32::MAX as u32)?, upper.as_str()) {
                    (None, "VARBINARY") => TextLength::Any,
                    (Some(n), "VARBINARY") => TextLength::AtMost(n),
                    (n, _) => TextLength::Exactly(n.unwrap_or(1)),
                };
                DataType::Bytes
            }
            "DATE" => DataType::Date,
            "TIME" => {
                let precision = self.type_parameter(0, 9)?.unwrap_or(0);
                self.time_zone(span)?;
                // Flink takes more digits and keeps three.
                DataType::Time(precision.min(3) as u8)
            }
            "TIMESTAMP" => {
                let precision = self.time_precision()?;
                if self.time_zone(span)? { DataType::TimestampLtz(precision) } else { DataType::Timestamp(precision) }
            }
            "TIMESTAMP_LTZ" => DataType::TimestampLtz(self.time_precision()?),
            "ARRAY" | "MAP" | "ROW" => return self.nested_type(&upper),
            "MULTISET" | "INTERVAL" | "RAW" | "VARIANT" => {
                return Err(Problem::unsupported(span, &format!("the type {upper}")));
            }
            _ => return Err(unknown_type(span, &word, &upper)),
        };
        Ok(CastTarget { data_type, length })
    }

    /// `ARRAY<t>`, `MAP<k, v>`, `ROW<name t, …>` or `ROW(name t, …)`. A text of limited length inside makes the whole one
    /// of limited length.
    fn nested_type(&mut self, upper: &str) -> Parsed<CastTarget> {
        let close = if upper == "ROW" && self.at_symbol("(") { ")" } else { ">" };
        self.expect_symbol(if close == ")" { "(" } else { "<" })?;
        let mut parts: Vec<(String, CastTarget)> = Vec::new();
        loop {
            let name = if upper == "ROW" { self.ident("the name of a field")?.name } else { String::new() };
            let part = self.cast_target()?;
            self.nullability();
            if upper == "ROW" {
                self.comment()?;
            }
            parts.push((name, part));
            if upper == "ARRAY" || upper == "MAP" && parts.len() == 2 {
                break;
            }
            if !self.take_symbol(",") {
                if upper == "MAP" {
                    return Err(self.unexpected("',' and the type of the values").help("MAP<STRING, INT>"));
                }
                break;
            }
        }
        if !self.take_symbol(close) {
            let example = match upper {
                "ARRAY" => "ARRAY<INT>",
                "MAP" => "MAP<STRING, INT>",
                _ => "ROW<a INT, b STRING>",
            };
            return Err(self.unexpected(&format!("'{close}'")).help(format!("it is written as in {example}")));
        }
        let length = parts.iter().map(|(_, part)| part.length).find(|length| *length != TextLength::Any);
        let data_type = match (upper, parts.as_slice()) {
            ("ARRAY", [(_, element)]) => DataType::array_of(element.data_type),
            ("MAP", [(_, key), (_, value)]) => DataType::map_of(key.data_type, value.data_type),
            (_, fields) => DataType::row_of(fields.iter().map(|(name, part)| (name.as_str(), part.data_type))),
        };
        Ok(CastTarget { data_type, length: length.unwrap_or(TextLength::Any) })
    }

    /// NOT NULL or NULL after a type: nothing is checked by it.
    pub(super) fn nullability(&mut self) -> bool {
        if self.at_words(&["NOT", "NULL"]) {
            (0..2).for_each(|_| self.advance());
            return true;
        }
        self.take_word("NULL")
    }

    fn decimal(&mut self) -> Parsed<DataType> {
        let (mut precision, mut scale) = (10, 0);
        if self.take_symbol("(") {
            precision = self.number(1, u32::from(Decimal::PRECISION_MAX), "the precision")?;
            if self.take_symbol(",") {
                scale = self.number(0, precision, "the scale")?;
            }
            self.expect_symbol(")")?;
        }
        // Both are at most PRECISION_MAX.
        Ok(DataType::Decimal { precision: precision as u8, scale: scale as u8 })
    }

    fn time_precision(&mut self) -> Parsed<u8> {
        if !self.at_symbol("(") {
            return Ok(6);
        }
        self.advance();
        let precision = self.number(0, TIME_PRECISION_MAX, "the precision")?;
        self.expect_symbol(")")?;
        Ok(precision as u8)
    }

    /// `WITHOUT TIME ZONE` or `WITH LOCAL TIME ZONE`; whether it is the latter.
    fn time_zone(&mut self, span: Span) -> Parsed<bool> {
        if self.at_words(&["WITHOUT", "TIME", "ZONE"]) {
            (0..3).for_each(|_| self.advance());
            return Ok(false);
        }
        if self.at_words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            (0..4).for_each(|_| self.advance());
            return Ok(true);
        }
        if self.at_words(&["WITH", "TIME", "ZONE"]) {
            return Err(Problem::new(span.to(self.token(2).span), "Flink has no type with a time zone of its own")
                .help("TIMESTAMP_LTZ(3) is a moment on the time line"));
        }
        Ok(false)
    }

    /// `(n)`, if it is there.
    fn type_parameter(&mut self, min: u32, max: u32) -> Parsed<Option<u32>> {
        if !self.take_symbol("(") {
            return Ok(None);
        }
        let n = self.number(min, max, "the length")?;
        self.expect_symbol(")")?;
        Ok(Some(n))
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, min: u32, max: u32, what: &str) -> Parsed<u32> {
        let span = self.span();
        let TokenKind::Number(digits) = &self.token(0).kind else { return Err(self.unexpected("a number")) };
        match digits.parse::<u32>() {
            Ok(n) if (min..=max).contains(&n) => {
                self.advance();
                Ok(n)
            }
            _ => Err(Problem::new(span, format!("{what} must be a whole number from {min} to {max}, not {digits}"))),
        }
    }
}

fn missing_length(span: Span, word: &str) -> Problem {
    Problem::new(span, format!("{word} without a length is one character long")).help("write STRING, or VARCHAR(n)")
}

fn unknown_type(span: Span, word: &str, upper: &str) -> Problem {
    let problem = Problem::new(span, format!("{word} is no data type"));
    let foreign = FOREIGN.iter().find(|(name, _)| *name == upper).map(|(_, ours)| *ours);
    match foreign.or_else(|| nearest(word, NAMES)) {
        Some(name) => problem.help(format!("did you mean {name}?")),
        None => problem.help("Flink's types are BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(p, s), STRING, BYTES, DATE, TIME, TIMESTAMP(3), TIMESTAMP_LTZ(3), ARRAY<t>, MAP<k, v>, ROW<name t, …> and their like"),
    }
}
