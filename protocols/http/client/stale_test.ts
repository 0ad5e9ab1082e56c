/** Connections that end just when a request is put on them: whether the error says that they were ending anyway. */
import assert from "node:assert/strict";
import { UpstreamError } from "../../../core/upstream_error.ts";
import { HttpSession } from "./session.ts";
import { type RawConnection, RawServer } from "./testdata/raw_server.ts";
import { hostFor, planOf, TestAttempt } from "./testdata/session_host.ts";

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/** Longer than a session may have been open to count as new. */
const idleMs = 30;

/** Runs `serve` against a session on which `use` starts attempts; resolves with the errors of those it returns. */
async function errorsOf(
  serve: (connection: RawConnection) => Promise<void>,
  use: (session: HttpSession) => Promise<TestAttempt[]>,
  pipeline = 1,
): Promise<UpstreamError[]> {
  await using server = new RawServer(serve);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const session = new HttpSession(conn, hostFor(server.address, planOf({ pipeline })));
  const attempts = await use(session);
  const errors = await Promise.all(
    attempts.map((attempt) => attempt.reply.then(() => assert.fail("it succeeded"), (error) => error)),
  );
  for (const error of errors) assert.ok(error instanceof UpstreamError, String(error));
  return errors;
}

function start(session: HttpSession, method = "GET"): TestAttempt {
  const attempt = new TestAttempt({ method });
  session.start(attempt);
  return attempt;
}

async function served(session: HttpSession): Promise<void> {
  await start(session).reply;
}

Deno.test("HttpSession says that a connection was stale when it had served and ended without a byte", async () => {
  for (const method of ["GET", "POST"]) {
    const [error] = await errorsOf(
      async (connection) => {
        await connection.hears("\r\n\r\n");
        const from = connection.heard.length;
        await connection.says(ok);
        await connection.hears("\r\n\r\n", from);
      },
      async (session) => {
        await served(session);
        return [start(session, method)];
      },
    );
    assert.deepEqual([error!.failure, error!.sent, error!.stale], ["reset", true, true]);
  }
});

Deno.test("HttpSession says that a connection was stale when it had been idle, not when it was new", async () => {
  for (const waitMs of [0, idleMs]) {
    const [error] = await errorsOf(
      (connection) => connection.hears("\r\n\r\n"),
      async (session) => {
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        return [start(session)];
      },
    );
    assert.deepEqual([error!.failure, error!.sent, error!.stale], ["reset", true, waitMs > 0]);
  }
});

Deno.test("HttpSession does not say that a connection was stale when a reply had begun", async () => {
  for (const part of ["HTTP/1.1 2", "HTTP/1.1 103 Early Hints\r\n\r\n"]) {
    const [error] = await errorsOf(
      async (connection) => {
        await connection.hears("\r\n\r\n");
        const from = connection.heard.length;
        await connection.says(ok);
        await connection.hears("\r\n\r\n", from);
        await connection.says(part);
      },
      async (session) => {
        await served(session);
        return [start(session)];
      },
    );
    assert.deepEqual([error!.failure, error!.sent, error!.stale], ["reset", true, false], part);
  }
});

Deno.test("HttpSession says that requests behind one that was answered last met a stale connection", async () => {
  const errors = await errorsOf(
    async (connection) => {
      await connection.hears("\r\n\r\n");
      await connection.says(ok.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"));
    },
    async (session) => {
      const [first, ...behind] = [start(session), start(session), start(session)];
      await first!.reply;
      return behind;
    },
    3,
  );
  assert.deepEqual(errors.map(({ failure, stale }) => [failure, stale]), [["reset", true], ["reset", true]]);
});

Deno.test("HttpSession does not call stale what this side has ended", async () => {
  const errors = await errorsOf(
    async (connection) => {
      await connection.hears("\r\n\r\n");
      await connection.says(ok);
      await connection.ends();
    },
    async (session) => {
      await served(session);
      const attempts = [start(session), start(session)];
      session.abandon(attempts.shift()!);
      return attempts;
    },
    2,
  );
  assert.deepEqual(errors.map(({ failure, stale }) => [failure, stale]), [["reset", false]]);
});
