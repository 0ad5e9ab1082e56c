/**
 * What this client knows of commands: which only read (and so may be sent twice and be hedged), where the key stands
 * (for ring hashes), and which cannot share a connection. Commands that are not in the table are sent as they are, and
 * never twice.
 */
import type { CallOptions } from "../../core/upstream/contract.ts";
import type { RedisArgument } from "../../core/context.ts";

/** One command of the table, or one that was met. */
export interface Command {
  /** In upper case. */
  readonly name: string;
  /** `$3\r\nGET\r\n`: the name as it is sent. */
  readonly head: Uint8Array;
  /** Index of its first key among the arguments; -1 where there is none or nobody knows. */
  readonly keyAt: number;
  /** What the caller is told of it; shared by all calls. */
  readonly options: CallOptions;
  /** Why it is refused; the text ends with what to do instead. May depend on the arguments. */
  readonly refusal: ((args: readonly RedisArgument[]) => string | undefined) | undefined;
}

/** Only read, first argument is the key. */
const readsOfKey = `
  GET GETRANGE SUBSTR STRLEN MGET GETBIT BITCOUNT BITPOS BITFIELD_RO LCS EXISTS TYPE TTL PTTL EXPIRETIME PEXPIRETIME DUMP
  SORT_RO HGET HMGET HGETALL HKEYS HVALS HLEN HSTRLEN HEXISTS HRANDFIELD HSCAN HTTL HPTTL HEXPIRETIME HPEXPIRETIME
  LINDEX LLEN LRANGE LPOS SCARD SISMEMBER SMISMEMBER SMEMBERS SRANDMEMBER SSCAN SDIFF SINTER SUNION
  ZCARD ZCOUNT ZLEXCOUNT ZMSCORE ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE
  ZREVRANK ZSCAN ZSCORE ZRANDMEMBER XLEN XRANGE XREVRANGE XPENDING PFCOUNT
  GEODIST GEOHASH GEOPOS GEOSEARCH GEORADIUS_RO GEORADIUSBYMEMBER_RO`;

/** Only read; the key stands at the index, -1: none. */
const otherReads: Readonly<Record<string, number>> = {
  PING: -1,
  ECHO: -1,
  TIME: -1,
  DBSIZE: -1,
  KEYS: -1,
  SCAN: -1,
  RANDOMKEY: -1,
  INFO: -1,
  LASTSAVE: -1,
  COMMAND: -1,
  EVAL_RO: 2,
  EVALSHA_RO: 2,
  FCALL_RO: 2,
  OBJECT: 1,
  XINFO: 1,
  ZDIFF: 1,
  ZINTER: 1,
  ZUNION: 1,
  ZINTERCARD: 1,
  SINTERCARD: 1,
};

/** Write or may write, and the first key is not the first argument. */
const otherWrites: Readonly<Record<string, number>> = {
  EVAL: 2,
  EVALSHA: 2,
  FCALL: 2,
  BITOP: 1,
  LMPOP: 1,
  ZMPOP: 1,
  XGROUP: 1,
  FLUSHALL: -1,
  FLUSHDB: -1,
  PUBLISH: -1,
  SPUBLISH: 0,
  SCRIPT: -1,
  FUNCTION: -1,
  CONFIG: -1,
  CLIENT: -1,
  MEMORY: -1,
  XREAD: -1,
  XREADGROUP: -1,
};

const blocks =
  "it blocks the connection that all callers share; poll instead, or use its form that does not block";
const alters = "it changes the connection that all callers share";
const listens = "its messages need a connection of their own: use subscribe()";

/** Refused whatever the arguments are. */
const refused: Readonly<Record<string, string>> = {
  ...each(
    "BLPOP BRPOP BLMOVE BRPOPLPUSH BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF MONITOR SYNC PSYNC",
    blocks,
  ),
  ...each("MULTI EXEC DISCARD", `${alters}: use transaction()`),
  ...each("WATCH UNWATCH", `${alters}: use transaction() or a script`),
  ...each("SELECT AUTH HELLO", `${alters}: declare it in the manifest (redis: …)`),
  ...each("QUIT RESET ASKING READONLY READWRITE", alters),
  ...each("SUBSCRIBE PSUBSCRIBE", listens),
  ...each("SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE", listens),
};

/** Subcommands of CLIENT that concern the connection itself. */
const clientStates: ReadonlySet<string> = new Set(
  "REPLY TRACKING CACHING SETNAME SETINFO NO-EVICT NO-TOUCH".split(" "),
);

const encoder = new TextEncoder();
const table = new Map<string, Command>();

for (const name of words(readsOfKey)) add(name, 0, true);
for (const [name, keyAt] of Object.entries(otherReads)) add(name, keyAt, true);
for (const [name, keyAt] of Object.entries(otherWrites)) add(name, keyAt, false, refusalByArguments(name));
for (const [name, why] of Object.entries(refused)) add(name, -1, false, () => why);

/** What is known of the command `name`, in whatever case it is written. */
export function commandOf(name: string): Command {
  return table.get(name) ?? otherwise(name);
}

/** Every command of the table, once. */
export function knownCommands(): Command[] {
  return [...new Set(table.values())];
}

function otherwise(name: string): Command {
  const upper = name.toUpperCase();
  const known = table.get(upper);
  if (known) return known;
  // Neither names nor memory are bounded by what callers may think of: these are not kept.
  return make(upper, 0, false, undefined);
}

function add(name: string, keyAt: number, reads: boolean, refusal?: Command["refusal"]): void {
  const command = make(name, keyAt, reads, refusal);
  table.set(name, command);
  table.set(name.toLowerCase(), command);
}

function make(name: string, keyAt: number, reads: boolean, refusal: Command["refusal"]): Command {
  const bytes = encoder.encode(name).length;
  return {
    name,
    head: encoder.encode(`$${bytes}\r\n${name}\r\n`),
    keyAt,
    options: Object.freeze({ method: name, idempotent: reads }),
    refusal,
  };
}

function refusalByArguments(name: string): Command["refusal"] {
  if (name === "XREAD" || name === "XREADGROUP") {
    return (args) => {
      // Behind STREAMS stand keys, which may be called anything.
      const option = args.find((arg) => isWord(arg, "BLOCK") || isWord(arg, "STREAMS"));
      return isWord(option, "BLOCK") ? `with BLOCK ${blocks}` : undefined;
    };
  }
  if (name === "CLIENT") {
    return ([sub]) => clientStates.has(String(sub).toUpperCase()) ? alters : undefined;
  }
  if (name === "SCRIPT") return ([sub]) => isWord(sub, "DEBUG") ? alters : undefined;
  return undefined;
}

function isWord(arg: RedisArgument | undefined, word: string): boolean {
  return typeof arg === "string" && arg.length === word.length && arg.toUpperCase() === word;
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function each(names: string, why: string): Record<string, string> {
  return Object.fromEntries(words(names).map((name) => [name, why]));
}
