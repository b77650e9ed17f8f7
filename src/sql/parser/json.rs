//! JSON functions, whose arguments are followed by words: RETURNING, WRAPPER, ON EMPTY, ON ERROR, ON NULL.

use super::{Parsed, Parser};
use crate::plan::{JsonKind, JsonOnError, Wrapper};
use crate::sql::ast::{Expr, JsonCall, JsonFunction, JsonMissing};

/// What may stand for a missing or wrong value, before ON EMPTY or ON ERROR.
const BEHAVIORS: &str = "NULL, ERROR, DEFAULT …, EMPTY ARRAY or EMPTY OBJECT, then ON EMPTY or ON ERROR";

impl Parser {
    /// The rest of a JSON function after its `(`, up to and with `)`. `None`: it is none of them.
    pub(super) fn json_call(&mut self, upper: &str) -> Parsed<Option<JsonCall>> {
        Ok(Some(match upper {
            "JSON_VALUE" => self.json_value()?,
            "JSON_QUERY" => self.json_query()?,
            "JSON_EXISTS" => self.json_exists()?,
            "JSON_OBJECT" => self.json_object()?,
            "JSON_ARRAY" => self.json_array()?,
            _ => return Ok(None),
        }))
    }

    fn json_and_path(&mut self) -> Parsed<Vec<Expr>> {
        let json = self.expr()?;
        self.expect_symbol(",")?;
        Ok(vec![json, self.expr()?])
    }

    fn json_value(&mut self) -> Parsed<JsonCall> {
        let arguments = self.json_and_path()?;
        let returning = if self.take_word("RETURNING") { Some(self.cast_target()?) } else { None };
        let (on_empty, on_error) = self.on_empty_and_error()?;
        Ok(JsonCall { function: JsonFunction::Value { on_empty, on_error }, arguments, returning })
    }

    fn json_query(&mut self) -> Parsed<JsonCall> {
        let arguments = self.json_and_path()?;
        let returning = if self.take_word("RETURNING") { Some(self.cast_target()?) } else { None };
        let wrapper = self.wrapper()?;
        let (on_empty, on_error) = self.on_empty_and_error()?;
        Ok(JsonCall { function: JsonFunction::Query { wrapper, on_empty, on_error }, arguments, returning })
    }

    /// `WITHOUT [ARRAY] WRAPPER`, `WITH [CONDITIONAL | UNCONDITIONAL] [ARRAY] WRAPPER`
    fn wrapper(&mut self) -> Parsed<Wrapper> {
        if self.take_word("WITHOUT") {
            self.take_word("ARRAY");
            self.expect_word("WRAPPER")?;
            return Ok(Wrapper::Without);
        }
        if !self.take_word("WITH") {
            return Ok(Wrapper::Without);
        }
        let conditional = self.take_word("CONDITIONAL");
        if !conditional {
            self.take_word("UNCONDITIONAL");
        }
        self.take_word("ARRAY");
        self.expect_word("WRAPPER")?;
        Ok(if conditional { Wrapper::Conditional } else { Wrapper::Always })
    }

    fn on_empty_and_error(&mut self) -> Parsed<(JsonMissing, JsonMissing)> {
        let (mut on_empty, mut on_error) = (None, None);
        while !self.at_symbol(")") {
            let start = self.span();
            let behavior = if self.take_word("NULL") {
                JsonMissing::Null
            } else if self.take_word("ERROR") {
                JsonMissing::Error
            } else if self.take_word("DEFAULT") {
                JsonMissing::Default(Box::new(self.expr()?))
            } else if self.at_words(&["EMPTY", "ARRAY"]) {
                (0..2).for_each(|_| self.advance());
                JsonMissing::EmptyArray
            } else if self.at_words(&["EMPTY", "OBJECT"]) {
                (0..2).for_each(|_| self.advance());
                JsonMissing::EmptyObject
            } else {
                return Err(self.unexpected("')'").help(BEHAVIORS));
            };
            self.expect_word("ON")?;
            let place = if self.at_word("EMPTY") { &mut on_empty } else { &mut on_error };
            if place.replace((behavior, start)).is_some() {
                return Err(self.unexpected("')'").help("ON EMPTY and ON ERROR are said once each"));
            }
            if !self.take_word("EMPTY") {
                self.expect_word("ERROR")?;
            }
        }
        self.advance();
        let behavior = |given: Option<(JsonMissing, _)>| given.map_or(JsonMissing::Null, |(behavior, _)| behavior);
        Ok((behavior(on_empty), behavior(on_error)))
    }

