"use strict";
// Apache Thrift's server for Node with the code that its compiler generated into GENERATED.
const thrift = require("thrift");
const Hello = require(`${process.env.GENERATED}/gen-nodejs/Hello`);

const handler = { hello: (name, result) => result(null, `hello ${name}`) };
const server = thrift.createServer(Hello, handler, {
  protocol: thrift.TBinaryProtocol,
  transport: thrift.TBufferedTransport,
});
// Connections that are reset.
server.on("error", () => {});
server.listen(Number(process.env.PORT), "127.0.0.1");
