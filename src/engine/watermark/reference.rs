//! The device rule written as its text reads, one millisecond at a time and with a scan for everything, and the
//! property that the real one does the same over generated histories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::After;
use crate::plan::DeviceWatermark;

#[derive(Clone)]
struct Known {
    watermark: Millis,
    heard: Millis,
    /// Order of the last row, for the device that is forgotten.
    order: usize,
}

struct Reference {
    settings: DeviceWatermark,
    devices_max: usize,
    devices: BTreeMap<u8, Known>,
    shared: Millis,
    time: Millis,
    restarted: Millis,
    rows: usize,
}

impl Reference {
    fn active(&self, device: &Known) -> bool {
        device.heard + self.settings.idle_after_ms > self.time
    }

    fn raise_shared(&mut self) {
        let step = (self.settings.lag_max_ms / 64).max(1);
        let mut active: Vec<Millis> =
            self.devices.values().filter(|device| self.active(device)).map(|device| device.watermark).collect();
        active.sort_unstable();
        if !active.is_empty() {
            let median = active[(active.len() - 1) / 2] / step;
            let lagging = |watermark: Millis| median - watermark / step > self.settings.lag_max_ms / step;
            let minimum = active.iter().copied().find(|watermark| !lagging(*watermark)).unwrap();
            self.shared = self.shared.max(minimum);
        }
    }

    fn advance(&mut self, to: Millis, trusted: bool) {
        // The clock's trust holds for the moment reached before, too.
        for time in self.time..=to {
            self.time = time;
            if let (Some(after), true) = (self.settings.close_after_ms, trusted) {
                let after = after.max(self.settings.idle_after_ms);
                for device in self.devices.values_mut().filter(|device| device.heard + after <= self.time) {
                    device.watermark = device.watermark.max(self.time - self.settings.delay_ms);
                }
            }
            let none_active = !self.devices.values().any(|device| self.active(device));
            if none_active && trusted && self.time >= self.restarted + self.settings.idle_after_ms {
                self.shared = self.shared.max(self.time - self.settings.delay_ms);
            }
            self.raise_shared();
        }
    }

    fn row(&mut self, device: u8, event_time: Millis) -> (Move, Option<u8>) {
        let mut forgotten = None;
        if !self.devices.contains_key(&device) && self.devices.len() == self.devices_max {
            let oldest = *self.devices.iter().min_by_key(|(_, device)| device.order).unwrap().0;
            self.devices.remove(&oldest);
            forgotten = Some(oldest);
        }
        self.rows += 1;
        let known = self.devices.entry(device).or_insert(Known { watermark: 0, heard: 0, order: 0 });
        let from = known.watermark;
        *known = Known { watermark: from.max(event_time - self.settings.delay_ms), heard: self.time, order: self.rows };
        let to = known.watermark;
        self.raise_shared();
        (Move { from, to }, forgotten)
    }

    fn step_clock(&mut self, now: Millis) {
        self.time = now;
        self.restarted = now;
        self.devices.values_mut().for_each(|device| device.heard = now);
        self.raise_shared();
    }

    /// The gateway was away for some time, in which nothing could be heard: for nobody did that time pass.
    fn start(&mut self, away_ms: Millis) {
        self.time += away_ms;
        self.restarted = self.time;
        self.devices.values_mut().for_each(|device| device.heard = self.time);
        self.raise_shared();
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// Milliseconds on, and whether the clock is trusted.
    Pass(Millis, bool),
    /// The clock is set to this.
    Step(Millis),
    /// The gateway was away for so long.
    Start(Millis),
    /// A row of a device with this offset of its event time from `now`.
    Row(u8, Millis),
    Restore,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0i64..60, prop::bool::weighted(0.8)).prop_map(|(ms, trusted)| Event::Pass(ms, trusted)),
        1 => (500i64..2500).prop_map(Event::Step),
        1 => (0i64..300).prop_map(Event::Start),
        10 => (0u8..7, prop_oneof![4 => -20i64..20, 1 => -400i64..400]).prop_map(|(device, ahead)| Event::Row(device, ahead)),
        2 => Just(Event::Restore),
    ];
    prop::collection::vec(event, 0..80)
}

fn settings() -> impl Strategy<Value = (DeviceWatermark, usize)> {
    (
        0i64..30,
        1i64..80,
        prop_oneof![Just(0i64), 1i64..63, 64i64..400],
        prop::option::of(0i64..50),
        prop::option::of(0i64..120),
        1usize..8,
    )
        .prop_map(|(delay_ms, idle_after_ms, lag_max_ms, max_skew_ms, close_after_ms, devices_max)| {
            (DeviceWatermark { delay_ms, idle_after_ms, lag_max_ms, max_skew_ms, close_after_ms }, devices_max)
        })
}

fn name(device: u8) -> Value {
    Value::string(&format!("dev-{device}"))
}

