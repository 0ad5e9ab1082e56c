import assert from "node:assert/strict";
import type { Context } from "../../core/context.ts";
import { Refusal } from "../../core/errors.ts";
import { staticFiles } from "./static_files.ts";

const context = {} as Context;
const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await Deno.mkdir(`${folder}/public/sub dir`, { recursive: true });
await Deno.mkdir(`${folder}/public/empty`);
await Deno.writeTextFile(`${folder}/secret.txt`, "secret");
await Deno.writeTextFile(`${folder}/public/a.txt`, "0123456789");
await Deno.writeTextFile(`${folder}/public/100%.txt`, "percent");
await Deno.writeTextFile(`${folder}/public/none.txt`, "");
await Deno.writeTextFile(`${folder}/public/.hidden`, "hidden");
await Deno.writeTextFile(`${folder}/public/index.html`, "<p>root");
await Deno.writeTextFile(`${folder}/public/sub dir/index.html`, "<p>sub");
await Deno.writeFile(`${folder}/public/large.bin`, new Uint8Array(1 << 20));
await Deno.symlink(`${folder}/secret.txt`, `${folder}/public/out.txt`);
await Deno.symlink(`${folder}/public/.hidden`, `${folder}/public/shown.txt`);
await Deno.symlink(`${folder}/public/a.txt`, `${folder}/public/in.txt`);
await Deno.symlink(folder, `${folder}/public/up`);
await new Deno.Command("mkfifo", { args: [`${folder}/public/pipe`] }).output();
const serve = staticFiles(`${folder}/public`, "/assets/");

async function get(path: string, init?: RequestInit) {
  const answer = await serve(new Request(`http://host${path}`, init), context);
  if (answer instanceof Refusal) return { status: answer.status, text: "", headers: new Headers(), answer };
  return { status: answer.status, text: await answer.text(), headers: answer.headers, answer };
}

for (
  const [path, text] of [
    ["/assets/a.txt", "0123456789"],
    ["/assets/a.txt?v=1", "0123456789"],
    ["/%61ssets/%61.txt", "0123456789"],
    ["/assets//a.txt", "0123456789"],
    ["/assets/100%25.txt", "percent"],
    ["/assets/none.txt", ""],
    ["/assets/in.txt", "0123456789"],
    ["/assets/", "<p>root"],
    ["/assets/sub%20dir/", "<p>sub"],
  ] as const
) {
  Deno.test(`staticFiles() serves ${path}`, async () => {
    const { status, text: got } = await get(path);
    assert.deepEqual([status, got], [200, text]);
  });
}

for (
  const path of [
    "/assets/missing",
    "/assets/.hidden",
    "/assets/shown.txt",
    "/assets/out.txt",
    "/assets/up/secret.txt",
    "/assets/..%2fsecret.txt",
    "/assets/%2e%2e%2fsecret.txt",
    "/assets/%252e%252e/secret.txt",
    "/assets/..%5csecret.txt",
    "/assets/a.txt%00.html",
    "/assets/%ff",
    "/assets/a.txt/",
    "/assets/empty/",
    "/assets/pipe",
  ]
) {
  Deno.test(`staticFiles() finds nothing at ${path}`, async () =>
    assert.equal((await get(path)).status, 404));
}

Deno.test("staticFiles() sends folders to their slash, relative and with the query", async () => {
  assert.equal((await get("/assets/sub%20dir?a=1")).headers.get("location"), "./sub%20dir/?a=1");
  assert.equal((await get("/assets")).headers.get("location"), "./assets/");
});

Deno.test("staticFiles() takes GET and HEAD alone and says so", async () => {
  const { answer } = await get("/assets/a.txt", { method: "POST" });
  assert.deepEqual((answer as { methods?: string[] }).methods, ["GET", "HEAD"]);
  const head = await get("/assets/a.txt", { method: "HEAD" });
  assert.deepEqual([head.status, head.text, head.headers.get("content-length")], [200, "", "10"]);
});

const etag = (await get("/assets/a.txt")).headers.get("etag")!;
const modified = (await get("/assets/a.txt")).headers.get("last-modified")!;
const later = new Date(Date.parse(modified) + 1000).toUTCString();
const earlier = new Date(Date.parse(modified) - 1000).toUTCString();

for (
  const [headers, status, text] of [
    [{ "if-none-match": etag }, 304, ""],
    [{ "if-none-match": `"x", W/${etag}` }, 304, ""],
    [{ "if-none-match": "*" }, 304, ""],
    [{ "if-none-match": '"x"', "if-modified-since": later }, 200, "0123456789"],
    [{ "if-modified-since": modified }, 304, ""],
    [{ "if-modified-since": earlier }, 200, "0123456789"],
    [{ "if-modified-since": "yesterday" }, 200, "0123456789"],
    [{ range: "bytes=2-4" }, 206, "234"],
    [{ range: "bytes=7-" }, 206, "789"],
    [{ range: "bytes=-3" }, 206, "789"],
    [{ range: "bytes=-100" }, 206, "0123456789"],
    [{ range: "bytes=8-100" }, 206, "89"],
    [{ range: "bytes=10-" }, 416, ""],
    [{ range: "bytes=-0" }, 416, ""],
    [{ range: "bytes=5-4" }, 416, ""],
    [{ range: "bytes=-" }, 200, "0123456789"],
    [{ range: "bytes=0-1,4-5" }, 200, "0123456789"],
    [{ range: "lines=0-1" }, 200, "0123456789"],
    [{ range: "bytes=2-4", "if-range": etag }, 206, "234"],
    [{ range: "bytes=2-4", "if-range": modified }, 206, "234"],
    [{ range: "bytes=2-4", "if-range": '"old"' }, 200, "0123456789"],
  ] as Array<[Record<string, string>, number, string]>
) {
  Deno.test(`staticFiles() answers ${status} to ${JSON.stringify(headers)}`, async () => {
    const { status: got, text: body } = await get("/assets/a.txt", { headers });
    assert.deepEqual([got, body], [status, text]);
  });
}

Deno.test("staticFiles() sends no more than it announced when a file grows", async () => {
  const path = `${folder}/public/growing.txt`;
  await Deno.writeTextFile(path, "12345");
  const answer = await serve(new Request("http://host/assets/growing.txt"), context) as Response;
  await Deno.writeTextFile(path, "67890", { append: true });
  assert.deepEqual([answer.headers.get("content-length"), await answer.text()], ["5", "12345"]);
});

Deno.test("staticFiles() closes its files, also when the reader leaves half-way", async () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  for (let i = 0; i < 20; i++) {
    const answer = await serve(new Request("http://host/assets/large.bin"), context) as Response;
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.cancel();
    await get("/assets/large.bin", { method: "HEAD" });
    await get("/assets/large.bin", { headers: { range: "bytes=9999999-" } });
    await get("/assets/large.bin", { headers: { "if-none-match": "*" } });
    await get("/assets/large.bin", { headers: { range: "bytes=0-10" } });
    await get("/assets/none.txt");
  }
  // Closing after a cancelled pipe takes a few turns of the loop.
  for (let i = 0; i < 100 && open() > before; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(open(), before);
});
