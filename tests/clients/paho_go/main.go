// Go's two Paho clients (3.1.1 and 5) against a gateway: go run . HOST PORT
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const patience = 60 * time.Second

type message struct {
	topic   string
	payload []byte
}

func check(condition bool, what string) {
	if !condition {
		log.Fatal("paho go: ", what)
	}
}

func expect(came chan message, topic string, payload []byte) {
	select {
	case got := <-came:
		check(got.topic == topic && bytes.Equal(got.payload, payload), "another message than "+topic)
	case <-time.After(patience):
		log.Fatal("paho go: nothing came on ", topic)
	}
}

func body() []byte {
	payload := make([]byte, 100_000)
	for i := range payload {
		payload[i] = byte(i)
	}
	return payload
}

func version311(address string) {
	name := "paho-go-3.1.1"
	came := make(chan message, 10)
	options := mqtt.NewClientOptions().AddBroker("tcp://" + address).SetClientID(name).SetProtocolVersion(4)
	client := mqtt.NewClient(options)
	done := func(token mqtt.Token, what string) {
		check(token.WaitTimeout(patience) && token.Error() == nil, what)
	}
	done(client.Connect(), "connect")
	done(client.Subscribe("smoke/"+name+"/+", 1, func(_ mqtt.Client, m mqtt.Message) {
		came <- message{m.Topic(), m.Payload()}
	}), "subscribe")
	for qos := byte(0); qos < 3; qos++ {
		topic := fmt.Sprintf("smoke/%s/%d", name, qos)
		done(client.Publish(topic, qos, false, body()), "publish")
		expect(came, topic, body())
	}
	done(client.Unsubscribe("smoke/"+name+"/+"), "unsubscribe")
	client.Disconnect(1000)
	fmt.Println("ok", name)
}

func version5(address string) {
	name := "paho-go-5"
	came := make(chan message, 10)
	socket, err := net.Dial("tcp", address)
	check(err == nil, "dial")
	client := paho.NewClient(paho.ClientConfig{
		Conn: socket,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			came <- message{p.Packet.Topic, p.Packet.Payload}
			return true, nil
		}},
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = client.Connect(ctx, &paho.Connect{ClientID: name, CleanStart: true, KeepAlive: 30})
	check(err == nil, "connect")
	filter := "smoke/" + name + "/+"
	suback, err := client.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}})
	check(err == nil && suback.Reasons[0] == 1, "subscribe")
	for qos := byte(0); qos < 3; qos++ {
		topic := fmt.Sprintf("smoke/%s/%d", name, qos)
		_, err = client.Publish(ctx, &paho.Publish{Topic: topic, QoS: qos, Payload: body()})
		check(err == nil, "publish")
		expect(came, topic, body())
	}
	_, err = client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{filter}})
	check(err == nil, "unsubscribe")
	check(client.Disconnect(&paho.Disconnect{}) == nil, "disconnect")
	fmt.Println("ok", name)
}

func main() {
	check(len(os.Args) == 3, "usage: paho_go HOST PORT")
	address := net.JoinHostPort(os.Args[1], os.Args[2])
	version311(address)
	version5(address)
}
