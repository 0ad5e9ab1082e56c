/** The signer that a plan declares. */
import type { ZmqListenerPlan } from "../../core/manifest/plan.ts";
import { ReplayWindow } from "./replay_window.ts";
import { Signer } from "./signature.ts";

/** Undefined where messages are not signed. */
export function signerOf(signed: ZmqListenerPlan["signed"]): Signer | undefined {
  if (signed === null) return undefined;
  const { secret, window, remembered } = signed;
  return new Signer(secret, window, new ReplayWindow(window, remembered));
}
