//! The lookup join: each row meets the rows of a table as the table is now. Nothing is kept of the rows.

use super::{LEFT, Matching, RIGHT, has_null};
use crate::engine::eval::{Context, EvalError};
use crate::engine::keyed::Keyed;
use crate::model::{Row, Value};
use crate::plan::Join;

pub struct Lookup {
    matching: Matching,
    pub table: usize,
    rows: Keyed<Vec<Row>>,
}

impl Lookup {
    pub fn new(join: &Join, table: usize) -> Lookup {
        Lookup { matching: Matching::new(join), table, rows: Keyed::default() }
    }

    /// From now on the table is this. A row whose key is NULL or cannot be computed matches nothing.
    pub fn set_table(&mut self, rows: &[Row]) {
        self.rows = Keyed::default();
        for row in rows {
            if self.matching.find_key(RIGHT, row, &Context::default()).is_ok() && !has_null(self.matching.key()) {
                let slot = self.rows.find_or_add(self.matching.key(), Vec::new);
                if let Some(rows) = self.rows.get_mut(slot) {
                    rows.push(row.clone());
                }
            }
        }
    }

    /// The row with each of its partners.
    pub fn join(&mut self, row: &[Value], context: &Context, out: &mut Vec<Row>) -> Result<(), EvalError> {
        self.matching.find_key(LEFT, row, context)?;
        let before = out.len();
        let key = self.matching.key();
        let slot = if has_null(key) { None } else { self.rows.find(key) };
        let partners = slot.and_then(|slot| self.rows.get(slot)).map_or(&[][..], Vec::as_slice);
        if let Some(wanted) = self.matching.tests() {
            let found = self.matching.has_partner(row, partners, context).map_err(|(_, error)| error)?;
            out.extend((found == wanted).then(|| row.to_vec()));
            return Ok(());
        }
        for partner in partners {
            match self.matching.joined(LEFT, row, partner, context) {
                Ok(joined) => out.extend(joined),
                Err((_, error)) => {
                    out.truncate(before);
                    return Err(error);
                }
            }
        }
        if out.len() == before && self.matching.keeps(LEFT) {
            out.push(self.matching.padded(LEFT, row));
        }
        Ok(())
    }
}
