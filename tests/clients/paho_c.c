/* Paho for C against a gateway: paho_c HOST PORT. Build: cc paho_c.c -lpaho-mqtt3c */

#include <MQTTClient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 60000L

static void check(int condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "paho c: %s\n", what);
        exit(1);
    }
}

static void publish(MQTTClient client, int version, const char *topic, const void *payload, int length, int qos) {
    MQTTClient_deliveryToken token;
    if (version == MQTTVERSION_5) {
        MQTTResponse answer = MQTTClient_publish5(client, topic, length, payload, qos, 0, NULL, &token);
        check(answer.reasonCode < 0x80, "a publish was refused");
        MQTTResponse_free(answer);
    } else {
        check(MQTTClient_publish(client, topic, length, payload, qos, 0, &token) == MQTTCLIENT_SUCCESS, "a publish failed");
    }
    check(MQTTClient_waitForCompletion(client, token, PATIENCE_MS) == MQTTCLIENT_SUCCESS, "no acknowledgement");
}

static void expect(MQTTClient client, const char *topic, const void *payload, int length) {
    char *name = NULL;
    int name_length = 0;
    MQTTClient_message *message = NULL;
    int code = MQTTClient_receive(client, &name, &name_length, &message, PATIENCE_MS);
    check((code == MQTTCLIENT_SUCCESS || code == MQTTCLIENT_TOPICNAME_TRUNCATED) && message != NULL, "nothing came");
    check(strcmp(name, topic) == 0, "another topic");
    check(message->payloadlen == length && memcmp(message->payload, payload, length) == 0, "another payload");
    MQTTClient_freeMessage(&message);
    MQTTClient_free(name);
}

static void smoke(const char *address, int version, const char *name) {
    MQTTClient client;
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = version;
    check(MQTTClient_createWithOptions(&client, address, name, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create) == 0, "create");
    char filter[100], topic[100];
    snprintf(filter, sizeof filter, "smoke/%s/+", name);
    if (version == MQTTVERSION_5) {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
        options.MQTTVersion = version;
        MQTTResponse answer = MQTTClient_connect5(client, &options, NULL, NULL);
        check(answer.reasonCode == 0, "connect");
        MQTTResponse_free(answer);
        answer = MQTTClient_subscribe5(client, filter, 1, NULL, NULL);
        check(answer.reasonCode == 1, "subscribe");
        MQTTResponse_free(answer);
    } else {
        MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
        options.MQTTVersion = version;
        check(MQTTClient_connect(client, &options) == 0, "connect");
        check(MQTTClient_subscribe(client, filter, 1) == 0, "subscribe");
    }
    static char payload[100000];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (char)i;
    for (int qos = 0; qos < 3; qos++) {
        snprintf(topic, sizeof topic, "smoke/%s/%d", name, qos);
        publish(client, version, topic, payload, sizeof payload, qos);
        expect(client, topic, payload, sizeof payload);
    }
    if (version == MQTTVERSION_5) {
        MQTTResponse answer = MQTTClient_unsubscribe5(client, filter, NULL);
        check(answer.reasonCode == 0, "unsubscribe");
        MQTTResponse_free(answer);
        check(MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL) == 0, "disconnect");
    } else {
        check(MQTTClient_unsubscribe(client, filter) == 0, "unsubscribe");
        check(MQTTClient_disconnect(client, 1000) == 0, "disconnect");
    }
    MQTTClient_destroy(&client);
    printf("ok %s\n", name);
}

int main(int count, char **arguments) {
    char address[200];
    check(count == 3, "usage: paho_c HOST PORT");
    snprintf(address, sizeof address, "tcp://%s:%s", arguments[1], arguments[2]);
    smoke(address, MQTTVERSION_3_1_1, "paho-c-3.1.1");
    smoke(address, MQTTVERSION_5, "paho-c-5");
    return 0;
}
