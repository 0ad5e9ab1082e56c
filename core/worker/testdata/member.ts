/**
 * A member of a SO_REUSEPORT group in a process of its own: listens on the port given, answers each connection with its
 * name, and obeys lines on its input (`steer <self> <size>`, `unsteer`) with a line on its output, until its input ends.
 */
import { listenNative } from "../listen_native.ts";

const [port, name] = Deno.args;
const listening = await listenNative({
  address: { transport: "tcp", hostname: "127.0.0.1", port: Number(port) },
  backlog: 128,
  reusePort: true,
  alpn: [],
  handshakes: { timeoutMs: 1000, most: 8 },
  onCut: () => {},
  onAccept: ({ stream }) => {
    const close = () => stream.close();
    stream.write(new TextEncoder().encode(name!)).then(close, close);
  },
  onError: (error) => console.error(error),
});
console.log(`listening ${listening.port}`);
let text = "";
for await (const bytes of Deno.stdin.readable) {
  text += new TextDecoder().decode(bytes);
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
    const [command, self, size] = text.slice(0, end).split(" ");
    text = text.slice(end + 1);
    if (command === "steer") console.log(`steered ${listening.steerAway(Number(self), Number(size))}`);
    else {
      listening.unsteer();
      console.log("unsteered");
    }
  }
}
Deno.exit(0);