    fn json_exists(&mut self) -> Parsed<JsonCall> {
        let arguments = self.json_and_path()?;
        let words = [
            ("TRUE", JsonOnError::True),
            ("FALSE", JsonOnError::False),
            ("UNKNOWN", JsonOnError::Unknown),
            ("ERROR", JsonOnError::Error),
        ];
        let mut on_error = JsonOnError::False;
        if let Some((_, behavior)) = words.into_iter().find(|(word, _)| self.at_word(word)) {
            self.advance();
            self.expect_word("ON")?;
            self.expect_word("ERROR")?;
            on_error = behavior;
        }
        self.expect_symbol(")")?;
        Ok(JsonCall { function: JsonFunction::Exists { on_error }, arguments, returning: None })
    }

    /// `[KEY] key VALUE value, …` or `key : value`
    fn json_object(&mut self) -> Parsed<JsonCall> {
        let mut arguments = Vec::new();
        while !self.at_symbol(")") && !self.at_words(&["NULL", "ON"]) && !self.at_words(&["ABSENT", "ON"]) {
            if self.at_word("KEY") && !self.symbol_ahead(1, ",") && !self.word_ahead(1, "VALUE") {
                self.advance();
            }
            arguments.push(self.expr()?);
            if !self.take_word("VALUE") && !self.take_symbol(":") {
                return Err(self.unexpected("VALUE").help("JSON_OBJECT('key' VALUE value, …)"));
            }
            arguments.push(self.expr()?);
            if !self.take_symbol(",") {
                break;
            }
        }
        let absent_on_null = self.on_null(false)?;
        Ok(JsonCall { function: JsonFunction::Object { absent_on_null }, arguments, returning: None })
    }

    fn json_array(&mut self) -> Parsed<JsonCall> {
        let mut arguments = Vec::new();
        while !self.at_symbol(")") && !self.at_words(&["NULL", "ON"]) && !self.at_words(&["ABSENT", "ON"]) {
            arguments.push(self.expr()?);
            if !self.take_symbol(",") {
                break;
            }
        }
        let absent_on_null = self.on_null(true)?;
        Ok(JsonCall { function: JsonFunction::Array { absent_on_null }, arguments, returning: None })
    }

    /// `NULL ON NULL` or `ABSENT ON NULL`, and the `)`.
    fn on_null(&mut self, absent_by_default: bool) -> Parsed<bool> {
        let mut absent = absent_by_default;
        if self.at_words(&["NULL", "ON", "NULL"]) || self.at_words(&["ABSENT", "ON", "NULL"]) {
            absent = self.at_word("ABSENT");
            (0..3).for_each(|_| self.advance());
        }
        self.expect_symbol(")")?;
        Ok(absent)
    }

    /// What may follow IS [NOT] JSON.
    pub(super) fn json_kind(&mut self) -> JsonKind {
        let kinds = [
            ("VALUE", JsonKind::Value),
            ("OBJECT", JsonKind::Object),
            ("ARRAY", JsonKind::Array),
            ("SCALAR", JsonKind::Scalar),
        ];
        match kinds.into_iter().find(|(word, _)| self.take_word(word)) {
            Some((_, kind)) => kind,
            None => JsonKind::Value,
        }
    }
}
