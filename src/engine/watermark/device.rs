//! `watermark = "device"`: each device has a time line of its own, and all of them together one that is shared.
//!
//! The rule, in full (`reference.rs` is the same, written naively):
//!
//! - **Own.** A device's watermark is the largest `event time - delay` of its rows, from 0 on.
//! - **Active.** A device is active from each of its rows (heard at the tick's `now`) until `heard + idle_after`, exclusive.
//! - **Shared.** After every row and at every moment: the smallest watermark of the active devices that do not lag, if
//!   that is more than before. A device lags when its watermark is more than `lag_max` behind the (lower) median of
//!   the active devices, both counted in steps of `lag_max / 64`: then it costs no sorting to know.
//! - **Fallback.** While no device is active, the shared watermark follows `now - delay`, on a trusted clock, and not
//!   before `idle_after` has passed since the start or the last step of the clock.
//! - **Silence.** With `close_after`, a device not heard for that long (nor active) follows `now - delay` with its own
//!   watermark too, on a trusted clock: windows whose end has passed close without it, others wait for it.
//! - **Future.** On a trusted clock an event time beyond `now + max_skew` counts as `now + max_skew`.
//! - **Steps.** At a step of the clock, and at a start, every known device counts as heard at that moment.
//! - **Room.** Beyond `devices_max` the device heard longest ago is forgotten: its windows close.
//!
//! A row costs one hash look-up and, now and then, a heap operation; idle devices cost nothing per tick.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use super::{Move, RowMoves};
use crate::engine::RestoreError;
use crate::engine::codec::{Reader, Writer};
use crate::engine::key_index::{KeyHasher, KeyIndex, same_key};
use crate::model::{Millis, Now, Value};
use crate::plan::DeviceWatermark;

/// Devices a source remembers: about 120 bytes each.
pub const DEVICES_MAX: usize = 1 << 20;

/// `lag_max` is measured in this many steps.
const LAG_STEPS: Millis = 64;

const NIL: u32 = u32::MAX;

struct Device {
    name: Value,
    watermark: Millis,
    /// `now` of its last row, or of the last step of the clock.
    heard: Millis,
    hash: u32,
    /// Neighbours in the order of `heard`.
    before: u32,
    after: u32,
}

/// The active devices whose watermarks are in one step.
#[derive(Default)]
struct Step {
    devices: usize,
    /// At least one entry per device with a watermark it once had: what is on top is made true when it is looked at.
    watermarks: BinaryHeap<Reverse<(Millis, u32)>>,
}

pub struct DeviceRule {
    settings: DeviceWatermark,
    devices_max: usize,
    hasher: KeyHasher,
    index: KeyIndex,
    devices: Vec<Device>,
    /// Ends of the list in order of `heard`.
    oldest: u32,
    newest: u32,
    /// The first in that order that is active, and the first that is not silent.
    first_active: u32,
    first_heard: u32,
    /// Silent devices, and when to look whether a window of theirs closes.
    silent: BinaryHeap<Reverse<(Millis, u32)>>,
    steps: BTreeMap<Millis, Step>,
    active: usize,
    /// The step that holds the lower median of the active devices, and how many are below it.
    median: Millis,
    below_median: usize,
    shared: Millis,
    /// Time is advanced up to here.
    time: Millis,
    /// The same, while the clock was trusted; `None`: not since the start or the last step.
    trusted_time: Option<Millis>,
    /// The start or the last step of the clock; `None` before the first tick.
    restarted: Option<Millis>,
}

/// What the passing of time did.
#[derive(Debug, Default, PartialEq)]
pub struct TimeMoves {
    /// Silent devices whose own watermark moved: after their windows closed, say with [`DeviceRule::watch`] when the
    /// next one ends.
    pub devices: Vec<(Value, Move)>,
    pub shared: Option<Move>,
}

