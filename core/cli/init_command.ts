/** `init`: writes a service that runs as it is. Overwrites nothing. */
import { basename, join, resolve } from "node:path";
import { exitCodes } from "../supervisor/exit_code.ts";
import { type Command, UsageError } from "./command.ts";

/** The files of a new service named `service`, by name. */
export function newService(service: string): Record<string, string> {
  return {
    "service.yaml": `# yaml-language-server: $schema=./service.schema.json
service: ${service}

listeners:
  web:
    protocol: http
    listen: 127.0.0.1:\${PORT:-8080}
    routes: # the first that matches wins
      - match: { path: /ping }
        respond: { status: 200, body: pong }
      - handler: ./hello.ts

meta:
  listen: 127.0.0.1:\${META_PORT:-9901}
`,
    "hello.ts": `/** Answers every request that no other route took. */
export default function hello(request: Request): Response {
  const name = new URL(request.url).searchParams.get("name") ?? "world";
  return new Response(\`Hello, \${name}!\\n\`);
}
`,
  };
}

/** `init [folder]` */
export const init: Command = {
  name: "init",
  words: ["[folder]"],
  text: "write a service that runs: service.yaml, a handler, the schema for your editor",
  options: [],
  async run({ words, options }, terminal) {
    const { jsonSchema } = await import("../manifest/mod.ts");
    const folder = resolve(words[0] ?? ".");
    const near = basename(folder).toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^[^a-z]+|-+$/g, "");
    const files: Record<string, string> = {
      ...newService(near || "hello"),
      "service.schema.json": `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    };
    await Deno.mkdir(folder, { recursive: true });
    const there = [];
    for (const name of Object.keys(files)) {
      if (await Deno.stat(join(folder, name)).then(() => true, () => false)) there.push(name);
    }
    if (there.length > 0) {
      throw new UsageError(`${folder} has ${there.join(", ")} already; nothing was written`);
    }
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(folder, name), text, { createNew: true });
    }
    if (options.json) terminal.out(JSON.stringify({ folder, files: Object.keys(files) }, null, 2));
    else {terminal.out(
        `wrote ${Object.keys(files).join(", ")} in ${folder}\nrun it: deno run -A mod.ts ${
          join(words[0] ?? ".", "service.yaml")
        }`,
      );}
    return exitCodes.clean;
  },
};
