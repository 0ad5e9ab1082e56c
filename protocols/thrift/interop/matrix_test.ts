import assert from "node:assert/strict";
import { categories } from "./cases.ts";
import { cannot, inability, matrixTable, type Row, runMatrix, troublesAmongThemselves } from "./matrix.ts";

Deno.test("thrift understands thriftpy2, thriftpy and Apache Thrift when it serves and when it calls", async () => {
  const rows = await runMatrix();
  console.log(matrixTable(rows));
  const troubles = rows.flatMap((row) =>
    categories.filter((category) => !unable(row, category)).flatMap((category) =>
      (row.troubles.get(category) ?? ["not asked"]).map((trouble) =>
        `${row.configuration.name} as ${row.role}, ours v${row.configuration.theirs}: ${trouble}`
      )
    )
  );
  assert.deepEqual(troubles, []);
  assert.equal(rows.length, 112);
});

Deno.test("cannot names what peers cannot do among themselves either", async () => {
  for (const one of cannot) {
    const troubles = await troublesAmongThemselves(one);
    assert.ok(troubles.length > 0, `${one.peer} can do ${one.category}: ${one.reason}`);
  }
});

function unable({ peer, role, configuration }: Row, category: string): boolean {
  return inability(peer, role, configuration.protocol, category) !== undefined;
}
