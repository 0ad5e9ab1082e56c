import assert from "node:assert/strict";
import { makeScrubber } from "./scrubber.ts";

Deno.test("makeScrubber() takes secrets out in every spelling that pages use", () => {
  const plan = {
    secrets: ["meta.token", "list.0.password"],
    meta: { token: `a"b<c&d%` },
    list: [{ password: "hunter22" }],
  };
  const scrub = makeScrubber(plan);
  const text = [`a"b<c&d%`, `a\\"b<c&d%`, "a&#34;b&#60;c&#38;d%", encodeURIComponent(`a"b<c&d%`), "hunter22"]
    .join(" ");
  assert.equal(scrub(text), Array(5).fill("[redacted]").join(" "));
});

Deno.test("makeScrubber() leaves short secrets to the redaction of the plan", () => {
  const scrub = makeScrubber({ secrets: ["token"], token: "a" } as { secrets: string[] });
  assert.equal(scrub("a banana"), "a banana");
});