impl DeviceRule {
    pub fn new(settings: DeviceWatermark, devices_max: usize) -> DeviceRule {
        DeviceRule {
            settings,
            devices_max: devices_max.clamp(1, NIL as usize - 1),
            hasher: KeyHasher::default(),
            index: KeyIndex::default(),
            devices: Vec::new(),
            oldest: NIL,
            newest: NIL,
            first_active: NIL,
            first_heard: NIL,
            silent: BinaryHeap::new(),
            steps: BTreeMap::new(),
            active: 0,
            median: 0,
            below_median: 0,
            shared: 0,
            time: Millis::MIN,
            trusted_time: None,
            restarted: None,
        }
    }

    pub fn shared(&self) -> Millis {
        self.shared
    }

    /// The device's own watermark as it stands now; 0 for one that is not known.
    #[cfg(test)]
    pub fn watermark(&self, device: &Value) -> Millis {
        self.find(device).map_or(0, |at| self.own(at))
    }

    pub fn clamp(&self, event_time: Millis, now: Now) -> Millis {
        match self.settings.max_skew_ms {
            Some(skew) if now.trusted => event_time.min(now.millis.saturating_add(skew)),
            _ => event_time,
        }
    }

    pub fn row(&mut self, device: &Value, event_time: Millis) -> RowMoves {
        let (at, from, counted, forgotten) = match self.find(device) {
            Some(at) => (at, self.own(at), self.is_active(at).then_some(self.devices[at as usize].watermark), None),
            None => {
                let (at, forgotten) = self.add(device);
                (at, 0, None, forgotten)
            }
        };
        let to = from.max(event_time.saturating_sub(self.settings.delay_ms));
        self.move_to_newest(at);
        let known = &mut self.devices[at as usize];
        known.watermark = to;
        known.heard = self.time;
        self.count(at, counted);
        let shared = self.raise_shared(self.shared);
        RowMoves { device: Move { from, to }, shared, forgotten }
    }

    /// The next moment at which [`advance`](Self::advance) could move something that matters, not before the time
    /// reached. `next_due`: the shared watermark at which something happens next; where that has passed, it waits for
    /// another source.
    pub fn next_deadline(&self, trusted: bool, next_due: Option<Millis>) -> Option<Millis> {
        let mut deadline = None;
        let mut consider = |at: Millis| deadline = Some(deadline.map_or(at, |earliest: Millis| earliest.min(at)));
        if self.first_active != NIL {
            consider(self.devices[self.first_active as usize].heard.saturating_add(self.settings.idle_after_ms));
        }
        if let (Some(after), true) = (self.close_after(), self.first_heard != NIL) {
            consider(self.devices[self.first_heard as usize].heard.saturating_add(after));
        }
        if trusted {
            if let Some(Reverse((at, _))) = self.silent.peek() {
                consider(*at);
            }
            let next_due = next_due.filter(|due| *due > self.shared);
            if let (0, Some(restarted), Some(due)) = (self.active, self.restarted, next_due) {
                let follows_from = restarted.saturating_add(self.settings.idle_after_ms);
                consider(due.saturating_add(self.settings.delay_ms).max(follows_from));
            }
        }
        deadline.map(|at| at.max(self.time))
    }

    /// Moves time on. Nothing that [`next_deadline`](Self::next_deadline) names may lie between.
    pub fn advance(&mut self, to: Millis, trusted: bool) -> TimeMoves {
        let mut moves = TimeMoves::default();
        self.time = self.time.max(to);
        self.restarted.get_or_insert(self.time);
        if trusted {
            self.trusted_time = Some(self.time);
        }
        while self.first_active != NIL && !self.is_active(self.first_active) {
            let at = self.first_active;
            self.first_active = self.devices[at as usize].after;
            self.uncount(self.devices[at as usize].watermark);
        }
        while self.first_heard != NIL && self.is_silent(self.first_heard) {
            self.silent.push(Reverse((self.time, self.first_heard)));
            self.first_heard = self.devices[self.first_heard as usize].after;
        }
        if trusted {
            self.follow_the_clock(&mut moves.devices);
        }
        let before = self.shared;
        if self.active == 0
            && trusted
            && self.restarted.is_some_and(|at| self.time >= at.saturating_add(self.settings.idle_after_ms))
        {
            self.shared = before.max(self.time.saturating_sub(self.settings.delay_ms));
        }
        moves.shared = Some(self.raise_shared(before)).filter(|shared| !shared.is_none());
        moves
    }

