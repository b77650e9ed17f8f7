//! rumqttc, both versions.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::{Event, MqttOptions, Packet, QoS};

const PATIENCE: Duration = Duration::from_secs(60);
const MESSAGES: usize = 200;

fn payload() -> Vec<u8> {
    (0..100_000u32).map(|n| n as u8).collect()
}

/// What each version does with its own types of the same names.
macro_rules! smoke {
    ($name:literal, $client:expr, $connection:expr, $qos:ident, $publish:pat => $message:expr) => {{
        let (client, mut connection) = ($client, $connection);
        let filter = format!("smoke/{}/+", $name);
        client.subscribe(filter.clone(), $qos::AtLeastOnce).expect("queued");
        for (n, qos) in [$qos::AtMostOnce, $qos::AtLeastOnce, $qos::ExactlyOnce].into_iter().enumerate() {
            client.publish(format!("smoke/{}/{n}", $name), qos, false, payload()).expect("queued");
        }
        let sender = client.clone();
        let topic = format!("smoke/{}/n", $name);
        let numbers = std::thread::spawn(move || {
            for n in 0..MESSAGES {
                sender.publish(topic.clone(), $qos::AtLeastOnce, false, n.to_string()).expect("queued");
            }
        });
        let mut came = 0;
        while came < 3 + MESSAGES {
            let event = connection.recv_timeout(PATIENCE).expect("something comes").expect("the connection lasts");
            if let $publish = event {
                let body: Vec<u8> = $message.to_vec();
                if came < 3 {
                    assert!(body == payload(), "{} bytes", body.len());
                } else {
                    assert_eq!(body, (came - 3).to_string().into_bytes());
                }
                came += 1;
            }
        }
        numbers.join().expect("all were queued");
        client.unsubscribe(filter).expect("queued");
        client.disconnect().expect("queued");
        // Until the socket is closed.
        while connection.recv_timeout(PATIENCE).expect("the end comes").is_ok() {}
    }};
}

pub fn smoke(address: SocketAddr) {
    let host = address.ip().to_string();
    let mut options = MqttOptions::new("rumqttc-3.1.1", host.clone(), address.port());
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, connection) = rumqttc::Client::new(options, 10);
    smoke!("rumqttc-3.1.1", client, connection, QoS, Event::Incoming(Packet::Publish(publish)) => publish.payload);

    use rumqttc::v5::mqttbytes::QoS as QoS5;
    let mut options = rumqttc::v5::MqttOptions::new("rumqttc-5", host, address.port());
    options.set_max_packet_size(Some(1 << 20));
    let (client, connection) = rumqttc::v5::Client::new(options, 10);
    smoke!(
        "rumqttc-5", client, connection, QoS5,
        rumqttc::v5::Event::Incoming(rumqttc::v5::mqttbytes::v5::Packet::Publish(publish)) => publish.payload
    );
}