/// As the engine drives it: from deadline to deadline, with a window that ends at every multiple of ten.
fn advance(rule: &mut DeviceRule, to: Millis, trusted: bool) {
    let due_after = |watermark: Millis| (watermark + 1) / 10 * 10 + 9;
    while let Some(due) = rule.next_deadline(trusted, Some(due_after(rule.shared()))).filter(|due| *due <= to) {
        let moves = rule.advance(due, trusted);
        for (device, moved) in moves.devices {
            rule.watch(&device, due_after(moved.to));
        }
    }
    rule.advance(to, trusted);
}

fn snapshot(rule: &DeviceRule) -> Vec<u8> {
    let mut writer = Writer::default();
    rule.write(&mut writer);
    writer.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_rule_is_the_reference((settings, devices_max) in settings(), events in events(), restore_always: bool) {
        let mut rule = DeviceRule::new(settings.clone(), devices_max);
        let start = 1_000;
        let mut reference = Reference { settings, devices_max, devices: BTreeMap::new(), shared: 0, time: start, restarted: start, rows: 0 };
        let mut now = Now { millis: start, trusted: false, after: After::Tick };
        rule.advance(now.millis, now.trusted);
        for event in events {
            match event {
                Event::Pass(ms, trusted) => {
                    now = Now { millis: now.millis + ms, trusted, after: After::Tick };
                    advance(&mut rule, now.millis, trusted);
                    reference.advance(now.millis, trusted);
                }
                Event::Step(to) => {
                    now.millis = to;
                    rule.step_clock(to);
                    reference.step_clock(to);
                }
                Event::Start(away_ms) => {
                    now.millis += away_ms;
                    rule = rule.read(&mut Reader::new(&snapshot(&rule))).unwrap();
                    rule.step_clock(now.millis);
                    reference.start(away_ms);
                }
                Event::Row(device, ahead) => {
                    let event_time = rule.clamp(now.millis + ahead, now);
                    let moves = rule.row(&name(device), event_time);
                    let (moved, forgotten) = reference.row(device, event_time);
                    prop_assert_eq!(moves.device, moved);
                    prop_assert_eq!(moves.shared.to, reference.shared);
                    prop_assert_eq!(moves.forgotten, forgotten.map(name));
                }
                Event::Restore => {}
            }
            if restore_always || matches!(event, Event::Restore) {
                let saved = snapshot(&rule);
                let mut reader = Reader::new(&saved);
                rule = rule.read(&mut reader).unwrap();
                prop_assert!(reader.end().is_ok());
                prop_assert_eq!(snapshot(&rule), saved);
            }
            prop_assert_eq!(rule.shared(), reference.shared);
            for (device, known) in &reference.devices {
                prop_assert_eq!(rule.watermark(&name(*device)), known.watermark, "device {}", device);
            }
        }
    }

    /// Deadlines in between change nothing: an advance cut into pieces is the same advance.
    #[test]
    fn cuts_change_nothing((settings, devices_max) in settings(), events in events(), cuts in prop::collection::vec(0i64..60, 1..80)) {
        let mut straight = DeviceRule::new(settings.clone(), devices_max);
        let mut cut = DeviceRule::new(settings, devices_max);
        let mut now = 1_000;
        // The first tick is the start, from which the fallback counts.
        straight.advance(now, false);
        cut.advance(now, false);
        let mut cuts = cuts.into_iter().cycle();
        for event in events {
            match event {
                Event::Pass(ms, trusted) => {
                    let between = now + cuts.next().unwrap() % (ms + 1);
                    now += ms;
                    advance(&mut straight, now, trusted);
                    advance(&mut cut, between, trusted);
                    advance(&mut cut, now, trusted);
                }
                Event::Step(to) => {
                    now = to;
                    straight.step_clock(to);
                    cut.step_clock(to);
                }
                Event::Start(away_ms) => {
                    now += away_ms;
                    straight.step_clock(now);
                    cut.step_clock(now);
                }
                Event::Row(device, ahead) => {
                    advance(&mut straight, now, false);
                    advance(&mut cut, now, false);
                    prop_assert_eq!(straight.row(&name(device), now + ahead), cut.row(&name(device), now + ahead));
                }
                Event::Restore => {}
            }
            prop_assert_eq!(snapshot(&straight), snapshot(&cut));
        }
    }

    #[test]
    fn hostile_state_is_refused_or_harmless((settings, devices_max) in settings(), bytes: Vec<u8>, events in events(), flip: usize, bit in 0u8..8) {
        let mut rule = Rule::Device(Box::new(DeviceRule::new(settings.clone(), devices_max)));
        let _ = rule.restore(&bytes);
        let mut good = DeviceRule::new(settings.clone(), devices_max);
        good.advance(1_000, true);
        for event in events {
            if let Event::Row(device, ahead) = event {
                good.row(&name(device), 1_000 + ahead);
            }
        }
        let mut saved = Rule::Device(Box::new(good)).snapshot();
        let at = flip % saved.len();
        saved[at] ^= 1 << bit;
        if rule.restore(&saved).is_ok() {
            if let Rule::Device(rule) = &mut rule {
                advance(rule, 2_000, true);
                rule.row(&name(1), 1_234);
            }
        }
    }
}
