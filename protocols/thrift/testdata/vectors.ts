/**
 * Tracking byte for byte, as thriftpy2 speaks it over the strict binary protocol (observed; app_id unset). Hex digits;
 * blanks are for reading.
 */

const name = "5f5f7468726966747079 5f74726163696e67 5f6d6574686f64 5f6e616d65 5f5f7632";

export const vectors = {
  handshake: `80010001 00000022 ${name} 00000000 08 0002 00000002 00`,
  /** The client says no version, or one that is not known here yet. */
  handshakeOf: (version: number) =>
    `80010001 00000022 ${name} 00000000 ${
      version === 0 ? "" : `08 0002 ${version.toString(16).padStart(8, "0")}`
    } 00`,
  upgraded: `80010002 00000022 ${name} 00000000 08 0001 00000002 00`,
  upgradedTo: (version: number) =>
    `80010002 00000022 ${name} 00000000 ${
      version === 0 ? "" : `08 0001 ${version.toString(16).padStart(8, "0")}`
    } 00`,
  native: `80010003 00000022 ${name} 00000000 0b 0001 0000000e 556e6b6e6f776e206d6574686f64 08 0002 00000001 00`,
  header: "0b0001 00000005 7269642d31 0b0002 00000001 31 0d0003 0b0b 00000000 00",
  hello: "80010001 00000005 68656c6c6f 00000000 0b0001 00000003 626f62 00",
  helloReply: "80010002 00000005 68656c6c6f 00000000 0b0000 00000006 686920626f62 00",
  meta: "0d0001 0b0b 00000001 00000001 6b 00000001 76 00",
  noMeta: "00",
  nop: "80010001 00000003 6e6f70 00000000 00",
  nopReply: "80010002 00000003 6e6f70 00000000 00",
  nobody: "80010001 00000006 6e6f626f6479 00000000 00",
};
