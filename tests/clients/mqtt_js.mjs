// mqtt.js against a gateway: node mqtt_js.mjs URL, where mqtt is installed beside it (NODE_PATH does not serve modules).
import assert from "node:assert";
import { createRequire } from "node:module";

const mqtt = createRequire(process.env.MQTT_JS_HOME + "/")("mqtt");
const url = process.argv[2];
setTimeout(() => { console.error("mqtt.js: too slow"); process.exit(1); }, 100_000).unref();

async function smoke(protocolVersion, name) {
  const client = await mqtt.connectAsync(url, { protocolVersion, clientId: name, reconnectPeriod: 0 });
  const came = [];
  let wake = () => {};
  client.on("message", (topic, payload) => { came.push([topic, payload]); wake(); });
  const next = async () => {
    while (came.length === 0) await new Promise((resolve) => { wake = resolve; });
    return came.shift();
  };
  const [granted] = await client.subscribeAsync(`smoke/${name}/+`, { qos: 1 });
  assert.equal(granted.qos, 1);
  const payload = Buffer.alloc(100_000, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
  for (const qos of [0, 1, 2]) {
    await client.publishAsync(`smoke/${name}/${qos}`, payload, { qos });
    const [topic, got] = await next();
    assert.equal(topic, `smoke/${name}/${qos}`);
    assert.ok(payload.equals(got));
  }
  // mqtt.js does not keep to the server's receive maximum by itself.
  for (let round = 0; round < 10; round++) {
    const numbers = Array.from({ length: 50 }, (_, i) => String(round * 50 + i));
    await Promise.all(numbers.map((n) => client.publishAsync(`smoke/${name}/n`, n, { qos: 1 })));
    for (const n of numbers) assert.equal((await next())[1].toString(), n);
  }
  await client.unsubscribeAsync(`smoke/${name}/+`);
  await client.publishAsync(`smoke/${name}/late`, "late", { qos: 1 });
  assert.equal(came.length, 0);
  await client.endAsync();
  console.log(`ok ${name}`);
}

await smoke(4, "mqtt-js-3.1.1");
await smoke(5, "mqtt-js-5");
