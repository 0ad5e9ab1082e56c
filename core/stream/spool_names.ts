/** Names of the files of a spool; see record_codec.ts for the whole tree. */
import { join } from "node:path";

/** A segment of a lane by its file name. */
export interface SegmentName {
  readonly file: string;
  readonly first: number;
  /** 0 while it is being written. */
  readonly last: number;
}

const digits = 16;
const lanePattern = /^[a-z]+[0-9]+-[0-9]+-[0-9a-z]+$/;
const openPattern = /^([0-9]{16})\.open$/;
const closedPattern = /^([0-9]{16})-([0-9]{16})\.seg$/;

/** Folder of a stream within `spool.directory`. */
export function streamFolder(directory: string, stream: string): string {
  return join(directory, stream);
}

/** Name of the lane of a process that began to write at epoch ms `startedAt`. */
export function laneName(role: string, id: number, pid: number, startedAt: number): string {
  return `${role}${id}-${pid}-${Math.floor(startedAt).toString(36)}`;
}

/** Whether a folder of a stream is a lane. */
export function isLaneName(name: string): boolean {
  return lanePattern.test(name);
}

export function openSegmentName(first: number): string {
  return `${padded(first)}.open`;
}

export function closedSegmentName(first: number, last: number): string {
  return `${padded(first)}-${padded(last)}.seg`;
}

/** Undefined for a file that is no segment. */
export function parseSegmentName(file: string): SegmentName | undefined {
  const open = openPattern.exec(file);
  if (open) return { file, first: Number(open[1]), last: 0 };
  const closed = closedPattern.exec(file);
  return closed ? { file, first: Number(closed[1]), last: Number(closed[2]) } : undefined;
}

/**
 * Bytes at which a segment is complete: small enough that a spool of `maxBytes` has several per writer, so that its bound is
 * met closely and dropping the oldest one drops little.
 */
export function segmentBytesOf(maxBytes: number, workers: number): number {
  return Math.max(4096, Math.min(16 * 1024 * 1024, Math.floor(maxBytes / (4 * Math.max(4, workers)))));
}

function padded(sequence: number): string {
  return String(sequence).padStart(digits, "0");
}
