/** `docs/reasons.md` as text, from the table of reasons. */
import { reasonCodes, reasons } from "../core/reasons.ts";
import { code, table } from "./markdown.ts";

const head = `<!-- Written by \`deno task docs\` from core/reasons.ts. -->

# Reasons

Whatever ends a connection or a request has one of these codes, which are stable: in the header \`x-weir-reason\` of an
HTTP answer that no handler gave, as \`reason\` in the access log, as the label \`reason\` of metrics, on the meta pages.

- _Who_: who caused the end. _Phase_: what was going on.
- _HTTP_: the status of the answer. Where there is none, the connection is closed without one; 499 is only ever logged,
  for nobody is left to read it.
- A \`frames\` listener closes the connection, or sends its \`refuse\` frame.

`;

/** The whole page. */
export function reasonsReference(): string {
  const rows = reasonCodes.map((reason) => {
    const { party, phase, status, text } = reasons[reason];
    return [code(reason), party, phase, status === 0 ? "" : String(status), text];
  });
  return head + table(["code", "who", "phase", "HTTP", "meaning"], rows);
}