    /// Silent devices that are due move with the clock, in an order that does not depend on how they are stored.
    fn follow_the_clock(&mut self, moves: &mut Vec<(Value, Move)>) {
        let mut due = Vec::new();
        while let Some(Reverse((_, at))) = self.silent.peek().copied().filter(|Reverse((due, _))| *due <= self.time) {
            self.silent.pop();
            if self.is_silent(at) {
                due.push(at);
            }
        }
        due.sort_by(|a, b| {
            let (a, b) = (&self.devices[*a as usize], &self.devices[*b as usize]);
            a.heard.cmp(&b.heard).then_with(|| compare_names(&a.name, &b.name))
        });
        due.dedup();
        for at in due {
            let from = self.devices[at as usize].watermark;
            let to = self.own(at);
            self.devices[at as usize].watermark = to;
            moves.push((self.devices[at as usize].name.clone(), Move { from, to }));
        }
    }

    /// Something happens once the watermark of a silent device has come this far.
    pub fn watch(&mut self, device: &Value, due: Millis) {
        if let Some(at) = self.find(device).filter(|at| self.is_silent(*at)) {
            self.silent.push(Reverse((due.saturating_add(self.settings.delay_ms), at)));
        }
    }

    /// The clock stepped to `now`, or the gateway started then: what was derived from the clock alone starts anew.
    pub fn step_clock(&mut self, now: Millis) -> Move {
        for at in 0..self.devices.len() as u32 {
            self.devices[at as usize].watermark = self.own(at);
        }
        self.time = now;
        self.trusted_time = None;
        self.restarted = Some(now);
        self.devices.iter_mut().for_each(|device| device.heard = now);
        self.derive();
        self.raise_shared(self.shared)
    }

    /// Bytes held for the devices.
    pub fn state_bytes(&self) -> usize {
        let heaps: usize =
            self.steps.values().map(|step| step.watermarks.capacity()).sum::<usize>() + self.silent.capacity();
        self.devices.capacity() * size_of::<Device>() + self.index.bytes() + heaps * 16 + self.names_bytes()
    }

    fn names_bytes(&self) -> usize {
        // Names of one source are much alike: the first speaks for all, since counting them would be a scan.
        self.devices.first().map_or(0, |device| device.name.heap_bytes()) * self.devices.len()
    }

    fn find(&self, device: &Value) -> Option<u32> {
        let hash = self.hasher.hash(device);
        self.index.find(hash, |at| {
            let known = &self.devices[at as usize];
            known.hash == hash && same_key(&known.name, device)
        })
    }

    /// The silence that counts: a device that is not silent may be idle, but not the other way round.
    fn close_after(&self) -> Option<Millis> {
        self.settings.close_after_ms.map(|after| after.max(self.settings.idle_after_ms))
    }

    fn is_active(&self, at: u32) -> bool {
        let device = &self.devices[at as usize];
        device.heard.saturating_add(self.settings.idle_after_ms) > self.time
    }

    fn is_silent(&self, at: u32) -> bool {
        let device = &self.devices[at as usize];
        self.close_after().is_some_and(|after| device.heard.saturating_add(after) <= self.time)
    }

    /// The device's watermark, which for a silent one follows the clock.
    fn own(&self, at: u32) -> Millis {
        let device = &self.devices[at as usize];
        match (self.trusted_time, self.close_after()) {
            (Some(time), Some(after)) if self.is_silent(at) && time >= device.heard.saturating_add(after) => {
                device.watermark.max(time.saturating_sub(self.settings.delay_ms))
            }
            _ => device.watermark,
        }
    }

