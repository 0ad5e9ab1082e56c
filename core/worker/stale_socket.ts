/** Socket files of unix listeners: what a process that is gone left behind makes room, anything else is left alone. */

/**
 * Removes the socket file at `path` when nobody listens on it. Throws TypeError where there is a file that is no socket,
 * and AddrInUse where somebody listens.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch {
    return;
  }
  if (!info.isSocket) throw new TypeError(`Cannot listen on unix:${path}: there is a file that is no socket`);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return await Deno.remove(path);
  }
  throw new Deno.errors.AddrInUse(`Cannot listen on unix:${path}: somebody listens there`);
}

/** Returns what takes the socket file at `path` away, unless another one has taken its place. */
export function socketFileRemover(path: string): () => void {
  const { ino } = Deno.lstatSync(path);
  return () => {
    try {
      if (Deno.lstatSync(path).ino === ino) Deno.removeSync(path);
    } catch {
      // Gone already.
    }
  };
}
