/** The fields of a POST: a form or a flat JSON object, bounded in bytes and time. */

/** Thrown for a body that is refused; `status` is 408, 413, 415 or 400. */
export class BodyError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "BodyError";
    this.status = status;
  }
}

/** Reads the body of `request`. Throws {@link BodyError}; a body past the bound is not read to its end. */
export async function readFields(
  request: Request,
  { maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number },
): Promise<URLSearchParams> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const text = new TextDecoder().decode(await readBounded(request, maxBytes, timeoutMs));
  if (text.trim() === "") return new URLSearchParams();
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (type === "application/x-www-form-urlencoded") return new URLSearchParams(text);
  if (type === "application/json") return fieldsOf(text);
  throw new BodyError(415, "Send a form (application/x-www-form-urlencoded) or a JSON object.");
}

async function readBounded(request: Request, maxBytes: number, timeoutMs: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new BodyError(408, `The body did not arrive within ${timeoutMs} ms.`)),
    timeoutMs,
  );
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) break;
      size += value.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {
      // The client is gone or was told: there is nobody left to hear of it.
    });
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

function fieldsOf(text: string): URLSearchParams {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BodyError(400, `The body is no JSON: ${(error as Error).message}`);
  }
  const fields = new URLSearchParams();
  const flat = typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((field) => ["string", "number", "boolean"].includes(typeof field));
  if (!flat) throw new BodyError(400, "The body must be one flat JSON object.");
  for (const [name, field] of Object.entries(value as object)) fields.set(name, String(field));
  return fields;
}

function tooLarge(maxBytes: number): BodyError {
  return new BodyError(413, `The body is larger than ${maxBytes} bytes.`);
}
