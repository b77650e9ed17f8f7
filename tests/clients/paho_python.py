"""Paho for Python against a gateway: python paho_python.py HOST PORT"""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 60
HOST, PORT = sys.argv[1], int(sys.argv[2])


def check(condition, what):
    if not condition:
        sys.exit(f"paho python: {what}")


def smoke(version, name):
    topic = f"smoke/{name}"
    came, events = queue.Queue(), queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
    client.on_connect = lambda _c, _u, _f, reason, _p: events.put(("connected", reason.is_failure))
    client.on_subscribe = lambda _c, _u, mid, reasons, _p: events.put(("subscribed", [r.value for r in reasons]))
    client.on_unsubscribe = lambda _c, _u, mid, reasons, _p: events.put(("unsubscribed", None))
    client.on_message = lambda _c, _u, message: came.put((message.topic, message.payload, message.qos))

    def event(kind):
        got, value = events.get(timeout=PATIENCE_S)
        check(got == kind, f"{got} where {kind} was expected")
        return value

    def publish(to, payload, qos):
        sent = client.publish(to, payload, qos)
        sent.wait_for_publish(PATIENCE_S)
        check(sent.is_published(), f"{to} was not acknowledged at QoS {qos}")

    client.connect(HOST, PORT, keepalive=30)
    client.loop_start()
    check(not event("connected"), "it was refused")
    client.subscribe(f"{topic}/+", 1)
    check(event("subscribed") == [1], "QoS 1 was not granted")
    payload = bytes(range(256)) * 400
    for qos in (0, 1, 2):
        publish(f"{topic}/{qos}", payload, qos)
        check(came.get(timeout=PATIENCE_S) == (f"{topic}/{qos}", payload, min(qos, 1)), f"QoS {qos} did not come whole")
    for n in range(500):
        client.publish(f"{topic}/n", str(n), 1)
    for n in range(500):
        check(came.get(timeout=PATIENCE_S)[1] == str(n).encode(), "out of order")
    client.unsubscribe(f"{topic}/+")
    event("unsubscribed")
    publish(f"{topic}/late", b"late", 1)
    check(came.empty(), "a message after the end of the subscription")
    client.disconnect()
    client.loop_stop()
    print(f"ok {name}")


smoke(mqtt.MQTTv311, "paho-python-3.1.1")
smoke(mqtt.MQTTv5, "paho-python-5")
