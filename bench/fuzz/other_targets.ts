/** The other bounded parsers: replies of HTTP and Redis, frames, signatures and codecs of ZeroMQ. */
import { DecodeError } from "@msgpack/msgpack";
import { Decoder } from "../../protocols/frames/decoder.ts";
import { encode, framingOf } from "../../protocols/frames/framing.ts";
import { FramingError } from "../../protocols/frames/framing_error.ts";
import { bounded, framings } from "../../protocols/frames/testdata/framings.ts";
import { type Pair, parse, readPairs } from "../../protocols/http/client/testdata/read_replies.ts";
import { ReplyDecoder, ReplyError, unfinished } from "../../protocols/redis/reply_decoder.ts";
import { type CodecName, loadCodec } from "../../protocols/codec/codec.ts";
import { ReplayWindow } from "../../protocols/zmq/replay_window.ts";
import { signatureBytes, Signer } from "../../protocols/zmq/signature.ts";
import { type Case, joined, piecesOf, type Sample, samplesOf } from "./mutation.ts";
import type { Target, Verdict } from "./target.ts";

// deno-lint-ignore no-explicit-any
type AnyTarget = Target<any>;

const text = new TextEncoder();

/** All of them. */
export async function otherTargets(): Promise<AnyTarget[]> {
  return [httpReplies(), redisReplies(), frames(), signatures(), await codec("json"), await codec("msgpack")];
}

type Expected = Pick<Pair, "method" | "upgrade" | "closed">;

function httpReplies(): Target<Expected> {
  const corpus = readPairs().map(({ bytes, method, upgrade, closed }) => ({
    bytes,
    meta: { method, upgrade, closed },
  }));
  const read = ({ bytes, meta, cuts }: Case<Expected>): Verdict => {
    // Bodies are decoded where they stand: it gets a copy.
    const { outcome } = parse({ ...meta, bytes: bytes.slice() }, [...cuts]);
    return "error" in outcome ? "refused" : "cut" in outcome ? "waiting" : "accepted";
  };
  return { name: "http replies", cases: 350_000, corpus, read };
}

const redisTexts = [
  "+OK\r\n",
  "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
  ":-1234567890\r\n",
  ":9223372036854775807\r\n",
  "$-1\r\n",
  "$13\r\ngr\u00fc\u00dfe, welt\r\n",
  "*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n",
  "_\r\n#t\r\n,3.25\r\n,-inf\r\n",
  "(3492890328409238509324850943850943825024385\r\n",
  "=8\r\ntxt:text\r\n!20\r\nWRONGTYPE not a list\r\n",
  "%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%1\r\n+c\r\n_\r\n",
  "~2\r\n+a\r\n#t\r\n|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n+x\r\n+y\r\n:1\r\n:2\r\n",
  ">3\r\n+message\r\n+c\r\n+hi\r\n:1\r\n",
  "*1\r\n".repeat(100) + ":1\r\n",
  `$3000\r\n${"x".repeat(3000)}\r\n:1\r\n`,
  `*40\r\n${"$5\r\nhello\r\n".repeat(40)}`,
];

function redisReplies(): Target<boolean> {
  const corpus = redisTexts.flatMap((one): Array<Sample<boolean>> => [
    { bytes: text.encode(one), meta: false },
    { bytes: text.encode(one), meta: true },
  ]);
  const read = (one: Case<boolean>): Verdict => {
    const decoder = new ReplyDecoder(64 * 1024);
    let verdict: Verdict = "waiting";
    try {
      for (const part of roomy(one, () => decoder.room())) {
        decoder.filled(part);
        while (decoder.next(one.meta) !== unfinished) verdict = "accepted";
      }
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      return "refused";
    }
    return verdict;
  };
  return { name: "redis replies", cases: 350_000, corpus, read };
}

