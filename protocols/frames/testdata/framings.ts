/** Every framing with a bound of 40 bytes, for tests that hold for all of them. */
import type { FramingPlan } from "../../../core/manifest/plan.ts";

export const boundBytes = 40;

const prefixes = ([1, 2, 4, 8] as const).flatMap((bytes) =>
  (["big", "little"] as const).flatMap((endian) =>
    [false, true].map((includesItself): [string, FramingPlan] => [
      `lengthPrefix ${bytes} ${endian}${includesItself ? " itself" : ""}`,
      { lengthPrefix: { bytes, endian, includesItself }, max: boundBytes },
    ])
  )
);

export const framings: ReadonlyArray<readonly [name: string, plan: FramingPlan]> = [
  ...prefixes,
  ["delimiter LF", { delimiter: "\n", max: boundBytes }],
  ["delimiter CRLF", { delimiter: "\r\n", max: boundBytes }],
  ["delimiter aab", { delimiter: "aab", max: boundBytes }],
  ["delimiter of 8 bytes", { delimiter: "--abab--", max: boundBytes }],
  ["netstring", { netstring: {}, max: boundBytes }],
  ["fixed", { fixed: 7, max: boundBytes }],
  ["varint", { varint: {}, max: boundBytes }],
];

/** The same framings with another bound. */
export function bounded(plan: FramingPlan, max: number): FramingPlan {
  return { ...plan, max } as FramingPlan;
}