    /// Makes room and adds a device, which is not linked nor counted yet.
    fn add(&mut self, name: &Value) -> (u32, Option<Value>) {
        let hash = self.hasher.hash(name);
        let mut forgotten = None;
        let device = Device { name: name.clone(), watermark: 0, heard: Millis::MIN, hash, before: NIL, after: NIL };
        let at = if self.devices.len() >= self.devices_max {
            let at = self.oldest;
            if self.is_active(at) {
                self.uncount(self.devices[at as usize].watermark);
            }
            self.unlink(at);
            let devices = &self.devices;
            self.index.remove(devices[at as usize].hash, at, |slot| devices[slot as usize].hash);
            forgotten = Some(std::mem::replace(&mut self.devices[at as usize], device).name);
            at
        } else {
            self.devices.push(device);
            self.devices.len() as u32 - 1
        };
        let devices = &self.devices;
        self.index.insert(hash, at, |slot| devices[slot as usize].hash);
        (at, forgotten)
    }

    fn unlink(&mut self, at: u32) {
        let Device { before, after, .. } = self.devices[at as usize];
        match before {
            NIL if self.oldest == at => self.oldest = after,
            NIL => return,
            before => self.devices[before as usize].after = after,
        }
        match after {
            NIL => self.newest = before,
            after => self.devices[after as usize].before = before,
        }
        if self.first_active == at {
            self.first_active = after;
        }
        if self.first_heard == at {
            self.first_heard = after;
        }
    }

    fn move_to_newest(&mut self, at: u32) {
        if self.newest != at {
            self.unlink(at);
            self.devices[at as usize].before = self.newest;
            self.devices[at as usize].after = NIL;
            match self.newest {
                NIL => self.oldest = at,
                newest => self.devices[newest as usize].after = at,
            }
            self.newest = at;
        }
        if self.first_active == NIL {
            self.first_active = at;
        }
        if self.first_heard == NIL {
            self.first_heard = at;
        }
    }

    fn step_of(&self, watermark: Millis) -> Millis {
        watermark.div_euclid((self.settings.lag_max_ms / LAG_STEPS).max(1))
    }

    fn lag_steps(&self) -> Millis {
        self.settings.lag_max_ms / (self.settings.lag_max_ms / LAG_STEPS).max(1)
    }

    /// The device counts among the active ones with its watermark; `before`: the one it counted with so far.
    fn count(&mut self, at: u32, before: Option<Millis>) {
        let watermark = self.devices[at as usize].watermark;
        let to = self.step_of(watermark);
        if let Some(before) = before {
            if self.step_of(before) == to {
                return;
            }
            self.uncount(before);
        }
        let step = self.steps.entry(to).or_default();
        step.devices += 1;
        step.watermarks.push(Reverse((watermark, at)));
        if step.watermarks.len() > 2 * step.devices + 8 {
            self.tidy(to);
        }
        self.active += 1;
        if self.active == 1 {
            (self.median, self.below_median) = (to, 0);
        } else if to < self.median {
            self.below_median += 1;
        }
        self.settle_median();
    }

    /// Devices that came and went left entries behind.
    fn tidy(&mut self, at: Millis) {
        let Some(mut step) = self.steps.remove(&at) else { return };
        let mut entries = step.watermarks.into_vec();
        entries.retain(|Reverse((_, device))| {
            self.is_active(*device) && self.step_of(self.devices[*device as usize].watermark) == at
        });
        entries.sort_unstable_by_key(|Reverse((watermark, device))| (*device, *watermark));
        entries.dedup_by_key(|Reverse((_, device))| *device);
        step.watermarks = entries.into();
        self.steps.insert(at, step);
    }

    fn uncount(&mut self, watermark: Millis) {
        let from = self.step_of(watermark);
        if let Some(step) = self.steps.get_mut(&from) {
            step.devices -= 1;
            if step.devices == 0 {
                self.steps.remove(&from);
            }
        }
        self.active -= 1;
        if from < self.median {
            self.below_median -= 1;
        }
        self.settle_median();
    }

    /// One device more or less moves the median by at most one step that has devices.
    fn settle_median(&mut self) {
        if self.active == 0 {
            return;
        }
        let rank = (self.active - 1) / 2;
        while self.below_median > rank {
            let Some((lower, step)) = self.steps.range(..self.median).next_back() else { return };
            self.below_median -= step.devices;
            self.median = *lower;
        }
        loop {
            let here = self.steps.get(&self.median).map_or(0, |step| step.devices);
            if self.below_median + here > rank {
                return;
            }
            let Some((higher, _)) = self.steps.range(self.median + 1..).next() else { return };
            self.below_median += here;
            self.median = *higher;
        }
    }

