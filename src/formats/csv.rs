//! CSV as Flink's `filesystem` connector reads it.

use std::io::Read;

use super::DecodeError;
use crate::model::{Column, Row};

pub struct CsvReader<R> {
    _input: R,
}

impl<R: Read> CsvReader<R> {
    pub fn new(_input: R, _columns: &[Column], _null_literal: Option<&str>) -> CsvReader<R> {
        unimplemented!()
    }

    /// Appends the values of the next record to `row`; `false` at the end. After an error `row` is as it was.
    pub fn read(&mut self, _row: &mut Row) -> Result<bool, DecodeError> {
        unimplemented!()
    }
}
