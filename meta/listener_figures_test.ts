import assert from "node:assert/strict";
import { addHistories, addRates, isFailure } from "./listener_figures.ts";

Deno.test("addHistories() and addRates() align at now and keep the unknown apart from 0", () => {
  assert.deepEqual(addHistories([[1, 2, 3], [10], []]), [1, 2, 13]);
  assert.deepEqual(addHistories([]), []);
  assert.equal(addRates([null, 2, 3]), 5);
  assert.equal(addRates([null]), null);
});

Deno.test("isFailure() blames the service for all but the clients' doing", () => {
  assert.deepEqual(["ok", "client_left", "queue_full", "never_heard_of"].map(isFailure), [
    false,
    false,
    true,
    true,
  ]);
});
