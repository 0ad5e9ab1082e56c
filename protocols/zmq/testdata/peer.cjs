"use strict";
// A ZeroMQ peer on Node, with the package zeromq: what it is told as lines of JSON, as peer.py. Bytes are base64.
const { createInterface } = require("node:readline");
const zmq = require("zeromq");

const kinds = {
  req: zmq.Request,
  rep: zmq.Reply,
  dealer: zmq.Dealer,
  router: zmq.Router,
  push: zmq.Push,
  pull: zmq.Pull,
  pub: zmq.Publisher,
  sub: zmq.Subscriber,
  xpub: zmq.XPublisher,
  xsub: zmq.XSubscriber,
  pair: zmq.Pair,
};
const options = { curve_publickey: "curvePublicKey", curve_secretkey: "curveSecretKey", curve_serverkey: "curveServerKey" };
const sockets = new Map();
const bytes = (parts) => parts.map((part) => Buffer.from(part, "base64"));
const text = (parts) => parts.map((part) => part.toString("base64"));

async function make(c) {
  const socket = new kinds[c.type]({ linger: c.linger ?? 0, ...(c.type === "pull" || c.type === "sub" ? {} : { sendTimeout: 2000 }) });
  for (const [name, value] of Object.entries(c.options ?? {})) {
    if (name === "curve_server") socket.curveServer = true;
    else socket[options[name] ?? name] = value;
  }
  for (const topic of c.subscribe ?? []) socket.subscribe(topic);
  for (const endpoint of c.bind ?? []) await socket.bind(endpoint);
  for (const endpoint of c.connect ?? []) socket.connect(endpoint);
  sockets.set(c.socket, socket);
}

async function receive(socket, timeoutMs = 5000) {
  socket.receiveTimeout = timeoutMs;
  try {
    return await socket.receive();
  } catch (error) {
    if (error.code === "EAGAIN") return null;
    throw error;
  }
}

const commands = {
  make: async (c) => void await make(c),
  send: async (c) => void await sockets.get(c.socket).send(bytes(c.parts)),
  async sendMany(c) {
    for (let n = c.from; n < c.to; n++) await sockets.get(c.socket).send(JSON.stringify({ n }));
  },
  async receive(c) {
    const parts = await receive(sockets.get(c.socket), c.timeoutMs);
    return { parts: parts && text(parts) };
  },
  async serve(c) {
    const socket = sockets.get(c.socket);
    for (let i = 0; i < c.count; i++) {
      const parts = await receive(socket, c.timeoutMs);
      if (!parts) return { served: false };
      await socket.send(parts);
    }
    return { served: true };
  },
  async close(c) {
    sockets.get(c.socket).close();
    sockets.delete(c.socket);
  },
};

async function main() {
  console.log(JSON.stringify({ ready: zmq.version }));
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try {
      answer = await commands[command.do](command) ?? {};
    } catch (error) {
      answer = { error: String(error) };
    }
    console.log(JSON.stringify(answer));
  }
  process.exit(0);
}

main();
