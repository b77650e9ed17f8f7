//! `flow`: how far a session has come with its messages, both ways. Written at most once a tick, whatever happened.
//!
//! ```text
//! key     number of the session u64
//! bytes   version u8, taken u64, last packet id u16,
//!         count u16, for each message sent and not yet done, in order: packet id u16, message u64, stage u8,
//!         count u16, for each QoS 2 publish received and not yet released: packet id u16,
//!         count u32, for each message from `taken` on that another member of a shared subscription has: message u64
//! ```
//! A message before `taken` that is not among those sent is done. Stage 0: sent; 1: received (PUBREC came, so the message
//! itself is no longer needed).

use bytes::BufMut;

use super::{VERSION, version};
use crate::broker::reason::Fault;
use crate::broker::wire::Reader;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::broker) struct FlowRow {
    pub taken: u64,
    pub last_id: u16,
    pub flights: Vec<FlightRow>,
    pub received: Vec<u16>,
    pub given: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct FlightRow {
    pub packet_id: u16,
    pub message: u64,
    pub received: bool,
}

impl FlowRow {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + 11 * self.flights.len() + 2 * self.received.len());
        out.put_u8(VERSION);
        out.put_u64(self.taken);
        out.put_u16(self.last_id);
        // Packet ids are 16 bits wide, so there are never more of either.
        out.put_u16(self.flights.len() as u16);
        for flight in &self.flights {
            out.put_u16(flight.packet_id);
            out.put_u64(flight.message);
            out.put_u8(u8::from(flight.received));
        }
        out.put_u16(self.received.len() as u16);
        for packet_id in &self.received {
            out.put_u16(*packet_id);
        }
        out.put_u32(self.given.len() as u32);
        self.given.iter().for_each(|message| out.put_u64(*message));
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<FlowRow, Fault> {
        let mut reader = Reader::new(bytes);
        version(&mut reader)?;
        let (taken, last_id) = (reader.u64()?, reader.u16()?);
        let flights = (0..reader.u16()?).map(|_| {
            let (packet_id, message) = (reader.packet_id()?, reader.u64()?);
            Ok(FlightRow { packet_id, message, received: reader.u8()? != 0 })
        });
        let flights = flights.collect::<Result<_, Fault>>()?;
        let received = (0..reader.u16()?).map(|_| reader.packet_id()).collect::<Result<_, Fault>>()?;
        // Older rows end here.
        let given = if reader.is_empty() { 0 } else { reader.u32()? };
        let given = (0..given).map(|_| reader.u64()).collect::<Result<_, Fault>>()?;
        reader.finish()?;
        Ok(FlowRow { taken, last_id, flights, received, given })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_flow_comes_back(taken: u64, last_id: u16, flights in prop::collection::vec((1..=u16::MAX, any::<u64>(), any::<bool>()), 0..9), received in prop::collection::vec(1..=u16::MAX, 0..9), given: Vec<u64>) {
            let flights = flights.into_iter().map(|(packet_id, message, received)| FlightRow { packet_id, message, received });
            let row = FlowRow { taken, last_id, flights: flights.collect(), received, given };
            prop_assert_eq!(FlowRow::decode(&row.encode()), Ok(row));
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = FlowRow::decode(&bytes);
        }
    }
}
