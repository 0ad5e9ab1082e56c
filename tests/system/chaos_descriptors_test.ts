import assert from "node:assert/strict";
import { ShortOfDescriptors } from "./chaos_descriptors.ts";

Deno.test("calls are refused where no descriptor is left, nobody is blamed for it, and all is well afterwards", async () => {
  await using service = new ShortOfDescriptors(100, 1);
  const health = { eject: { consecutive: 2, base: "60s", share: "100%" }, panic: "0%" };
  const keys = { protocol: "http", pool: { warm: 0 }, health };
  await service.start({ users: { ...keys, discover: { static: service.addresses } } });
  await service.fill();
  for (let n = 0; n < 10; n++) {
    const { status, reason } = await service.ask("users");
    assert.deepEqual([status, reason], [503, "upstream_full"]);
  }
  await service.empty();
  assert.equal((await service.ask("users")).body, "ok", "the endpoint was put aside");
});

Deno.test("idle connections make room where no descriptor is left", async () => {
  await using service = new ShortOfDescriptors(120, 40);
  await service.start({
    idle: { protocol: "http", discover: { static: service.addresses } },
    users: { protocol: "http", discover: { static: service.addresses.slice(0, 1) }, pool: { warm: 0 } },
  });
  await service.fill();
  assert.equal((await service.ask("users")).body, "ok");
});
