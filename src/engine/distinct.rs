//! SELECT DISTINCT: a row goes on the first time it comes. What has come is kept for ever.

use super::codec::{Reader, Writer};
use super::keyed::Keyed;
use super::operator::{At, Out, Taken, Timed};
use super::{RestoreError, RowError};
use crate::model::{Millis, Value};

pub struct Distinct {
    columns: usize,
}

impl Distinct {
    pub fn new(columns: usize) -> Distinct {
        Distinct { columns }
    }
}

impl Timed for Distinct {
    type State = Keyed<()>;

    fn take(
        &mut self,
        state: &mut Keyed<()>,
        _port: usize,
        row: &[Value],
        _at: &At,
        out: &mut Out,
    ) -> Result<Taken, RowError> {
        if state.find(row).is_some() {
            return Ok(Taken::Filtered);
        }
        state.find_or_add(row, || ());
        out.push(row.to_vec());
        Ok(Taken::Kept)
    }

    fn next_due(&self, _state: &Keyed<()>) -> Option<Millis> {
        None
    }

    fn fire(&mut self, _state: &mut Keyed<()>, _at: &At, _out: &mut Out) -> bool {
        false
    }

    fn is_empty(&self, state: &Keyed<()>) -> bool {
        state.len() == 0
    }

    fn state_bytes(&self, state: &Keyed<()>) -> usize {
        state.bytes()
    }

    fn write(&self, state: &Keyed<()>, writer: &mut Writer) {
        state.write(writer, |(), _| {});
    }

    fn read(&self, reader: &mut Reader<'_>) -> Result<Keyed<()>, RestoreError> {
        Keyed::read(reader, self.columns, |_| Ok(()))
    }
}
