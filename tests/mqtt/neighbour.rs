//! The well-behaved client next to an attack.

use crate::broker::Broker;
use crate::client::Client;
use crate::packet::{PUBACK, Publish, V5, ack};

/// A client that behaves: it publishes at QoS 1 to a topic that it subscribes to, and must get everything.
pub struct Neighbour {
    pub client: Client,
    sent: u32,
}

impl Neighbour {
    pub fn new(broker: &Broker) -> Neighbour {
        let mut client = Client::connect(broker.mqtt, V5, "neighbour");
        assert_eq!(client.subscribe(&[("in/neighbour/a", 1)]), [1]);
        Neighbour { client, sent: 0 }
    }

    pub fn works(&mut self) {
        let id = self.client.free_id();
        let payload = self.sent.to_be_bytes();
        self.client.send(&Publish::new("in/neighbour/a", payload, 1, id).bytes(V5));
        let (mut acknowledged, mut delivered) = (false, false);
        while !(acknowledged && delivered) {
            let packet = self.client.next().expect("the neighbour is served");
            if packet.first == PUBACK {
                assert_eq!(packet.packet_id(), id);
                acknowledged = true;
            } else {
                let message = Publish::read(V5, &packet);
                // Attackers may publish to it too; its own message comes all the same.
                delivered |= message.payload == payload;
                if message.qos == 1 {
                    self.client.send(&ack(PUBACK, message.packet_id));
                }
            }
        }
        self.sent += 1;
    }

    /// The attackers are gone: everything they made the broker hold is given back.
    pub fn outlives(mut self, broker: &Broker) {
        self.works();
        self.client.leave();
        broker.wait_until_nothing_is_kept();
    }
}
