// Does with MQTT.js what it is told, in lines of JSON on stdin; says in the same way what happened.
'use strict'

const readline = require('node:readline')
const mqtt = require('mqtt')

const clients = new Map()

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')

const given = (value) => (value === null ? undefined : value)

// Binary values travel in base64.
function fromLine (properties) {
  const result = { ...properties }
  if (result.correlationData !== undefined) {
    result.correlationData = Buffer.from(result.correlationData, 'base64')
  }
  return result
}

function toLine (properties) {
  const result = { ...properties }
  if (result.correlationData !== undefined) {
    result.correlationData = result.correlationData.toString('base64')
  }
  return result
}

function willOf (will, five) {
  if (will === null) return undefined
  const result = { ...will, payload: Buffer.from(will.payload, 'base64') }
  if (five) result.properties = fromLine(will.properties)
  else delete result.properties
  return result
}

function connect (order, answer) {
  const five = order.version === 5
  const options = {
    host: order.host,
    port: order.port,
    protocol: 'mqtt',
    protocolId: order.version === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: order.version,
    clientId: order.clientId,
    clean: order.clean,
    keepalive: order.keepAlive,
    username: given(order.user),
    password: given(order.password),
    will: willOf(order.will, five),
    reconnectPeriod: 0,
    resubscribe: false,
    // Where the broker offers aliases, the library is to use them by itself.
    autoAssignTopicAlias: order.aliases
  }
  if (five) {
    options.properties = { sessionExpiryInterval: order.sessionExpiry }
    if (order.aliases) options.properties.topicAliasMaximum = 8
  }
  const client = mqtt.connect(options)
  clients.set(order.client, client)
  client.once('connect', (connack) => answer({ sessionPresent: connack.sessionPresent }))
  client.on('error', (error) => {
    // Where this is the answer to no call, it shows beside what pytest says.
    console.error(`MQTT.js: ${error.stack}`)
    if (typeof error.code === 'number') answer({ refused: error.code })
    else answer({ error: String(error) })
  })
  client.on('message', (topic, payload, packet) => {
    say({
      client: order.client,
      message: {
        topic,
        payload: payload.toString('base64'),
        qos: packet.qos,
        retain: packet.retain,
        dup: packet.dup,
        properties: toLine(packet.properties)
      }
    })
  })
}

const orders = {
  connect,

  subscribe (order, answer) {
    const options = {
      qos: order.qos,
      nl: order.noLocal,
      rap: order.retainAsPublished,
      rh: order.retainHandling
    }
    if (order.identifier !== null) {
      options.properties = { subscriptionIdentifier: order.identifier }
    }
    clients.get(order.client).subscribe(order.filter, options, (error, granted, packet) => {
      if (packet !== undefined) answer({ granted: packet.granted[0] })
      else answer({ error: String(error) })
    })
  },

  unsubscribe (order, answer) {
    clients.get(order.client).unsubscribe(order.filter, (error) => {
      answer(error ? { error: String(error) } : {})
    })
  },

  publish (order, answer) {
    const { topic, payload, qos, retain, properties } = order.message
    const options = { qos, retain }
    if (Object.keys(properties).length > 0) options.properties = fromLine(properties)
    const client = clients.get(order.client)
    client.publish(topic, Buffer.from(payload, 'base64'), options, (error) => {
      answer(error ? { error: String(error) } : {})
    })
  },

  disconnect (order, answer) {
    clients.get(order.client).end(false, () => answer({}))
  },

  close (order, answer) {
    const client = clients.get(order.client)
    clients.delete(order.client)
    if (client === undefined) answer({})
    else client.end(true, () => answer({}))
  }
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line)
    let answered = false
    orders[order.call](order, (what) => {
      if (!answered) say({ number: order.number, ...what })
      answered = true
    })
  })
  .on('close', () => {
    for (const client of clients.values()) client.end(true)
  })
