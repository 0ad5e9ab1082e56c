/** Handlers that do not read bodies to their end. */
export async function untouched(): Promise<Response> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return new Response("no", { status: 503 });
}

export async function begun(request: Request): Promise<Response> {
  const reader = request.body!.getReader();
  await reader.read();
  reader.read().catch(() => {});
  return new Response("enough");
}
