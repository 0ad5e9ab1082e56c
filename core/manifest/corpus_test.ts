/**
 * Wrong manifests and what is said about them. The head of each manifest says by hand where its problems are and what
 * was meant; the .txt beside it is the exact text. A new case is a new pair.
 */
import assert from "node:assert/strict";
import { compileCorpus, corpusFiles, corpusText, expectedFile } from "./write_corpus.ts";

interface Wanted {
  place: string;
  meant: string | undefined;
}

function wanted(name: string): Wanted[] {
  const text = Deno.readTextFileSync(new URL(`./corpus/${name}`, import.meta.url));
  return [...text.matchAll(/^# wrong: (\d+:\d+)(?: meant: (.*))?$/gm)].map(([, place, meant]) => ({
    place,
    meant,
  }));
}

Deno.test("compile() says of every wrong manifest exactly what its fixture says", async (t) => {
  for (const name of corpusFiles()) {
    await t.step(name, () => {
      const result = compileCorpus(name);
      assert.equal(result.plan, undefined);
      assert.deepEqual(
        result.diagnostics.map(({ line, column }) => `${line}:${column}`),
        wanted(name).map(({ place }) => place),
      );
      assert.equal(corpusText(result), Deno.readTextFileSync(expectedFile(name)));
    });
  }
});

Deno.test("compile() locates every problem of the corpus in its text", () => {
  let problems = 0;
  for (const name of corpusFiles()) {
    const lines = Deno.readTextFileSync(new URL(`./corpus/${name}`, import.meta.url)).split("\n");
    for (const { file, line, column, length, excerpt } of compileCorpus(name).diagnostics) {
      problems++;
      assert.equal(file, name);
      assert.equal(lines[line - 1], excerpt, `${name}:${line}`);
      assert.ok(column >= 1 && column <= excerpt.length + 1 && length >= 1, `${name}:${line}:${column}`);
    }
  }
  assert.ok(problems >= corpusFiles().length);
});

Deno.test("compile() proposes what was meant for 95 % of the typos", () => {
  let typos = 0;
  const missed: string[] = [];
  for (const name of corpusFiles()) {
    const { diagnostics } = compileCorpus(name);
    for (const { place, meant } of wanted(name)) {
      if (meant === undefined) continue;
      typos++;
      const found = diagnostics.find(({ line, column, suggestions }) =>
        `${line}:${column}` === place && suggestions[0] === meant
      );
      if (!found) missed.push(`${name} ${meant}`);
    }
  }
  assert.ok(typos >= 40, `only ${typos} typos`);
  assert.ok(missed.length <= typos * 0.05, missed.join("\n"));
});

Deno.test("corpus has at least 150 manifests, each with a problem declared by hand", () => {
  const names = corpusFiles();
  assert.ok(names.length >= 150, `${names.length}`);
  for (const name of names) assert.ok(wanted(name).length > 0, name);
});
