/**
 * Maps a file into memory, shared with every process that maps it, through the C library. The mapping lives as long as
 * the process: views of it may be anywhere, so nothing here unmaps.
 */

const readWrite = 2;
const protReadWrite = 3;
const mapShared = 1;
const failed = 0xffffffffffffffffn;

const libraries: Partial<Record<typeof Deno.build.os, { names: string[]; closeOnExec: number }>> = {
  linux: { names: ["libc.so.6", "libc.so"], closeOnExec: 0x80000 },
  darwin: { names: ["/usr/lib/libSystem.B.dylib", "libSystem.dylib"], closeOnExec: 0x1000000 },
};

const symbols = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** Thrown where files cannot be mapped: other systems, or no permission for foreign functions. */
export class MappingUnavailable extends Error {
  override name = "MappingUnavailable";
}

type Libc = Deno.DynamicLibrary<typeof symbols>["symbols"] & { closeOnExec: number };
let library: Libc | undefined;

function libc(): Libc {
  if (library) return library;
  const { os } = Deno.build;
  const wanted = libraries[os];
  if (!wanted) throw new MappingUnavailable(`Cannot map files on ${os}`);
  let cause: unknown;
  for (const name of wanted.names) {
    try {
      library = { ...Deno.dlopen(name, symbols).symbols, closeOnExec: wanted.closeOnExec };
      return library;
    } catch (error) {
      cause = error;
    }
  }
  throw new MappingUnavailable("Cannot load the C library", { cause });
}

/** Why files cannot be mapped here; undefined when they can. */
export function mappingFault(): string | undefined {
  try {
    libc();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The first `bytes` bytes of the file, shared and writable. The file must be at least that long: touching what lies
 * behind its end kills the process.
 */
export function mapFile(path: string, bytes: number): ArrayBuffer {
  const c = libc();
  const { size } = Deno.statSync(path);
  if (size < bytes) throw new RangeError(`Cannot map ${path}: it has ${size} bytes, not ${bytes}`);
  const fd = c.open(new TextEncoder().encode(`${path}\0`), readWrite | c.closeOnExec);
  if (fd < 0) throw new Deno.errors.PermissionDenied(`Cannot open ${path} for mapping`);
  const pointer = c.mmap(null, BigInt(bytes), protReadWrite, mapShared, fd, 0n);
  c.close(fd);
  if (pointer === null || Deno.UnsafePointer.value(pointer) === failed) {
    throw new Error(`Cannot map ${bytes} bytes of ${path}`);
  }
  return Deno.UnsafePointerView.getArrayBuffer(pointer, bytes);
}
