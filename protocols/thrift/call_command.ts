/**
 * `call <address> <idl> <method> [json]`: one call of a Thrift service from the command line, without code and without a
 * manifest. Arguments and reply are JSON by the names of the IDL; bytes are `{ "base64": "…" }`, integers beyond doubles
 * are written out in full. What is needed to call is loaded only when it is used.
 */
import { type Command, type Given, type Terminal, UsageError } from "../../core/cli/command.ts";
import { parseDuration } from "../../core/cli/duration.ts";
import { type ExitCode, exitCodes } from "../../core/supervisor/exit_code.ts";
import type { SingleCall } from "./call_once.ts";

/** A row for the table of commands. */
export const callCommand: Command = {
  name: "call",
  words: ["<address>", "<idl>", "<method>", "[json]"],
  text: "call a method of a Thrift service; exit code 1 where it throws, 3 where it cannot be had",
  options: [
    { name: "service", value: "name", text: "service of the IDL; the last one unless given" },
    { name: "transport", value: "kind", text: "buffered (unless given) or framed" },
    { name: "protocol", value: "kind", text: "binary (unless given) or compact" },
    {
      name: "timeout",
      value: "duration",
      text: "longest time for all of it, such as 500ms; 5s unless given",
    },
    { name: "tracking", text: "shake hands for tracking first" },
    { name: "tls", text: "speak TLS, as each of the four that follow does" },
    { name: "ca", value: "file", text: "CA to trust, PEM; those of the system unless given" },
    { name: "cert", value: "file", text: "certificate of this side, PEM (mutual TLS)" },
    { name: "key", value: "file", text: "its private key, PEM; it is in the file of --cert unless given" },
    {
      name: "server-name",
      value: "name",
      text: "name that the certificate must carry; the host unless given",
    },
  ],
  run,
};

async function run({ words, options }: Given, terminal: Terminal): Promise<ExitCode> {
  const [address, idl, method, json = "{}"] = words as [string, string, string, string?];
  const { callOnce } = await import("./call_once.ts");
  const { parseArgs, replyText } = await import("./json_values.ts");
  const outcome = await callOnce({
    address,
    idl,
    method,
    args: parseArgs(json),
    service: textOf(options.service),
    transport: oneOf("transport", textOf(options.transport) ?? "buffered", ["buffered", "framed"]),
    protocol: oneOf("protocol", textOf(options.protocol) ?? "binary", ["binary", "compact"]),
    timeoutMs: parseDuration(textOf(options.timeout) ?? "5s"),
    tracking: options.tracking === true,
    tls: tlsOf(options),
  });
  switch (outcome.kind) {
    case "reply":
      terminal.out(replyText(outcome.value, terminal.human && options.json !== true));
      return exitCodes.clean;
    case "thrown":
      terminal.err(replyText({ exception: outcome.name, ...outcome.fields }, false));
      return exitCodes.failed;
    case "unreachable":
      terminal.err(outcome.text);
      return exitCodes.unreachable;
  }
}

/** Null without TLS. */
function tlsOf(options: Given["options"]): SingleCall["tls"] {
  const [ca, cert, key, serverName] = ["ca", "cert", "key", "server-name"].map((name) =>
    textOf(options[name]) ?? null
  ) as [string | null, string | null, string | null, string | null];
  if (key !== null && cert === null) {
    throw new UsageError("`--key` needs the certificate that it belongs to: --cert <file>");
  }
  if (options.tls !== true && ca === null && cert === null && serverName === null) return null;
  return { ca, cert, key, serverName };
}

function textOf(option: string | true | undefined): string | undefined {
  return typeof option === "string" ? option : undefined;
}

function oneOf<Kind extends string>(option: string, given: string, kinds: readonly Kind[]): Kind {
  const kind = kinds.find((one) => one === given);
  if (kind === undefined) {
    throw new UsageError(`\`--${option}\` must be ${kinds.join(" or ")}, not \`${given}\``);
  }
  return kind;
}
