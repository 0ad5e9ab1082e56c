import assert from "node:assert/strict";
import fc from "fast-check";
import { checkSeriesName, escapeLabel, formatLabels, parseLabels } from "./label_text.ts";

Deno.test("formatLabels() gives equal texts when the order of labels differs", () => {
  assert.equal(formatLabels({ b: 2, a: "x" }), 'a="x",b="2"');
  assert.equal(formatLabels({ a: "x", b: 2 }), 'a="x",b="2"');
  assert.equal(formatLabels({}), "");
  assert.equal(formatLabels(undefined), "");
});

Deno.test("parseLabels() returns what formatLabels() was given", () => {
  const name = fc.constantFrom("a", "b1", "path", "_x", "Code");
  fc.assert(
    fc.property(
      fc.dictionary(
        name,
        fc.string({ unit: fc.constantFrom("a", "\\", '"', "\n", "n", "é", ",", "=", "}", " ") }),
      ),
      (labels) => {
        assert.deepEqual({ ...parseLabels(formatLabels(labels)) }, { ...labels });
      },
    ),
  );
});

Deno.test("escapeLabel() escapes backslash, quote and line feed", () => {
  assert.equal(escapeLabel('a\\b"c\nd'), 'a\\\\b\\"c\\nd');
});

Deno.test("formatLabels() refuses reserved and malformed label names", () => {
  for (const name of ["le", "quantile", "worker", "__x", "1a", "a-b", ""]) {
    assert.throws(() => formatLabels({ [name]: "x" }), TypeError, name);
  }
});

Deno.test("checkSeriesName() refuses what Prometheus does not know as a name", () => {
  checkSeriesName("weir_requests_total");
  for (const name of ["", "1x", "a b", "a-b", "é"]) {
    assert.throws(() => checkSeriesName(name), TypeError, name);
  }
});