    /// The smallest watermark of the active devices that do not lag.
    fn minimum(&mut self) -> Option<Millis> {
        if self.active == 0 {
            return None;
        }
        let floor = self.median - self.lag_steps();
        let step_ms = (self.settings.lag_max_ms / LAG_STEPS).max(1);
        let (at, step) = self.steps.range_mut(floor..).next()?;
        while let Some(mut top) = step.watermarks.peek_mut() {
            let Reverse((watermark, device)) = *top;
            let known = &self.devices[device as usize];
            let counts = known.heard.saturating_add(self.settings.idle_after_ms) > self.time
                && known.watermark.div_euclid(step_ms) == *at;
            if !counts {
                PeekMut::pop(top);
            } else if known.watermark != watermark {
                *top = Reverse((known.watermark, device));
            } else {
                return Some(watermark);
            }
        }
        None
    }

    fn raise_shared(&mut self, from: Millis) -> Move {
        if let Some(minimum) = self.minimum() {
            self.shared = self.shared.max(minimum);
        }
        Move { from, to: self.shared }
    }

    /// Fills in all that follows from the list of devices, `time` and the settings.
    fn derive(&mut self) {
        (self.first_active, self.first_heard) = (NIL, NIL);
        self.silent.clear();
        self.steps.clear();
        (self.active, self.below_median) = (0, 0);
        let mut at = self.oldest;
        while at != NIL {
            if self.is_active(at) {
                if self.first_active == NIL {
                    self.first_active = at;
                }
                self.count(at, None);
            }
            if self.is_silent(at) {
                self.silent.push(Reverse((self.time, at)));
            } else if self.first_heard == NIL {
                self.first_heard = at;
            }
            at = self.devices[at as usize].after;
        }
    }

    pub fn write(&self, writer: &mut Writer) {
        writer.signed(self.shared);
        writer.signed(self.time);
        for time in [self.trusted_time, self.restarted] {
            writer.byte(u8::from(time.is_some()));
            writer.signed(time.unwrap_or(0));
        }
        writer.count(self.devices.len());
        let mut at = self.oldest;
        while at != NIL {
            let device = &self.devices[at as usize];
            writer.value(&device.name);
            writer.signed(self.own(at));
            writer.signed(device.heard);
            at = device.after;
        }
    }

    /// A rule with these settings and the state that [`write`](Self::write) wrote.
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<DeviceRule, RestoreError> {
        let mut rule = DeviceRule::new(self.settings.clone(), self.devices_max);
        rule.shared = reader.signed()?;
        rule.time = reader.signed()?;
        rule.trusted_time = read_time(reader)?;
        rule.restarted = read_time(reader)?;
        let count = reader.count()?;
        if count > rule.devices_max || rule.shared < 0 {
            return Err(RestoreError("the watermark of devices is out of bounds".to_owned()));
        }
        let mut heard_before = Millis::MIN;
        for _ in 0..count {
            let name = reader.value()?;
            let (watermark, heard) = (reader.signed()?, reader.signed()?);
            if heard < heard_before || heard > rule.time || watermark < 0 {
                return Err(RestoreError("devices are out of order".to_owned()));
            }
            if rule.find(&name).is_some() {
                return Err(RestoreError("a device is there twice".to_owned()));
            }
            heard_before = heard;
            let (at, _) = rule.add(&name);
            rule.move_to_newest(at);
            (rule.devices[at as usize].watermark, rule.devices[at as usize].heard) = (watermark, heard);
        }
        rule.derive();
        Ok(rule)
    }
}

/// Any total order that depends on the names alone.
fn compare_names(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (a, b) => format!("{a:?}").cmp(&format!("{b:?}")),
    }
}

fn read_time(reader: &mut Reader<'_>) -> Result<Option<Millis>, RestoreError> {
    let there = reader.byte()? != 0;
    let time = reader.signed()?;
    Ok(there.then_some(time))
}
