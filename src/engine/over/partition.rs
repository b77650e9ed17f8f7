//! What OVER keeps for one partition.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::frame::FrameRows;
use crate::engine::aggregate::{Fold, Objects};
use crate::engine::codec::{Reader, Writer};
use crate::engine::eval::order::compare_rows;
use crate::engine::windowing::TIME_MAX_MS;
use crate::engine::{RestoreError, row_bytes};
use crate::model::{Millis, Row};
use crate::plan::OrderKey;

/// A time in a set, about.
pub const TIMER_BYTES: usize = 16;

pub struct Partition {
    /// Rows whose time the watermark has not reached; those of one time in order of arrival.
    waiting: BTreeMap<Millis, Vec<Row>>,
    /// The rows of a bounded frame.
    pub frame: FrameRows,
    /// Rows that LAG may ask for, newest first.
    past: VecDeque<Row>,
    /// Bytes of `waiting` and `past`.
    row_bytes: usize,
    /// The aggregates of an unbounded frame; of a bounded one only while it is computed.
    pub words: Box<[u64]>,
    pub row_number: i64,
    pub rank: i64,
    pub dense_rank: i64,
    /// Time of the last row that went out. (From 0 on, as Flink's.)
    pub last: Millis,
    /// When all this is forgotten.
    pub forget_at: Option<Millis>,
    /// When it would have been forgotten without later rows, and when it will be.
    pub timers: BTreeSet<Millis>,
}

/// What a row that goes out can ask for.
pub struct Turn<'a> {
    pub row_number: i64,
    pub rank: i64,
    pub dense_rank: i64,
    past: &'a VecDeque<Row>,
}

impl Turn<'_> {
    /// The row so many rows before the last one of the same time.
    pub fn before(&self, rows: usize) -> Option<&Row> {
        self.past.get(rows)
    }
}

impl Partition {
    pub fn new(words: usize) -> Partition {
        Partition {
            waiting: BTreeMap::new(),
            frame: FrameRows::new(words),
            past: VecDeque::new(),
            row_bytes: 0,
            words: vec![0; words].into(),
            row_number: 0,
            rank: 0,
            dense_rank: 0,
            last: 0,
            forget_at: None,
            timers: BTreeSet::new(),
        }
    }

    pub fn wait(&mut self, time: Millis, row: Row) {
        self.row_bytes += row_bytes(&row);
        self.waiting.entry(time).or_default().push(row);
    }

    /// When the first of the waiting rows is due.
    pub fn next(&self) -> Option<Millis> {
        self.waiting.first_key_value().map(|(time, _)| *time)
    }

    /// The waiting rows of the earliest time.
    pub fn take_next(&mut self) -> Option<(Millis, Vec<Row>)> {
        let (time, rows) = self.waiting.pop_first()?;
        self.row_bytes -= rows.iter().map(|row| row_bytes(row)).sum::<usize>();
        Some((time, rows))
    }

    /// The waiting rows each in its place of this order, from 1 on; equals share one.
    pub fn put_in_order(&mut self, order: OrderKey) {
        let mut rows: Vec<Row> = std::mem::take(&mut self.waiting).into_values().flatten().collect();
        rows.sort_by(|left, right| compare_rows(&[order], left, right));
        let mut place = 0;
        let mut last: Option<Row> = None;
        for row in rows {
            if last.is_none_or(|last| compare_rows(&[order], &last, &row).is_ne()) {
                place += 1;
            }
            last = Some(row.clone());
            self.waiting.entry(place).or_default().push(row);
        }
    }

    /// LAG may ask for these from now on, and for no more than so many.
    pub fn remember(&mut self, rows: &[Row], most: usize) {
        for row in rows {
            self.row_bytes += row_bytes(row);
            self.past.push_front(row.clone());
        }
        while self.past.len() > most {
            self.row_bytes -= self.past.pop_back().map_or(0, |row| row_bytes(&row));
        }
    }

    pub fn turn(&self) -> Turn<'_> {
        let Partition { row_number, rank, dense_rank, past, .. } = self;
        Turn { row_number: *row_number, rank: *rank, dense_rank: *dense_rank, past }
    }

    pub fn bytes(&self) -> usize {
        self.row_bytes + self.frame.bytes() + self.words.len() * 8 + self.timers.len() * TIMER_BYTES
    }

    /// All but the accumulators.
    pub fn write(&self, writer: &mut Writer) {
        let waiting = self.waiting.iter().flat_map(|(time, rows)| rows.iter().map(|row| (*time, row)));
        writer.count(self.waiting.values().map(Vec::len).sum());
        waiting.for_each(|(time, row)| write_row(time, row, writer));
        self.frame.write(writer);
        writer.count(self.past.len());
        self.past.iter().for_each(|row| writer.row(row));
        for number in [self.row_number, self.rank, self.dense_rank, self.last] {
            writer.signed(number);
        }
        writer.time(self.forget_at);
        writer.count(self.timers.len());
        self.timers.iter().for_each(|timer| writer.signed(*timer));
    }

    pub fn read(
        reader: &mut Reader<'_>,
        columns: usize,
        fold: &Fold,
        objects: &mut Objects,
    ) -> Result<Partition, RestoreError> {
        let mut partition = Partition::new(fold.layout.words);
        for _ in 0..reader.count()? {
            let (time, row) = read_row(reader, columns)?;
            partition.wait(time, row);
        }
        partition.frame = FrameRows::read(reader, columns, fold, objects)?;
        for _ in 0..reader.count()? {
            let row = reader.row(columns)?;
            partition.row_bytes += row_bytes(&row);
            partition.past.push_back(row);
        }
        /// No counter reaches this.
        const COUNT_MAX: i64 = 1 << 60;
        for number in [&mut partition.row_number, &mut partition.rank, &mut partition.dense_rank] {
            *number = reader.signed()?.clamp(0, COUNT_MAX);
        }
        partition.last = reader.signed()?;
        partition.forget_at = reader.time()?;
        for _ in 0..reader.count()? {
            partition.timers.insert(reader.signed()?);
        }
        Ok(partition)
    }
}

pub fn write_row(time: Millis, row: &Row, writer: &mut Writer) {
    writer.signed(time);
    writer.row(row);
}

pub fn read_row(reader: &mut Reader<'_>, columns: usize) -> Result<(Millis, Row), RestoreError> {
    let time = reader.signed()?;
    if time.abs() > TIME_MAX_MS {
        return Err(RestoreError("a time is out of range".to_owned()));
    }
    Ok((time, reader.row(columns)?))
}
