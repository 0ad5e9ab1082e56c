import assert from "node:assert/strict";
import { checkPorts } from "./check_ports.ts";
import { planOf } from "./testdata/boot.ts";

function planAt(...listen: string[]) {
  const framing = { delimiter: "\n", max: "1KiB" };
  return planOf({}, {
    listeners: { api: { protocol: "frames", listen, framing, handler: "./fake_child.ts" } },
  });
}

for (const reusePort of [false, true]) {
  Deno.test(`checkPorts() names the address that somebody has, ${reusePort ? "shared" : "alone"}`, () => {
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort });
    const text = `127.0.0.1:${(other.addr as Deno.NetAddr).port}`;
    const expected = new Error(
      `Cannot listen on ${text} (listeners.api): another program has this address in use`,
    );
    assert.throws(() => checkPorts(planAt("127.0.0.1:0", text)), expected);
    checkPorts(planAt(text), [text]);
  });
}

Deno.test("checkPorts() leaves the addresses free", () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  checkPorts(planAt(`127.0.0.1:${port}`));
  Deno.listen({ hostname: "127.0.0.1", port, reusePort: true }).close();
});