/** Every framing, each with a small bound. */
function frames(): Target<number> {
  const all = framings.map(([, plan]) => framingOf(bounded(plan, 4096)));
  const corpus: Array<Sample<number>> = [];
  for (const [meta, framing] of all.entries()) {
    const encoded = ["", "hello!!", "x".repeat(7), "y".repeat(100), "z".repeat(200)]
      .map((one) => text.encode(one)).filter((frame) => framing.misfit(frame) === undefined)
      .map((frame) => {
        const into = new Uint8Array(frame.length + framing.overheadBytes);
        return into.subarray(0, encode(framing, frame, into, 0));
      });
    for (const bytes of [...encoded, joined(...encoded)]) corpus.push({ bytes, meta });
  }
  const read = (one: Case<number>): Verdict => {
    const decoder = new Decoder(all[one.meta]!);
    let verdict: Verdict = "waiting";
    try {
      for (const part of roomy(one, () => decoder.room(false))) {
        decoder.filled(part);
        while (decoder.next()) verdict = "accepted";
      }
      decoder.end();
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      return "refused";
    }
    return verdict;
  };
  return { name: `frames, ${framings.length} framings`, cases: 200_000, corpus, read };
}

const signedAt = 1e12;
const windowMs = 1000;
/** Signatures that `sign()` made with secret `secret` at 10^12 ms, of topic `prices` and a body of one part, `[1,2]`. */
const signed = [
  "01000000e8d4a510009fbf9d8e584931466ca54fe13d0aa2a678805595c1c97cc6f31d86d07957f2886eaa3ef3c5d004c9a20857d76d53023f",
  "01000000e8d4a510001a94a00936c65585d0eb1cc2914cfbe39a7c7e74c617f3e5a54c082af91f3153285d45106339718b57048429fc7adac3",
];
const topic = text.encode("prices");
const body = text.encode("[1,2]");

function signatures(): Target {
  const corpus = samplesOf(signed.map((one) => joined(Uint8Array.fromHex(one), body)));
  const read = ({ bytes }: Case<undefined>): Verdict => {
    const signer = new Signer("secret", windowMs, new ReplayWindow(windowMs, 16), () => signedAt);
    // What is shorter than a signature is one that is too short, and no body.
    const verified = signer.verify(bytes.subarray(0, signatureBytes), topic, [
      bytes.subarray(signatureBytes),
    ]);
    return verified === "good" ? "accepted" : "refused";
  };
  return { name: "zmq signatures", cases: 40_000, corpus, read };
}

const values: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  2 ** 40,
  "h\u00e9llo \u2603",
  [],
  {},
  [1, [2, [3, []]], "four"],
  { id: 7, name: "bob", tags: ["a", "b"], nested: { deep: { deeper: [null, false] } } },
  "x".repeat(300),
  Array.from({ length: 40 }, (_, index) => index * 1000),
  Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key${index}`, index])),
];

/** Lengths in 32 bits, where encoders would take fewer: of an array, a map, text, bytes, an extension. */
const longForms = [
  "dd00000003010203",
  "df00000001a16101",
  "91dd0000000191c0",
  "db0000000568656c6c6f",
  "c600000003010203",
  "c9000000020701ff",
  "92dc000201c3de0001a16bc2",
];

async function codec(name: CodecName): Promise<Target> {
  const { encode, decode } = await loadCodec(name);
  const made = name === "msgpack" ? [...values, new Date(1e12), new Uint8Array(70)] : values;
  const encoded = made.map((value) => encode(value));
  if (name === "msgpack") encoded.push(...longForms.map((one) => Uint8Array.fromHex(one)));
  const corpus = samplesOf(encoded);
  const read = ({ bytes }: Case<undefined>): Verdict => {
    try {
      decode(new Uint8Array(bytes));
    } catch (error) {
      if (isRefusal(error)) return "refused";
      throw error;
    }
    return "accepted";
  };
  return { name: `zmq codec ${name}`, cases: 30_000, corpus, read };
}

/** Of JSON and UTF-8, and of msgpack; a stack that overflows is a RangeError too. */
function isRefusal(error: unknown): boolean {
  if (error instanceof RangeError) return !/call stack|Invalid array length|allocation/i.test(error.message);
  return error instanceof SyntaxError || error instanceof DecodeError || error instanceof TypeError;
}

/** Puts `one` piece by piece into what `room` gives: how many bytes each time. */
function* roomy(one: Case<unknown>, room: () => Uint8Array): Generator<number> {
  for (const piece of piecesOf(one)) {
    for (let at = 0; at < piece.length;) {
      const into = room();
      const part = piece.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      yield part.length;
    }
  }
}
