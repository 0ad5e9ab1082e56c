import assert from "node:assert/strict";
import fc from "fast-check";
import { cell, type Document } from "./document.ts";
import { type Frame, renderHtml } from "./render_html.ts";
import { renderJson } from "./render_json.ts";
import { renderText } from "./render_text.ts";

const frame: Frame = {
  service: "shop",
  version: "1",
  state: { text: "ready", tone: "good" },
  path: "/x",
  query: new URLSearchParams("a=<b>"),
  refreshSeconds: 0,
  views: true,
  writable: true,
  pages: [{ path: "/x", title: "X" }],
  nowText: "now",
};
const example = (method: string, path: string) => `${method} ${path}`;

function documentOf(text: string): Document {
  return {
    title: text,
    sections: [
      {
        kind: "facts",
        key: "facts",
        title: text,
        note: text,
        facts: [{ key: "a", label: text, value: text }],
      },
      {
        kind: "table",
        key: "rows",
        title: "",
        columns: [{ key: "name", label: text }, { key: "ms", label: "Time", as: "duration" }],
        rows: [[cell(text, "code", { href: "/" + text }), 1500]],
        empty: text,
      },
      { kind: "block", key: "block", title: "", text },
      {
        kind: "actions",
        key: "acts",
        title: "",
        actions: [{
          method: "post",
          path: "/" + text,
          label: text,
          fields: [{ name: text, label: text, value: text }],
        }],
      },
    ],
  };
}

Deno.test("renderHtml() lets no value become markup", () => {
  const tags = renderHtml(documentOf("plain"), frame).match(/<[a-z/!][^>]*>/g)!.length;
  const nasty = fc.oneof(
    fc.constantFrom(
      "<script>alert(1)</script>",
      `"><img src=x onerror=1>`,
      "' onfocus='x",
      "</pre></style>",
      "&lt;",
    ),
    fc.string({ minLength: 1 }),
  );
  fc.assert(fc.property(nasty, (text) => {
    const html = renderHtml(documentOf(text), { ...frame, service: text, nowText: text });
    assert.equal(html.match(/<[a-z/!][^>]*>/g)!.length, tags);
    assert.doesNotMatch(html, /<script|<img| on[a-z]+=['"]|javascript:/i);
  }));
});

Deno.test("renderHtml() links to our own pages only", () => {
  const document: Document = {
    title: "t",
    sections: [{
      kind: "facts",
      key: "f",
      title: "",
      facts: [{ key: "a", label: "A", value: cell("x", "text", { href: "javascript:alert(1)" }) }],
    }],
  };
  assert.doesNotMatch(renderHtml(document, frame), /javascript:/);
});

Deno.test("renderText() writes control characters of values as escapes", () => {
  const text = renderText(documentOf("a\x1b[31mb\u009bc\rd\u202ee"), example);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  assert.match(text, /\\x1b\[31mb\\x9bc\\x0dd\\u202ee/);
});

Deno.test("renderText() aligns columns, numbers to the right", () => {
  const document: Document = {
    title: "T",
    sections: [{
      kind: "table",
      key: "t",
      title: "",
      columns: [{ key: "n", label: "Name" }, { key: "c", label: "Count", as: "count" }, {
        key: "x",
        label: "X",
      }],
      rows: [["a", 5, "end"], ["longer", 12345, null]],
      empty: "",
    }],
  };
  assert.equal(
    renderText(document, example),
    "T\n=\n\nName     Count  X\na            5  end\nlonger  12,345  –\n",
  );
});

Deno.test("renderJson() carries raw values under the names of sections and columns", () => {
  const data = JSON.parse(renderJson(documentOf("v")));
  assert.deepEqual(data.facts, { a: "v" });
  assert.deepEqual(data.rows, [{ name: "v", ms: 1500 }]);
  assert.equal(data.block, "v");
  assert.deepEqual(data.acts, [{ method: "POST", path: "/v", label: "v", fields: ["v"] }]);
});
