/** What is sent over a session: one command, or several that run as one. */
import type { RedisArgument } from "../../core/context.ts";
import type { Command } from "./commands.ts";

/** One command; with `steps`, those are sent between MULTI and EXEC instead. */
export interface RedisRequest {
  readonly command: Command;
  readonly args: readonly RedisArgument[];
  /** Strings of the reply are bytes. */
  readonly bytes: boolean;
  readonly steps: ReadonlyArray<{ command: Command; args: readonly RedisArgument[] }> | undefined;
}
