import assert from "node:assert/strict";
import { peerKey, sockaddrKey } from "./peer_key.ts";

const ipv4 = (bytes: number[], port: number) => Uint8Array.of(2, 0, port >> 8, port & 255, ...bytes);
const ipv6 = (bytes: number[], port: number) =>
  Uint8Array.of(10, 0, port >> 8, port & 255, 0, 0, 0, 0, ...bytes);
const zeros = (count: number) => new Array<number>(count).fill(0);

for (
  const [text, sockaddr] of [
    ["10.0.0.1", ipv4([10, 0, 0, 1], 4711)],
    ["::1", ipv6([...zeros(15), 1], 4711)],
    ["::", ipv6(zeros(16), 4711)],
    [
      "2001:db8::ff00:42:8329",
      ipv6([0x20, 1, 0x0d, 0xb8, ...zeros(4), 0, 0, 0xff, 0, 0, 0x42, 0x83, 0x29], 4711),
    ],
    ["1:2:3:4:5:6:7:8", ipv6([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], 4711)],
    ["fe80::", ipv6([0xfe, 0x80, ...zeros(14)], 4711)],
    ["fe80::1%eth0", ipv6([0xfe, 0x80, ...zeros(13), 1], 4711)],
    ["::ffff:10.0.0.1", ipv6([...zeros(10), 255, 255, 10, 0, 0, 1], 4711)],
  ] as Array<[string, Uint8Array]>
) {
  Deno.test(`peerKey() of ${text} is what the kernel says`, () => {
    assert.equal(peerKey(text, 4711), sockaddrKey(sockaddr));
    assert.notEqual(peerKey(text, 4712), sockaddrKey(sockaddr));
  });
}

Deno.test("peerKey() is empty for what is no address", () => {
  for (const text of ["", "host", "1.2.3", "1.2.3.400", "1:2:3", "1:2:3:4:5:6:7:8:9"]) {
    assert.equal(peerKey(text, 1), "");
  }
  assert.equal(sockaddrKey(Uint8Array.of(1, 0, 47, 116)), "");
});
