/** Connects to a supervisor's control socket: by path, or by `tcp:host:port` where there are no unix sockets. */
export function connectControl(address: string): Promise<Deno.Conn> {
  const tcp = /^tcp:(.+):(\d+)$/.exec(address);
  if (tcp === null) return Deno.connect({ transport: "unix", path: address });
  return Deno.connect({ transport: "tcp", hostname: tcp[1]!, port: Number(tcp[2]) });
}
