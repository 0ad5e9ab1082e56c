/** Questions to a governor that is under test. */

import type { ChannelMessage } from "../../core/channel.ts";
import { endpoints } from "../endpoints.ts";
import { childStatus, exitRecord, type FakeSupervisor, startFake } from "./fake_supervisor.ts";
import { writeFigures } from "./write_figures.ts";

export const token = 'canary-7d1f<&"x';

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  ms: number;
}

export async function get(fake: FakeSupervisor, path: string, init: RequestInit = {}): Promise<Answer> {
  const began = performance.now();
  const response = await fetch(fake.base + path, { redirect: "manual", ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, ms: performance.now() - began };
}

/** A request as raw bytes: fetch would not send these headers. */
export async function raw(fake: FakeSupervisor, head: string): Promise<string> {
  const { hostname, port } = new URL(fake.base);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(new TextEncoder().encode(head.replaceAll("\n", "\r\n") + "\r\n\r\n"));
  let text = "";
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(4096);
  for (let n = await conn.read(chunk); n !== null; n = await conn.read(chunk)) {
    text += decoder.decode(chunk.subarray(0, n));
  }
  return text;
}

export async function startBusy(options: Parameters<typeof startFake>[0] = {}): Promise<FakeSupervisor> {
  const fake = await startFake({ meta: { token }, ...options });
  writeFigures(fake.memory, 0, 1);
  await fake.tell({
    children: [
      childStatus({ id: 1, slot: 0 }),
      childStatus({ role: "governor", id: 1, slot: 7, pid: fake.governorPid }),
    ],
    exits: [exitRecord({ id: 1, detail: `token was ${token}` })],
  });
  return fake;
}

/** Every GET path that exists. */
export const paths = [
  ...endpoints.filter((one) => one.method === "GET" && one.paths === undefined).map((one) => one.path),
  "/listeners/api",
  "/listeners/lines",
  "/listeners/jobs",
  "/upstreams/users",
  "/upstreams/cache",
];

export function withFormat(path: string, format: string): string {
  return `${path}${path.includes("?") ? "&" : "?"}format=${format}`;
}


export const form = { "content-type": "application/x-www-form-urlencoded" };

/** What the supervisor was asked to do. */
export function asked(fake: FakeSupervisor): ChannelMessage[] {
  return fake.heard.filter(({ request }) => request !== undefined).map(({ request: _, ...message }) =>
    message
  );
}

