/** Finds the running service a command is for and opens its control socket. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Channel, type ChannelMessage } from "../channel.ts";
import { connectControl } from "../supervisor/connect_control.ts";
import { findRuntimeFolders, manifestHash, runningPid } from "../supervisor/runtime_folder.ts";

/** The manifest that is meant when none is named. */
export const usualManifest = "service.yaml";

/** No such service runs, or it does not answer. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** A running service. */
export interface Found {
  readonly pid: number;
  /** Asks it; rejects with its refusal, or with Unreachable when it ends before it answers. */
  request<T>(message: ChannelMessage, timeoutMs: number): Promise<T>;
  /** Resolves when the supervisor is gone. */
  readonly gone: Promise<void>;
  close(): void;
}

/**
 * The service that runs from `manifest`; without one, that of `service.yaml` here or, where there is none, the only
 * one this user runs. Throws Unreachable.
 */
export async function findService(manifest: string | undefined): Promise<Found> {
  const named = manifest ?? (existsSync(usualManifest) ? usualManifest : undefined);
  if (named !== undefined && !existsSync(named)) throw new Unreachable(`There is no manifest ${named}`);
  const folders = findRuntimeFolders(named === undefined ? "" : await manifestHash(named))
    .filter((folder) => runningPid(folder) > 0);
  if (folders.length === 0) {
    throw new Unreachable(named === undefined ? "No service runs" : `No service runs from ${named}`);
  }
  if (folders.length > 1) throw new Unreachable(`${folders.length} services run: name the manifest of one`);
  return await connect(folders[0]!);
}

async function connect(folder: string): Promise<Found> {
  const note = join(folder, "control.json");
  const { address, token } = existsSync(note)
    ? JSON.parse(Deno.readTextFileSync(note))
    : { address: join(folder, "control.sock"), token: undefined };
  const gone = Promise.withResolvers<void>();
  let channel: Channel;
  try {
    const conn = await connectControl(address);
    channel = new Channel(conn, { onMessage: () => undefined, onClose: () => gone.resolve() });
  } catch (error) {
    throw new Unreachable(`The service does not answer: ${(error as Error).message}`);
  }
  return {
    pid: runningPid(folder),
    request: async <T>(message: ChannelMessage, timeoutMs: number) => {
      try {
        return await channel.request<T>({ ...message, token }, timeoutMs);
      } catch (error) {
        if (channel.closed) throw new Unreachable("The service ended before it answered", { cause: error });
        throw error;
      }
    },
    gone: gone.promise,
    close: () => channel.close(),
  };
}
