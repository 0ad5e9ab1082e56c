/**
 * The supervisor's control socket: children and the command line connect here. Tells the two apart by their first
 * message; what they then say is judged by the supervisor. A unix socket of 0600 in a folder of 0700 or, where there
 * are none, loopback TCP with a token that only the user can read.
 */
import { join } from "node:path";
import { Channel, type ChannelMessage } from "../channel.ts";
import type { Hello } from "../control.ts";

/** Connections that may be open at once, beside those of children. */
const mostClients = 64;
/** A connection that has not said who it is. */
const helloMs = 10_000;
/** No command is longer. */
const mostCommandBytes = 1024 * 1024;

/** What the supervisor does with who connects. */
export interface ControlHandlers {
  /** A child says hello; its further messages go to what this returns. Undefined: its token is wrong. */
  adopt(hello: Hello, channel: Channel): ((message: ChannelMessage) => unknown) | undefined;
  /** The channel of an adopted child ended. */
  lost(channel: Channel): void;
  /** A command of a client; its result is the answer. */
  command(message: ChannelMessage): unknown;
}

/** An open control socket. */
export interface ControlServer {
  /** For WEIR_CONTROL and connectControl(). */
  readonly address: string;
  /** Resolves when the socket is gone from its folder: the runtime removes it by its name, some time after closing. */
  close(): Promise<void>;
}

/** Listens in `folder`. `transport` tcp is for systems without unix sockets. */
export function listenControl(
  folder: string,
  transport: "unix" | "tcp",
  handlers: ControlHandlers,
): ControlServer {
  const path = join(folder, "control.sock");
  const listener = transport === "unix"
    ? Deno.listen({ transport: "unix", path })
    : Deno.listen({ transport: "tcp", hostname: "127.0.0.1", port: 0 });
  let token = "";
  let address = path;
  if (transport === "unix") Deno.chmodSync(path, 0o600);
  else {
    token = crypto.randomUUID();
    address = `tcp:127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    const note = JSON.stringify({ address, token });
    Deno.writeTextFileSync(join(folder, "control.json"), note, { mode: 0o600 });
  }
  const open = new Set<Channel>();
  const accepting = accept(listener as Deno.Listener, token, open, handlers);
  return {
    address,
    close() {
      listener.close();
      for (const channel of open) channel.close();
      return accepting;
    },
  };
}

async function accept(listener: Deno.Listener, token: string, open: Set<Channel>, handlers: ControlHandlers) {
  let clients = 0;
  for (;;) {
    let conn: Deno.Conn;
    try {
      conn = await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      // Out of descriptors, or the peer left: the socket itself is well.
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    if (clients >= mostClients) {
      conn.close();
      continue;
    }
    clients++;
    let client = true;
    let onMessage: ((message: ChannelMessage) => unknown) | undefined;
    const release = () => {
      if (client) clients--;
      client = false;
    };
    const timer = setTimeout(() => {
      if (onMessage === undefined) channel.close(new Error("It did not say who it is"));
    }, helloMs);
    const channel: Channel = new Channel(conn, {
      onMessage(message, from) {
        if (onMessage !== undefined) return onMessage(message);
        clearTimeout(timer);
        if (message.type === "hello") {
          const adopted = handlers.adopt(message as unknown as Hello, from);
          if (adopted === undefined) return from.close(new Error("Wrong token"));
          onMessage = adopted;
          return release();
        }
        if (token !== "" && message.token !== token) {
          throw new TypeError("Cannot do that: the token is wrong");
        }
        onMessage = (next) => {
          if (JSON.stringify(next).length > mostCommandBytes) throw new RangeError("The command is too long");
          return handlers.command(next);
        };
        return onMessage(message);
      },
      onClose() {
        clearTimeout(timer);
        open.delete(channel);
        if (client) release();
        else handlers.lost(channel);
      },
    });
    open.add(channel);
  }
}
