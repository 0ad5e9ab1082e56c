/** The same echo on Node: bytes back as they come. */
import { createServer } from "node:net";

createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.pipe(socket);
}).listen(Number(process.env.PORT), "127.0.0.1");
