/** How the records of a batch shrink: by the client library's compressions, off this thread where the platform can. */
import { type Buffer } from "node:buffer";
import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { compressionsAlgorithms } from "@platformatic/kafka";
import type { StreamPlan } from "../../core/manifest/plan.ts";

export interface Compression {
  /** In the attributes of a batch. */
  readonly code: number;
  readonly compress: (records: Buffer) => Uint8Array | Promise<Uint8Array>;
}

type Name = NonNullable<StreamPlan["kafka"]>["compression"];

const zstd = promisify(zstdCompress) as (records: Buffer) => Promise<Uint8Array>;

/** undefined for `none`. */
export function compressionOf(name: Name): Compression | undefined {
  if (name === "none") return undefined;
  const { bitmask: code } = compressionsAlgorithms[name];
  if (name === "zstd") return { code, compress: zstd };
  if (name === "gzip") return { code, compress: compressionsAlgorithms.gzip.compress };
  return { code, compress: compressionsAlgorithms[name].compressSync };
}
