/**
 * Requests that servers in a row may understand differently. Each says what may reach the server behind: nothing, or the
 * requests that are there by any reading of RFC 9112. `NNN` in them is the number of the probe.
 */

/** One probe. */
export interface Probe {
  readonly name: string;
  readonly bytes: string;
  /** `METHOD target host [body]`, in order. Where the two kinds of connections read it differently, one list for each. */
  readonly reaches: readonly string[] | { native: readonly string[]; node: readonly string[] };
}

const chunked = "transfer-encoding: chunked";
const smuggled = "GET /smuggled-NNN HTTP/1.1\r\nhost: x\r\n\r\n";
/** An empty chunked body with a request behind it. */
const zero = "0\r\n\r\n" + smuggled;
const five = "5\r\nabcde\r\n0\r\n\r\n";

const post = (headers: string, body: string, line = "POST /first-NNN HTTP/1.1") =>
  `${line}\r\nhost: x\r\n${headers}\r\n\r\n${body}`;
const get = (lines: string, line = "GET /first-NNN HTTP/1.1") => `${line}\r\nhost: x\r\n${lines}\r\n`;

const posted = "POST /first-NNN x [abcde]";
const empty = "POST /first-NNN x []";
const got = "GET /first-NNN x []";
/** A request of its own behind a complete one: nothing is smuggled. */
const second = "GET /smuggled-NNN x []";

const rows: Array<[name: string, bytes: string, reaches?: Probe["reaches"]]> = [
  // ---- what frames the body
  ["CL and TE", post(`content-length: 5\r\n${chunked}`, zero)],
  ["TE and CL", post(`${chunked}\r\ncontent-length: 5`, zero)],
  ["TE and a CL of all that follows", post(`${chunked}\r\ncontent-length: ${zero.length}`, zero)],
  ["TE xchunked", post("transfer-encoding: xchunked", zero)],
  ["TE chunked twice", post("transfer-encoding: chunked, chunked", zero)],
  ["TE chunked, identity", post("transfer-encoding: chunked, identity", zero)],
  ["TE identity", post("transfer-encoding: identity", zero)],
  ["TE identity and CL", post("transfer-encoding: identity\r\ncontent-length: 5", zero)],
  ["TE gzip, chunked", post("transfer-encoding: gzip, chunked", zero)],
  ["TE in two lines", post(`${chunked}\r\n${chunked}`, zero)],
  ["TE chunked, then another", post(`${chunked}\r\ntransfer-encoding: x`, zero)],
  ["another TE, then chunked", post(`transfer-encoding: x\r\n${chunked}`, zero)],
  ["TE with a blank before the colon", post("transfer-encoding : chunked", zero)],
  ["TE behind a tab", post("transfer-encoding:\tchunked", zero), [empty, second]],
  ["TE behind a vertical tab", post("transfer-encoding: \x0bchunked", zero)],
  ["TE with a blank at its end", post("transfer-encoding: chunked ", zero), [empty, second]],
  ["TE in quotes", post('transfer-encoding: "chunked"', zero)],
  ["empty TE", post("transfer-encoding:", zero)],
  ["folded TE", post("transfer-encoding:\r\n chunked", zero)],
  ["TE in a folded line", post("x: y\r\n transfer-encoding: chunked", zero)],
  ["TE behind a blank", post(" transfer-encoding: chunked", zero)],
  ["TE with NUL", post("transfer-encoding: chunked\0", zero)],
  ["NUL in the name of TE", post("transfer-encoding\0: chunked", zero)],
  [
    "TE behind a bare LF",
    post("x: y\ntransfer-encoding: chunked", zero),
    { native: [empty, second], node: [] },
  ],
  ["TE behind a bare CR", post("x: y\rtransfer-encoding: chunked", zero)],
  ["TE in capitals", post("TRANSFER-ENCODING: CHUNKED", zero), [empty, second]],
  ["transfer_encoding", post("transfer_encoding: chunked", zero), [empty]],
  ["TE under HTTP/1.0", post(chunked, zero, "POST /first-NNN HTTP/1.0")],
  ["two CL that differ", post("content-length: 5\r\ncontent-length: 6", "abcde")],
  [
    "the same CL twice",
    post("content-length: 5\r\ncontent-length: 5", "abcde"),
    { native: [posted], node: [] },
  ],
  ["CL as a list", post("content-length: 5, 5", "abcde")],
  ["CL with a plus", post("content-length: +5", "abcde")],
  ["negative CL", post("content-length: -5", "abcde")],
  ["hexadecimal CL", post("content-length: 0x5", "abcde")],
  ["empty CL", post("content-length:", "abcde")],
  ["CL with a fraction", post("content-length: 5.0", "abcde")],
  ["CL with a blank in it", post("content-length: 5 5", "abcde")],
  ["CL with leading zeros", post("content-length: 0000005", "abcde"), [posted]],
  ["CL beyond all numbers", post("content-length: 99999999999999999999", "abcde")],
  ["CL with a blank before the colon", post("content-length : 5", "abcde")],
  ["folded CL", post("content-length: 5\r\n 0", "abcde")],
  ["content_length", post("content_length: 100", "abcde"), [empty]],
  ["CL 0 and more", post("content-length: 0", smuggled), [empty, second]],
  ["GET with a body", get(`content-length: ${smuggled.length}\r\n`) + smuggled],
  ["GET with a chunked body", get(`${chunked}\r\n`) + five],
  ["HEAD with a body", get(`content-length: ${smuggled.length}\r\n`, "HEAD /first-NNN HTTP/1.1") + smuggled],
  ["DELETE with a body", get("content-length: 5\r\n", "DELETE /first-NNN HTTP/1.1") + "abcde", [
    "DELETE /first-NNN x [abcde]",
  ]],
  // ---- chunks
  ["chunk size with a plus", post(chunked, "+" + five)],
  ["chunk size 0x5", post(chunked, "0x" + five)],
  ["negative chunk size", post(chunked, "-" + five)],
  ["chunk size behind a blank", post(chunked, " " + five), { native: [posted], node: [] }],
  ["blank behind a chunk size", post(chunked, "5 \r\nabcde\r\n0\r\n\r\n"), { native: [posted], node: [] }],
  ["chunk size with leading zeros", post(chunked, "0000" + five), [posted]],
  ["chunk size that overflows", post(chunked, "ffffffffffffffff1\r\nabcde\r\n0\r\n\r\n")],
  ["chunk size that wraps around", post(chunked, "10000000000000005\r\nabcde\r\n0\r\n\r\n")],
  ["chunk without its end of line", post(chunked, "5\r\nabcdeXX0\r\n\r\n")],
  ["chunks with bare LF", post(chunked, "5\nabcde\n0\n\n")],
  ["chunks with bare CR", post(chunked, "5\rabcde\r0\r\r")],
  ["chunk data that ends with LF", post(chunked, "5\r\nabcde\n0\r\n\r\n")],
  ["chunk extension", post(chunked, "5;a=b\r\nabcde\r\n0\r\n\r\n"), [posted]],
  ["line end in a quoted extension", post(chunked, `5;a="\r\n0\r\n\r\n${smuggled}"\r\nabcde\r\n0\r\n\r\n`)],
  ["chunk extension that ends with LF", post(chunked, "5;a\nabcde\r\n0\r\n\r\n")],
  ["bare CR in an extension", post(chunked, "5;a\rb\r\nabcde\r\n0\r\n\r\n")],
  [
    "chunk extension of 70,000 bytes",
    post(chunked, `5;${"a".repeat(70_000)}\r\nabcde\r\n0\r\n\r\n`),
    { native: [], node: [posted] },
  ],
  ["extension of the last chunk", post(chunked, "5\r\nabcde\r\n0;a=b\r\n\r\n"), [posted]],
  ["trailer", post(chunked, "5\r\nabcde\r\n0\r\nx-t: 1\r\n\r\n"), [posted]],
  [
    "content-length and host in a trailer",
    post(chunked, "5\r\nabcde\r\n0\r\ncontent-length: 100\r\nhost: evil\r\n\r\n"),
    { native: [posted], node: [] },
  ],
  ["a request as a trailer", post(chunked, "5\r\nabcde\r\n0\r\n" + smuggled)],
  ["last chunk 00", post(chunked, "5\r\nabcde\r\n00\r\n\r\n"), [posted]],
  ["something else for the last line end", post(chunked, "5\r\nabcde\r\n0\r\nX" + smuggled)],
  // ---- lines of the head
  ["folded line", get("x-a: b\r\n c\r\n")],
  ["folded first line", "GET /first-NNN HTTP/1.1\r\n host: x\r\n\r\n"],
  ["head with bare LF", "GET /first-NNN HTTP/1.1\nhost: x\n\n", { native: [got], node: [] }],
  [
    "head with some bare LF",
    "GET /first-NNN HTTP/1.1\r\nhost: x\nx-a: b\r\n\r\n",
    { native: [got], node: [] },
  ],
  ["bare CR in a value", get("x-a: b\rGET /smuggled-NNN HTTP/1.1\r\n")],
  ["head with bare CR", "GET /first-NNN HTTP/1.1\rhost: x\r\r"],
  ["NUL in a value", get("x-a: b\0c\r\n")],
  ["NUL in the target", get("", "GET /first-NNN\0 HTTP/1.1")],
  ["control character in a value", get("x-a: b\x01c\r\n")],
  ["DEL in a value", get("x-a: b\x7fc\r\n")],
  ["blank in a name", get("x a: b\r\n")],
  ["blank before the colon", get("x-a : b\r\n")],
  ["no colon", get("x-a\r\n")],
  ["empty name", get(": b\r\n")],
  ["parenthesis in a name", get("x(a: b\r\n")],
  ["semicolon in a name", get("x-a;b: c\r\n")],
  ["name beyond ASCII", get("x-\xd0\xba: b\r\n")],
  // ---- who is asked
  ["two Hosts", get("host: y\r\n")],
  ["the same Host twice", get("host: x\r\n")],
  ["path in the Host", "GET /first-NNN HTTP/1.1\r\nhost: a/b\r\n\r\n"],
  ["user in the Host", "GET /first-NNN HTTP/1.1\r\nhost: a@b\r\n\r\n"],
  ["blank in the Host", "GET /first-NNN HTTP/1.1\r\nhost: a b\r\n\r\n"],
  ["list in the Host", "GET /first-NNN HTTP/1.1\r\nhost: a, b\r\n\r\n"],
  ["query in the Host", "GET /first-NNN HTTP/1.1\r\nhost: a?\r\n\r\n"],
  ["absolute target and another Host", "GET http://other/first-NNN HTTP/1.1\r\nhost: x\r\n\r\n", [
    "GET /first-NNN other []",
  ]],
  ["absolute target with a user", "GET http://u:p@other/first-NNN HTTP/1.1\r\nhost: x\r\n\r\n"],
  ["absolute target of another scheme", "GET ftp://other/first-NNN HTTP/1.1\r\nhost: x\r\n\r\n"],
  ["target without a slash", "GET first-NNN HTTP/1.1\r\nhost: x\r\n\r\n"],
  ["CONNECT", "CONNECT other:80 HTTP/1.1\r\nhost: x\r\n\r\n" + smuggled],
  // ---- the request line
  ["blank in the target", "GET /first-NNN x HTTP/1.1\r\nhost: x\r\n\r\n"],
  ["tab in the target", "GET /first-NNN\tx HTTP/1.1\r\nhost: x\r\n\r\n"],
  ["escaped line end in the target", get("", "GET /first-NNN%0d%0aGET%20/smuggled HTTP/1.1"), [
    "GET /first-NNN%0d%0aGET%20/smuggled x []",
  ]],
  ["fragment in the target", get("", "GET /first-NNN#/../smuggled-NNN HTTP/1.1"), [got]],
  ["dot segments", get("", "GET /a/../first-NNN HTTP/1.1"), [got]],
  ["backslashes", get("", "GET /a\\..\\first-NNN HTTP/1.1"), [got]],
  ["dot segment behind an escaped slash", get("", "GET /first-NNN/%2e%2e%2fsmuggled-NNN HTTP/1.1")],
  ["dot segment with a parameter", get("", "GET /first-NNN/..;/smuggled-NNN HTTP/1.1")],
  ["dot segment that was escaped twice", get("", "GET /first-NNN/%252e%252e/smuggled-NNN HTTP/1.1")],
  ["no version", "GET /first-NNN\r\nhost: x\r\n\r\n"],
  ["HTTP/2.0", "GET /first-NNN HTTP/2.0\r\nhost: x\r\n\r\n"],
  ["HTTP/1.2", "GET /first-NNN HTTP/1.2\r\nhost: x\r\n\r\n"],
  ["http/1.1", "GET /first-NNN http/1.1\r\nhost: x\r\n\r\n"],
  ["line ends before the request", "\r\n\r\n" + get(""), [got]],
  ["blank before the request", " " + get("")],
  ["preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  // ---- Connection
  ["Connection names Host", get("connection: host\r\n"), [got]],
  [
    "Connection names content-length",
    post("connection: content-length\r\ncontent-length: 5", "abcde" + smuggled),
    [posted, second],
  ],
  [
    "Connection names transfer-encoding",
    post(`connection: transfer-encoding\r\n${chunked}`, five + smuggled),
    [posted, second],
  ],
  [
    "upgrade to h2c",
    get("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n") +
    smuggled,
    { native: [got, second], node: [got] },
  ],
  [
    "upgrade with a body",
    post("connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 5", "abcde" + smuggled),
  ],
  [
    "upgrade that is not taken up, and more",
    get(
      "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: eA==\r\nsec-websocket-version: 13\r\n",
    ) +
    smuggled,
    { native: [got, second], node: [got] },
  ],
  // ---- requests in a row
  ["pipelined", get("") + smuggled + post("content-length: 5", "abcde"), [got, second, posted]],
  ["pipelined behind a body", post("content-length: 5", "abcde") + smuggled, [posted, second]],
  ["pipelined behind chunks", post(chunked, five) + smuggled, [posted, second]],
];

/** All of them. */
export const probes: readonly Probe[] = rows.map(([name, bytes, reaches = []]) => ({ name, bytes, reaches }));
